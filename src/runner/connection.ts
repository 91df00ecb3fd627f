/** A runner connection: the port's methods, spoken to one agent. The same for a pod and for the local sandbox. */
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import type {
  BuildEnd,
  BuildStart,
  Change,
  Clock,
  Copy,
  Holder,
  Manifest,
  RemoteEntry,
  RunnerIdentity,
  Written,
} from '../host.ts';
import { type Failure, type Result, fail, failure, ok } from '../result.ts';
import { Agent, type FollowerFrame } from './agent.ts';
import type { Channel } from './channel.ts';
import { chunkChange, copyChunks, parentsOf } from './chunk.ts';
import { type SingleFile, onlyFile, singleEntry } from './single.ts';
import type { OwnedConnection } from './reconnecting.ts';
import { fromPaths, parseHashes, parseNames, parseStats, toPaths } from './listing.ts';

const buildProgram = readFileSync(new URL('./build.sh', import.meta.url));

/** Pieces of an archive are gathered to about this many bytes: each costs the agent one process. */
const pieceBytes = 1 << 20;

/** From so many files on, reading them is shared between two processes. */
const manyFiles = 500;

/** The executor's argv travels through xargs, which must not split it. */
const maxArgvBytes = 24_000;

export interface RunnerPlace {
  /** Shown to people: `pod/kaniko-build-runner-abc`. */
  readonly name: string;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  /** Called once the channel is gone. */
  readonly release?: () => Promise<void>;
}

/** Opens the agent over the channel, takes the workspace's writer lock and checks that the executor runs. */
export async function openConnection(
  channel: Channel,
  clock: Clock,
  place: RunnerPlace,
  holder: Holder,
): Promise<Result<OwnedConnection>> {
  const opened = await Agent.open(channel, clock);
  if (!opened.ok) return opened;
  const agent = opened.value;
  const name = holder.name.replaceAll(/[^\w.@-]/g, '_');
  const hello = await agent.ask(
    `hello ${place.workspace} ${holder.session} ${name} ${randomUUID()} ${buildProgram.length}`,
    [buildProgram],
  );
  if (!hello.ok) {
    agent.close('refused');
    return { ok: false, failure: explainHello(hello.failure, place) };
  }
  const [workspaceId = '', executorVersion = '', running = '-'] = text(hello.value[0]).split('\n');
  const identity: RunnerIdentity = { name: place.name, workspaceId, executorVersion: executorVersion.trim() };
  const gone = channel.closed.then(async () => place.release?.());
  return ok(new Connection(agent, identity, place, gone, running === '-' ? undefined : running));
}

class Connection implements OwnedConnection {
  readonly identity: RunnerIdentity;
  /** Id of a build that another connection left running. */
  readonly leftoverBuild: string | undefined;
  readonly #agent: Agent;
  readonly #place: RunnerPlace;
  readonly #gone: Promise<void>;

  constructor(
    agent: Agent,
    identity: RunnerIdentity,
    place: RunnerPlace,
    gone: Promise<void>,
    leftoverBuild: string | undefined,
  ) {
    this.#agent = agent;
    this.#gone = gone;
    this.identity = identity;
    this.#place = place;
    this.leftoverBuild = leftoverBuild;
  }

  get lost(): AbortSignal {
    return this.#agent.lost;
  }

  async close(): Promise<void> {
    this.#agent.close('closed');
    await this.#gone;
  }

  async list(target: string): Promise<Result<ReadonlyMap<string, RemoteEntry>>> {
    const answer = await this.#agent.ask(`list ${target}`);
    if (!answer.ok) return answer;
    const [names, stats] = answer.value;
    const paths = parseNames(names);
    const entries = parseStats(stats);
    if (paths.length !== entries.length) return changedWhileListed(target);
    const listing = new Map<string, RemoteEntry>();
    for (const [index, path] of paths.entries()) {
      const entry = entries[index];
      if (path !== '.' && entry !== undefined) listing.set(path.slice(2), entry);
    }
    return ok(listing);
  }

  async read(
    target: string,
    files: readonly string[],
    links: readonly string[],
  ): Promise<Result<ReadonlyMap<string, string>>> {
    // The agent works on two questions at once.
    const half = files.length < manyFiles ? files.length : Math.ceil(files.length / 2);
    const parts = await Promise.all([
      this.#readSome(target, files.slice(0, half), links),
      ...(half < files.length ? [this.#readSome(target, files.slice(half), [])] : []),
    ]);
    const contents = new Map<string, string>();
    for (const part of parts) {
      if (!part.ok) return part;
      for (const [path, content] of part.value) contents.set(path, content);
    }
    return ok(contents);
  }

  async #readSome(
    target: string,
    files: readonly string[],
    links: readonly string[],
  ): Promise<Result<ReadonlyMap<string, string>>> {
    const filePaths = toPaths(files);
    const linkPaths = toPaths(links);
    const answer = await this.#agent.ask(`contents ${target} ${filePaths.length} ${linkPaths.length}`, [
      filePaths,
      linkPaths,
    ]);
    if (!answer.ok) return answer;
    const contents = parseHashes(answer.value[0], files);
    const targets = fromPaths(answer.value[1]);
    if (targets.length === links.length) {
      for (const [index, path] of links.entries()) contents.set(path, targets[index] ?? '');
    }
    return ok(contents);
  }

  async apply(
    target: string,
    change: Change,
    manifest: Manifest,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const copies = copyChunks(change.copy ?? []);
    for (const { base, chunk } of copies) {
      const staged = await this.#stageCopies(target, base, chunk);
      if (!staged.ok) return staged;
    }
    // Two chunks under way hide the round trip; the agent answers in order.
    let before: Promise<Result<void>> = Promise.resolve(ok(undefined));
    for (const chunk of chunkChange(change, manifest)) {
      if (signal.aborted) break;
      const current = this.#applyChunk(target, chunk, manifest, pack, acknowledged);
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
      const placed = await this.#placeCopies(target, base, chunk, manifest, acknowledged);
      if (!placed.ok) return placed;
    }
    return last;
  }

  async #stageCopies(target: string, base: number, copies: readonly Copy[]): Promise<Result<void>> {
    const sources = toPaths(copies.map(({ from }) => from));
    const answer = await this.#agent.ask(`stage ${target} ${base} ${sources.length}`, [sources]);
    return answer.ok ? ok(undefined) : { ok: false, failure: explainApply(answer.failure, target) };
  }

  async #placeCopies(
    target: string,
    base: number,
    copies: readonly Copy[],
    manifest: Manifest,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
  ): Promise<Result<void>> {
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

  async #applyChunk(
    target: string,
    chunk: Change,
    manifest: Manifest,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
  ): Promise<Result<void>> {
    const single = onlyFile(chunk, manifest);
    if (single !== undefined) return this.#save(target, single, chunk, pack, acknowledged);
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
        let gathered: Uint8Array[] = [];
        let size = 0;
        let sending: Promise<void> = Promise.resolve();
        // The next piece is read while this one is on its way.
        const flush = async (end: string): Promise<void> => {
          const head = size > 0 ? [Buffer.from(`${size}\n`), ...gathered] : [];
          gathered = [];
          size = 0;
          await sending;
          sending = write(Buffer.concat([...head, Buffer.from(end)]));
        };
        try {
          for await (const piece of chunk.write.length > 0 ? pack(chunk.write) : []) {
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
      },
    );
    if (broken !== undefined && !this.lost.aborted) return unstable(broken);
    if (!answer.ok) return { ok: false, failure: explainApply(answer.failure, target) };
    acknowledged(readBack(answer.value, files, dirs, links), chunk.remove);
    return ok(undefined);
  }

  /** The short way for one file: no archive to unpack, a third of the processes. */
  async #save(
    target: string,
    { path, entry }: SingleFile,
    chunk: Change,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
  ): Promise<Result<void>> {
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of pack(chunk.write)) pieces.push(piece);
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
    if (remote !== undefined) written.set(path, { remote, content: text(answer.value[1]) });
    acknowledged(written, []);
    return ok(undefined);
  }

  async put(name: string, content: string | undefined): Promise<Result<string>> {
    const body = Buffer.from(content ?? '');
    const answer = await this.#agent.ask(`put ${name} ${content === undefined ? -1 : body.length}`, [body]);
    return answer.ok ? ok(`${this.#place.workspace}/.kaniko-dev/${name}`) : answer;
  }

  async startBuild(start: BuildStart): Promise<Result<void>> {
    const argv = Buffer.from(start.argv.map((argument) => `${argument}\0`).join(''));
    if (argv.length > maxArgvBytes) {
      return fail(
        'build-failed',
        `the executor's arguments take ${argv.length} bytes, more than ${maxArgvBytes}`,
        'Pass large values as files in the context instead of build args.',
      );
    }
    const answer = await this.#agent.ask(`start-build ${start.id} ${argv.length}`, [argv]);
    return answer.ok ? ok(undefined) : answer;
  }

  async followBuild(
    id: string,
    offset: number,
    onData: (data: Uint8Array) => void,
  ): Promise<Result<BuildEnd>> {
    let expected = offset;
    const ended = new Promise<Result<BuildEnd>>((resolve) => {
      this.lost.addEventListener(
        'abort',
        () => resolve({ ok: false, failure: this.lost.reason as Failure }),
        {
          once: true,
        },
      );
      this.#agent.onFrame = (frame: FollowerFrame) => {
        if (frame.type === 'data') {
          // A follower that was replaced may have had a frame under way.
          const fresh = frame.data.subarray(Math.max(0, expected - frame.offset));
          expected += fresh.length;
          if (fresh.length > 0) onData(fresh);
        } else if (frame.id === id) {
          resolve(ok({ exitCode: frame.exitCode, digest: frame.digest }));
        }
      };
    });
    const answer = await this.#agent.ask(`follow ${id} ${offset}`);
    return answer.ok ? ended : answer;
  }

  async killBuild(id: string): Promise<Result<void>> {
    const answer = await this.#agent.ask(`kill-build ${id}`);
    return answer.ok ? ok(undefined) : answer;
  }

  async dockerConfig(): Promise<Result<string | undefined>> {
    const answer = await this.#agent.ask('docker-config');
    if (!answer.ok) return answer;
    const config = text(answer.value[0]);
    return ok(config === '' ? undefined : config);
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

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8');
}

function changedWhileListed(target: string): Result<never> {
  return fail(
    'sync-failed',
    `the mirror of ${target} changed while it was listed`,
    'Something else writes into the runner’s workspace; find it with `kubectl exec … -- ps`.',
  );
}

/** The agent refuses a hello with "held NAME", "workspace PATH" or "executor TEXT". */
function explainHello(cause: Failure, place: RunnerPlace): Failure {
  if (cause.code !== 'runner-protocol') return cause;
  const [word, ...rest] = cause.message.split(' ');
  switch (word) {
    case 'held':
      return failure(
        'runner-held',
        `${place.name} is in use by ${rest.join(' ')}`,
        'One daemon writes to a workspace at a time: stop the other one, or use another runner.',
      );
    case 'workspace':
      return failure(
        'runner-not-ready',
        `${place.workspace} in ${place.name} cannot be written`,
        'Mount an emptyDir there, as k8s/ does, and check that it is not full.',
      );
    case 'executor':
      return failure(
        'runner-no-executor',
        `/kaniko/executor does not run in ${place.name}`,
        'The runner must use a kaniko debug image: gcr.io/kaniko-project/executor:v1.24.0-debug.',
        rest.join(' ') === '' ? undefined : [rest.join(' ')],
      );
    default:
      return cause;
  }
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
