/** Applies one change to a mirror: in chunks that are acknowledged one by one, each by what was read back. */
import type { Change, Copy, Manifest, Written } from '../host.ts';
import { type Failure, type Result, fail, failure, ok } from '../result.ts';
import type { Agent } from './agent.ts';
import { chunkChange, copyChunks, parentsOf } from './chunk.ts';
import { fromPaths, parseHashes, parseStats, toPaths } from './listing.ts';
import { type SingleFile, onlyFile, singleEntry } from './single.ts';

/** Pieces of an archive are gathered to about this many bytes: each costs the agent one process. */
const pieceBytes = 1 << 20;

export interface TransferSubject {
  readonly target: string;
  readonly manifest: Manifest;
  readonly pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>;
  readonly acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void;
}

export class Transfer {
  readonly #agent: Agent;
  readonly #subject: TransferSubject;

  constructor(agent: Agent, subject: TransferSubject) {
    this.#agent = agent;
    this.#subject = subject;
  }

  async apply(change: Change, signal: AbortSignal): Promise<Result<void>> {
    const { manifest } = this.#subject;
    const copies = copyChunks(change.copy ?? []);
    for (const { base, chunk } of copies) {
      const staged = await this.#stage(base, chunk);
      if (!staged.ok) return staged;
    }
    // Two chunks under way hide the round trip; the agent answers in order.
    let before: Promise<Result<void>> = Promise.resolve(ok(undefined));
    for (const chunk of chunkChange(change, manifest)) {
      if (signal.aborted) break;
      const current = this.#applyChunk(chunk);
      const previous = await before;
      before = current;
      if (!previous.ok) {
        await current;
        return previous;
      }
    }
    const last = await before;
    if (!last.ok || signal.aborted) return last;
    for (const { base, chunk } of copies) {
      const placed = await this.#place(base, chunk);
      if (!placed.ok) return placed;
    }
    return last;
  }

  async #stage(base: number, copies: readonly Copy[]): Promise<Result<void>> {
    const { target } = this.#subject;
    const sources = toPaths(copies.map(({ from }) => from));
    const answer = await this.#agent.ask(`stage ${target} ${base} ${sources.length}`, [sources]);
    return answer.ok ? ok(undefined) : { ok: false, failure: explainApply(answer.failure, target) };
  }

  async #place(base: number, copies: readonly Copy[]): Promise<Result<void>> {
    const { target, manifest, acknowledged } = this.#subject;
    const files = copies.map(({ to }) => to);
    const executables = files.filter((path) => {
      const entry = manifest.get(path);
      return entry?.kind === 'file' && entry.mode === 0o755;
    });
    const payloads = [toPaths(files), toPaths(executables), toPaths(parentsOf([], files))];
    const sizes = payloads.map((payload) => payload.length).join(' ');
    const answer = await this.#agent.ask(`place ${target} ${base} ${sizes}`, payloads);
    if (!answer.ok) return { ok: false, failure: explainApply(answer.failure, target) };
    acknowledged(readBack(answer.value, files, [], []), []);
    return ok(undefined);
  }

  async #applyChunk(chunk: Change): Promise<Result<void>> {
    const { target, manifest, acknowledged } = this.#subject;
    const single = onlyFile(chunk, manifest);
    if (single !== undefined) return this.#save(single);
    const all = [...chunk.write, ...chunk.link];
    const files = all.filter((path) => manifest.get(path)?.kind === 'file');
    const dirs = all.filter((path) => manifest.get(path)?.kind === 'dir');
    const links = all.filter((path) => manifest.get(path)?.kind === 'link');
    const long = chunk.link.flatMap((path) => {
      const entry = manifest.get(path);
      return entry?.kind === 'link' ? [entry.target, `./${path}`] : [];
    });
    const payloads = [
      toPaths(parentsOf(chunk.remove, all)),
      toPaths(chunk.remove),
      toPaths(files),
      toPaths(dirs),
      toPaths(links),
      Buffer.from(long.map((item) => `${item}\0`).join('')),
    ];
    let broken: unknown;
    const answer = await this.#agent.ask(
      `apply ${target} ${payloads.map((payload) => payload.length).join(' ')}`,
      payloads,
      async (write) => {
        broken = await this.#sendArchive(chunk.write, write);
      },
    );
    if (broken !== undefined && !this.#agent.lost.aborted) return unstable(broken);
    if (!answer.ok) return { ok: false, failure: explainApply(answer.failure, target) };
    acknowledged(readBack(answer.value, files, dirs, links), chunk.remove);
    return ok(undefined);
  }

  /** Sends the files in pieces, each announced by its size; returns what broke the archive off, if something did. */
  async #sendArchive(paths: readonly string[], write: (data: Uint8Array) => Promise<void>): Promise<unknown> {
    let gathered: Uint8Array[] = [];
    let size = 0;
    let sending: Promise<void> = Promise.resolve();
    let broken: unknown;
    // The next piece is read while this one is on its way.
    const flush = async (end: string): Promise<void> => {
      const head = size > 0 ? [Buffer.from(`${size}\n`), ...gathered] : [];
      gathered = [];
      size = 0;
      await sending;
      sending = write(Buffer.concat([...head, Buffer.from(end)]));
    };
    try {
      for await (const piece of paths.length > 0 ? this.#subject.pack(paths) : []) {
        gathered.push(piece);
        size += piece.length;
        if (size >= pieceBytes) await flush('');
      }
    } catch (error) {
      // A file moved under the reader: the archive ends here, tar notices, and the caller scans again.
      broken = error;
    }
    await flush('0\n');
    await sending;
    return broken;
  }

  /** The short way for one file: no archive to unpack, a third of the processes. */
  async #save({ path, entry }: SingleFile): Promise<Result<void>> {
    const { target, pack, acknowledged } = this.#subject;
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of pack([path])) pieces.push(piece);
    } catch (error) {
      return unstable(error);
    }
    const { content, mtime } = singleEntry(Buffer.concat(pieces), entry.size);
    const answer = await this.#agent.ask(
      `save ${target} ${content.length} ${entry.mode.toString(8)} ${mtime}\n${path}`,
      [content],
    );
    if (!answer.ok) return { ok: false, failure: explainApply(answer.failure, target) };
    const [remote] = parseStats(answer.value[0]);
    const written = new Map<string, Written>();
    if (remote !== undefined)
      written.set(path, { remote, content: Buffer.from(answer.value[1] ?? []).toString('latin1') });
    acknowledged(written, []);
    return ok(undefined);
  }
}

/** What the agent read after writing: `stat` of everything in this order, then contents of files and links. */
function readBack(
  [statBytes, hashBytes, targetBytes]: readonly Uint8Array[],
  files: readonly string[],
  dirs: readonly string[],
  links: readonly string[],
): ReadonlyMap<string, Written> {
  const stats = parseStats(statBytes);
  const hashes = parseHashes(hashBytes, files);
  const targets = fromPaths(targetBytes);
  const written = new Map<string, Written>();
  const order = [...files, ...dirs, ...links];
  // Something vanished in between: what is not acknowledged is sent again.
  if (stats.length !== order.length) return written;
  for (const [index, path] of order.entries()) {
    const remote = stats[index];
    if (remote === undefined) continue;
    const link = index - files.length - dirs.length;
    written.set(path, { remote, content: hashes.get(path) ?? (link >= 0 ? (targets[link] ?? '') : '') });
  }
  return written;
}

function unstable(error: unknown): Result<never> {
  const why = error instanceof Error ? error.message : JSON.stringify(error);
  return fail(
    'file-unstable',
    `a file changed while it was sent: ${why}`,
    'It is read again; nothing is lost.',
  );
}

function explainApply(cause: Failure, target: string): Failure {
  if (cause.code !== 'runner-protocol') return cause;
  const lines = cause.message.split('\n').slice(-5);
  if (cause.message.includes('No space left')) {
    return failure(
      'sync-no-space',
      `the runner's workspace is full while syncing ${target}`,
      'Raise the size limit of its volume, or ignore what the build does not need in .dockerignore.',
      lines,
    );
  }
  return failure(
    'sync-failed',
    `the runner could not write ${target}`,
    'It is tried again with the next change.',
    lines,
  );
}
