/** What is known of a target's mirror in the runner: only what the agent has acknowledged by content. */
import { diffManifests, entriesEqual, manifestsEqual } from '../files/manifest.ts';
import type { Change, Copy, Entry, Files, Manifest, RemoteEntry, RunnerConnection } from '../host.ts';
import { type Result, fail, ok } from '../result.ts';

interface Known {
  readonly entry: Entry;
  /** The runner's stat when the content was read: while it is unchanged, so is the content. */
  readonly stat: string;
}

/** What is neither file, directory nor link can only be replaced; no manifest holds such a link. */
const foreign: Entry = { kind: 'link', target: '\0' };

export interface Synced {
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly bytes: number;
}

export interface SyncObserver {
  /** Entries to write, entries to remove, file bytes to send. */
  readonly onStart: (write: number, remove: number, bytes: number) => void;
  /** Bytes that went out since the last call; a little more than the files hold. */
  readonly onSent: (bytes: number) => void;
}

export class Mirror {
  readonly target: string;
  readonly #connection: RunnerConnection;
  #known: Map<string, Known> | undefined;
  /** The manifest that the mirror equals, as far as is known. Comparing with it costs only what differs. */
  #manifest: Manifest | undefined;

  constructor(target: string, connection: RunnerConnection) {
    this.target = target;
    this.#connection = connection;
  }

  /** The connection whose mirror this is; after a loss, everything is read again by a new Mirror. */
  get connection(): RunnerConnection {
    return this.#connection;
  }

  /**
   * Compares the mirror with what is known of it, reading the content of every entry whose stat moved. Returns the
   * paths that somebody else changed.
   */
  async verify(): Promise<Result<readonly string[]>> {
    const listed = await this.#connection.list(this.target);
    if (!listed.ok) return listed;
    const before = this.#known;
    const known = new Map<string, Known>();
    const unsure: [string, RemoteEntry][] = [];
    const drift: string[] = [];
    for (const [path, remote] of listed.value) {
      const entry = before?.get(path);
      // The change time of a directory moves with every entry made in it; its kind and mode are all that counts.
      if (entry?.stat === remote.stat) known.set(path, entry);
      else if (remote.kind === 'dir') known.set(path, { entry: fromRemote(remote, ''), stat: remote.stat });
      else unsure.push([path, remote]);
    }
    const files = unsure.flatMap(([path, { kind }]) => (kind === 'file' ? [path] : []));
    const links = unsure.flatMap(([path, { kind }]) => (kind === 'link' ? [path] : []));
    if (unsure.length > 0) {
      const contents = await this.#connection.read(this.target, files, links);
      if (!contents.ok) return contents;
      for (const [path, remote] of unsure) {
        const content = contents.value.get(path);
        const entry = content === undefined ? foreign : fromRemote(remote, content);
        known.set(path, { entry, stat: remote.stat });
      }
    }
    if (before !== undefined) {
      for (const path of new Set([...before.keys(), ...known.keys()])) {
        if (!sameEntry(before.get(path)?.entry, known.get(path)?.entry)) drift.push(path);
      }
    }
    this.#known = known;
    if (before === undefined || drift.length > 0) this.#manifest = undefined;
    return ok(drift);
  }

  /**
   * Makes the mirror equal to the manifest. Fails with `file-unstable` when a file moved meanwhile: scan again.
   */
  async sync(
    files: Files,
    root: string,
    manifest: Manifest,
    observer: SyncObserver,
    signal: AbortSignal,
  ): Promise<Result<Synced>> {
    if (this.#known === undefined) {
      const verified = await this.verify();
      if (!verified.ok) return verified;
    }
    const known = this.#known ?? new Map<string, Known>();
    const change = withCopies(diffManifests(this.#manifest ?? entriesOf(known), manifest), known, manifest);
    const copied = (change.copy ?? []).map(({ to }) => to);
    const written = [...change.write, ...change.link, ...copied];
    const bytes = change.write.reduce((sum, path) => {
      const entry = manifest.get(path);
      return sum + (entry?.kind === 'file' ? entry.size : 0);
    }, 0);
    if (written.length + change.remove.length === 0) {
      this.#manifest = manifest;
      return ok({ written, removed: [], bytes });
    }
    observer.onStart(written.length, change.remove.length, bytes);

    // Until acknowledged, nothing is known about these paths.
    this.#manifest = undefined;
    for (const path of [...written, ...change.remove]) known.delete(path);
    const wrong: string[] = [];
    const applied = await this.#connection.apply(
      this.target,
      change,
      manifest,
      (paths) => counted(files.pack(root, manifest, paths), observer.onSent),
      (acknowledged) => {
        for (const [path, { remote, content }] of acknowledged) {
          const entry = fromRemote(remote, content);
          known.set(path, { entry, stat: remote.stat });
          if (!sameEntry(entry, manifest.get(path))) wrong.push(path);
        }
      },
      signal,
    );
    if (!applied.ok) {
      this.#known = undefined;
      return applied;
    }
    if (signal.aborted) {
      this.#known = undefined;
      return fail('interrupted', 'interrupted', 'Start it again.');
    }
    const missing = written.filter((path) => !known.has(path));
    if (wrong.length + missing.length > 0) {
      this.#known = undefined;
      return fail(
        'file-unstable',
        `${[...wrong, ...missing].slice(0, 3).join(', ')} arrived with another content than was read`,
        'It is read and sent again.',
      );
    }
    this.#manifest = manifest;
    return ok({ written, removed: change.remove, bytes });
  }

  /** Forgets everything: the next look reads every entry again. */
  forget(): void {
    this.#known = undefined;
    this.#manifest = undefined;
  }

  /** What the mirror holds, looked up when it is not known. */
  async holds(): Promise<Result<Manifest>> {
    if (this.#known === undefined) {
      const verified = await this.verify();
      if (!verified.ok) return verified;
    }
    return ok(this.#manifest ?? entriesOf(this.#known ?? new Map<string, Known>()));
  }

  /** Whether the mirror is known to equal the manifest. */
  equals(manifest: Manifest): boolean {
    if (this.#known === undefined) return false;
    if (!manifestsEqual(this.#manifest ?? entriesOf(this.#known), manifest)) return false;
    this.#manifest = manifest;
    return true;
  }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  onSent: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    yield piece;
    onSent(piece.length);
  }
}

/** Files of at least this many bytes are copied in the runner; a smaller one costs less to send. */
const copyFrom = 32 * 1024;

/** Renames and copies: content that the mirror holds is not sent again. */
function withCopies(change: Change, known: ReadonlyMap<string, Known>, manifest: Manifest): Change {
  const wanted = new Set<string>();
  for (const path of change.write) {
    const entry = manifest.get(path);
    if (entry?.kind === 'file' && entry.size >= copyFrom) wanted.add(entry.digest);
  }
  if (wanted.size === 0) return change;
  const sources = new Map<string, string>();
  for (const [path, { entry }] of known) {
    if (entry.kind === 'file' && wanted.has(entry.digest)) sources.set(entry.digest, path);
  }
  const copy: Copy[] = [];
  const write: string[] = [];
  for (const path of change.write) {
    const entry = manifest.get(path);
    const from = entry?.kind === 'file' ? sources.get(entry.digest) : undefined;
    if (from === undefined) write.push(path);
    else copy.push({ from, to: path });
  }
  return { ...change, write, copy };
}

function entriesOf(known: ReadonlyMap<string, Known>): Manifest {
  const entries = new Map<string, Entry>();
  for (const [path, { entry }] of known) entries.set(path, entry);
  return entries;
}

function fromRemote(remote: RemoteEntry, content: string): Entry {
  switch (remote.kind) {
    case 'dir':
      return remote.mode === 0o755 ? { kind: 'dir' } : foreign;
    case 'file':
      return remote.mode === 0o644 || remote.mode === 0o755
        ? { kind: 'file', mode: remote.mode, size: remote.size, digest: content }
        : foreign;
    case 'link':
      return { kind: 'link', target: content };
    case 'other':
      return foreign;
  }
}

function sameEntry(a: Entry | undefined, b: Entry | undefined): boolean {
  return a === undefined || b === undefined ? a === b : entriesEqual(a, b);
}
