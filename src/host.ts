/**
 * The ports: everything the core needs from the outside world. Interfaces only.
 * Adapters implement them (`files/`, `runner/`, `kube/`, `registry/`) and only `node.ts` builds them.
 */
import type { Result, Failure } from './result.ts';

export interface Host {
  readonly clock: Clock;
  readonly files: Files;
  readonly watcher: Watcher;
  readonly runner: Runner;
  readonly registry: Registry;
  readonly layouts: Layouts;
  /** Absent when no target is deployed. */
  readonly cluster: Cluster | undefined;
}

// ---------------------------------------------------------------- clock

export interface Clock {
  /** Milliseconds since the epoch; for people and file times only. */
  now(): number;
  /** Milliseconds that never jump; for durations and deadlines. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

// ---------------------------------------------------------------- files

/** One thing in a context. Modes are normalised: what kaniko hashes must not depend on a umask. */
export type Entry =
  | { readonly kind: 'file'; readonly mode: 0o644 | 0o755; readonly size: number; readonly digest: string }
  | { readonly kind: 'dir' }
  | { readonly kind: 'link'; readonly target: string };

/**
 * The content of a context: POSIX path relative to the context root → entry. The root itself is not listed.
 * Pure data, compared by value (the manifests of two scans share what did not change, and are compared and hashed
 * at the cost of what did). `digest` is the lower-case hex SHA-256 of the file's bytes.
 */
export type Manifest = ReadonlyMap<string, Entry>;

/** What to read of a context directory. */
export interface ContextSource {
  /** Absolute path of the context directory. */
  readonly root: string;
  /** Absolute path of the Dockerfile; may lie outside of the root. */
  readonly dockerfile: string;
}

export interface Scan {
  readonly manifest: Manifest;
  /** Text of the Dockerfile at scan time. */
  readonly dockerfile: string;
  /** Text of the ignore file that was applied, undefined when there is none. */
  readonly ignoreFile: string | undefined;
  /** What was left out for a reason other than the ignore file. */
  readonly skipped: readonly Skipped[];
}

export interface Skipped {
  /** Relative to the context; bytes that are no text are shown as `\\xe9`. */
  readonly path: string;
  /** A socket, fifo or device; permission denied; a name or link target that is no text. */
  readonly kind: 'special' | 'unreadable' | 'not-utf8';
  readonly reason: string;
}

export interface Files {
  /**
   * Reads the context as it is now. Digests of files whose stat did not move are reused from earlier scans of
   * the same root. A file that changes while it is read is read again.
   *
   * `hints` are the absolute paths, as a watcher gave them, of everything that may have changed since the scan of this
   * source that ended last: only the directories they name are looked at. A scan without hints looks at everything; so
   * does one that has nothing to go by, and one with a hint of the root, the Dockerfile or an ignore file, or of a path
   * that is not below the root.
   */
  scan(source: ContextSource, signal: AbortSignal, hints?: readonly string[]): Promise<Result<Scan>>;
  /**
   * A tar stream of the named files, directories and symbolic links (those that fit plain tar headers), with
   * normalised modes and owner 0:0, ending with the usual zero blocks. Errors when a file's size moved; the next scan
   * then looks at everything.
   */
  pack(root: string, manifest: Manifest, paths: readonly string[]): AsyncIterable<Uint8Array>;
  /** Writes what is only kept in memory so far, so that the next start need not read unchanged files. Never fails. */
  flush(): Promise<void>;
  /** Whether a git command is rewriting files of the directory right now. */
  busy(root: string): Promise<boolean>;
}

/** How changes of a context are noticed. */
export interface WatchOptions {
  /** Patterns, as in an ignore file, of files whose changes give no hint. */
  readonly ignore: readonly string[];
  /** Look at intervals, where the file system reports nothing. */
  readonly polling: boolean;
}

/** Says "look", never what changed: the scan is the truth. */
export interface Watcher {
  /**
   * Watches the context (ignored trees excluded), the Dockerfile and the ignore file. `onHint` may be called at any
   * time, also spuriously. Resolves when watching has begun. Ends when the signal aborts.
   */
  watch(
    source: ContextSource,
    options: WatchOptions,
    onHint: (path: string) => void,
    signal: AbortSignal,
  ): Promise<Result<void>>;
  /** Watches single files, also ones that are not there yet, until the signal aborts. */
  watchFiles(files: readonly string[], onHint: () => void, signal: AbortSignal): void;
}

// ---------------------------------------------------------------- runner

/** Who holds the workspace: shown to a second writer. */
export interface Holder {
  /** user@host of the daemon. */
  readonly name: string;
  /** Random id of the daemon's session: a reconnect with the same id takes the lock over. */
  readonly session: string;
}

export interface RunnerIdentity {
  /** Shown to people: `pod/kaniko-build-runner-abc` or `local`. */
  readonly name: string;
  /** Changes whenever the workspace may have been emptied: its value is stored in the workspace itself. */
  readonly workspaceId: string;
  /** As the executor prints it: `v1.24.0`. */
  readonly executorVersion: string;
}

export interface Runner {
  /**
   * The open connection, or the next one: reconnects by itself after a loss until the deadline. Fails early on what
   * waiting cannot mend (forbidden, missing Deployment, held workspace).
   */
  connect(signal: AbortSignal): Promise<Result<RunnerConnection>>;
  /** Ends the connection and releases the workspace. */
  close(): Promise<void>;
}

/** One entry of a mirror as the runner sees it. `stat` is opaque: equal text means the entry was not touched. */
export interface RemoteEntry {
  readonly kind: 'file' | 'dir' | 'link' | 'other';
  readonly mode: number;
  readonly size: number;
  readonly stat: string;
  /** Seconds since the epoch of the last inode change, by the runner's clock. */
  readonly changed: number;
}

/** A file whose content the mirror holds already. */
export interface Copy {
  readonly from: string;
  readonly to: string;
}

/** What must be done to a mirror, in this order: removals (deepest first), then everything else. */
export interface Change {
  readonly remove: readonly string[];
  /** Files, directories and links with short targets, in tar order (parents first). */
  readonly write: readonly string[];
  /** Links whose name or target does not fit the tar headers that busybox understands. */
  readonly link: readonly string[];
  /** Files that are in no other list; their sources may be among the removals. */
  readonly copy?: readonly Copy[];
}

/** What the runner read back after writing, by path. */
export interface Written {
  readonly remote: RemoteEntry;
  /** SHA-256 for files, link target for links, empty for directories. */
  readonly content: string;
}

export interface BuildStart {
  /** Random id naming this build in the runner. */
  readonly id: string;
  /** Executor arguments without the executor itself. */
  readonly argv: readonly string[];
}

export interface BuildEnd {
  readonly exitCode: number;
  /** Content of the digest file, empty when the executor wrote none. */
  readonly digest: string;
}

/**
 * One connection to a runner's agent. Every method fails with `runner-lost` once the connection is gone, and with
 * `runner-timeout` when the agent does not answer within its deadline (the connection is then dropped).
 */
export interface RunnerConnection {
  readonly identity: RunnerIdentity;
  /** Aborts when the connection is gone; the reason is a Failure. */
  readonly lost: AbortSignal;
  /** Everything in the target's mirror: path → entry. Also creates an empty mirror. */
  list(target: string): Promise<Result<ReadonlyMap<string, RemoteEntry>>>;
  /** SHA-256 of files and targets of links, by path; a path that is gone is left out. */
  read(
    target: string,
    files: readonly string[],
    links: readonly string[],
  ): Promise<Result<ReadonlyMap<string, string>>>;
  /** Applies the change in acknowledged chunks; `acknowledged` is called for each chunk with what was read back. */
  apply(
    target: string,
    change: Change,
    manifest: Manifest,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
    signal: AbortSignal,
  ): Promise<Result<void>>;
  /**
   * Keeps a small file for the builds, outside of every mirror; `undefined` removes it. Returns its path in the runner.
   * The name is a relative path of letters, digits, dots, dashes and slashes.
   */
  put(name: string, content: string | undefined): Promise<Result<string>>;
  /** Purges leftovers of earlier builds and starts the executor, detached from this connection. */
  startBuild(start: BuildStart): Promise<Result<void>>;
  /** Follows the log from the byte offset until the build ends. */
  followBuild(id: string, offset: number, onData: (data: Uint8Array) => void): Promise<Result<BuildEnd>>;
  /** Kills every process of the build's session; resolves when they are gone. */
  killBuild(id: string): Promise<Result<void>>;
  /** The credentials file of the runner, for asking the registry; undefined when there is none. */
  dockerConfig(): Promise<Result<string | undefined>>;
}

// ---------------------------------------------------------------- registry

export interface ImageReference {
  /** `ghcr.io`, `198.51.100.7:5000` */
  readonly registry: string;
  /** `ardenone/moltbook-api` */
  readonly repository: string;
}

export interface Registry {
  /** Digest of the tag's manifest, undefined when the tag does not exist. */
  resolve(image: ImageReference, tag: string, signal: AbortSignal): Promise<Result<string | undefined>>;
  /** Labels of the image's config. */
  labels(
    image: ImageReference,
    digest: string,
    signal: AbortSignal,
  ): Promise<Result<Readonly<Record<string, string>>>>;
}

/** Where finished images are kept when nothing is pushed: OCI image layouts, one a target. */
export interface Layouts {
  /** The target's image, its index and every blob verified; undefined when there is none, or only a broken one. */
  find(
    target: string,
  ): Promise<Result<{ digest: string; labels: Readonly<Record<string, string>> } | undefined>>;
  /** A name for the executor to write a layout under, below the images directory; leftovers of it are removed. */
  prepare(target: string): Promise<string>;
  /**
   * Verifies what was written under the name (index, digest, every blob) and puts it in the place of the target's
   * image. An archive, when there is one, goes to its own place, whole or not at all.
   */
  commit(target: string, name: string, digest: string, archive: string | undefined): Promise<Result<void>>;
}

// ---------------------------------------------------------------- cluster

export interface Workload {
  readonly kind: 'Deployment';
  readonly namespace: string;
  readonly name: string;
}

export interface RollOutcome {
  /** False when every container already ran this image and nothing was patched. */
  readonly changed: boolean;
  /** Names of the containers and init containers that use the image. */
  readonly containers: readonly string[];
  /** Ready pods of the new revision. */
  readonly pods: readonly string[];
}

export interface RollRequest {
  readonly workload: Workload;
  /** Repository of the image as written in the workload: `ghcr.io/ardenone/moltbook-api`. */
  readonly image: string;
  /** Reference to write: `repo:tag@sha256:…` or `repo:tag`. */
  readonly reference: string;
  /** `sha256:…` that the pods' imageID must carry. */
  readonly digest: string;
  /** Milliseconds until a roll-out that is not ready counts as failed. */
  readonly timeout: number;
}

export interface Cluster {
  /** Patches every container and init container of the workload that uses the image and waits for the new pods. */
  roll(
    request: RollRequest,
    onProgress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<Result<RollOutcome>>;
}

export type { Failure };
