/** The walk of a scan: everything below a root that the rules let through. */
import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Entry } from '../host.ts';
import { failure, type Failure } from '../result.ts';
import { Gate } from './gate.ts';
import type { Level, Rules } from './ignore.ts';
import type { ReadDigest } from './read.ts';
import type { Digests } from './remember.ts';
import { isAbsent, isError, isForbidden, type System, type SystemError } from './system.ts';

export interface WalkOptions {
  readonly root: string;
  readonly rules: Rules;
  readonly digests: Digests;
  readonly system: System;
  readonly now: () => number;
  readonly readDigest: ReadDigest;
  readonly signal: AbortSignal;
}

/** What is at a name: an entry, a directory with its content, nothing to take along, or nothing at all. */
type Found = Entry | Directory | 'skipped' | 'absent';

interface Directory {
  readonly kind: 'tree';
  readonly children: ReadonlyMap<string, Entry | Directory>;
  /** Ignored itself, and only listed for what it holds. */
  readonly ignored: boolean;
}

/** The tool's own directory, at the root of a context. */
export const ownDirectory = '.kaniko-dev';

/** Pauses before a file that moved is read again, in milliseconds. */
const pauses = [0, 10, 40, 160];

/** A directory whose names vanish while it is read is listed this often. */
const listings = 4;

export class Walk {
  readonly skipped = new Map<string, string>();
  readonly #options: WalkOptions;
  /** Bounds the files that are open at a time. */
  readonly #reading = new Gate(32);
  #failure: Failure | undefined;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  /** The entries below the root, parents first; the failure that ended the walk; 'absent' without a root. */
  async run(): Promise<Map<string, Entry> | Failure | 'absent'> {
    const tree = await this.#directory(this.#options.rules.root);
    if (this.#options.signal.aborted) return failure('interrupted', 'interrupted', 'Run it again.');
    if (this.#failure !== undefined) return this.#failure;
    if (tree === 'absent' || tree === 'skipped') return 'absent';
    const entries = new Map<string, Entry>();
    flatten(tree, '', entries);
    return entries;
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#options.signal.aborted;
  }

  /** A name that vanishes may have been renamed to one not yet listed, so the directory is listed again. */
  async #directory(level: Level): Promise<Directory | 'absent' | 'skipped'> {
    const found = new Map<string, Entry | Directory | 'skipped'>();
    for (let listing = 1; ; listing++) {
      const names = await this.#names(level);
      if (names === 'absent' || names === 'skipped') return names;
      for (const name of found.keys()) {
        if (!names.has(name)) found.delete(name);
      }
      let vanished = false;
      await this.#each([...names], async (name) => {
        if (found.has(name)) return;
        const thing = await this.#entry(level, name);
        if (thing === 'absent') vanished = true;
        else found.set(name, thing);
      });
      if (vanished && listing < listings && !this.#stopped) continue;
      const children = new Map<string, Entry | Directory>();
      for (const [name, thing] of found) {
        if (thing !== 'skipped') children.set(name, thing);
      }
      return { kind: 'tree', children, ignored: level.ignored };
    }
  }

  /** One after the other while the file system answers at once, all together when it has to be waited for. */
  async #each(names: readonly string[], visit: (name: string) => Promise<void>): Promise<void> {
    let at = 0;
    for (const name of names) {
      if (this.#options.system.slow) break;
      await visit(name);
      at++;
    }
    await Promise.all(names.slice(at).map(visit));
  }

  /** The names in a directory that might be wanted. */
  async #names(level: Level): Promise<ReadonlySet<string> | 'absent' | 'skipped'> {
    const names = new Set<string>();
    if (this.#stopped) return names;
    const listed = await this.#options.system.list(this.#absolute(level.path));
    if (isError(listed)) {
      if (isAbsent(listed)) return 'absent';
      if (!isForbidden(listed) || level.path === '') this.#unreadable(level.path, listed);
      else this.#skip(level.path, 'the directory cannot be read: permission denied');
      return 'skipped';
    }
    for (const bytes of listed) {
      if (isUtf8(bytes)) names.add(bytes.toString('utf8'));
      else this.#skip(join(level.path, printable(bytes)), 'the name is not valid UTF-8');
    }
    if (level.path === '') names.delete(ownDirectory);
    return names;
  }

  async #entry(level: Level, name: string): Promise<Found> {
    const ignored = level.ignores(name);
    const path = join(level.path, name);
    // The rules say whether an ignored name must be looked at: only as a directory with something wanted in it.
    if (ignored && level.enter(name).pruned) return 'skipped';
    for (const pause of pauses) {
      if (this.#stopped) return 'skipped';
      if (pause > 0) await setTimeout(pause);
      const found = await this.#look(level, name, path, ignored);
      if (found !== 'moved') return found;
    }
    this.#failure ??= failure(
      'file-unstable',
      `${path} keeps changing while it is read`,
      'Stop whatever writes it, or list it in the ignore file.',
    );
    return 'skipped';
  }

  async #look(level: Level, name: string, path: string, ignored: boolean): Promise<Found | 'moved'> {
    const stat = await this.#options.system.lstat(this.#absolute(path));
    if (isError(stat)) return this.#error(path, stat);
    if (stat.isDirectory()) return this.#directory(level.enter(name));
    if (ignored) return 'skipped';
    if (stat.isFile()) return this.#file(path, stat);
    if (stat.isSymbolicLink()) return this.#link(path);
    return this.#skip(path, `${specialKind(stat)} cannot be part of an image`);
  }

  async #file(path: string, stat: BigIntStats): Promise<Found | 'moved'> {
    const { digests, now, readDigest } = this.#options;
    const known = digests.recall(path, stat);
    if (known !== undefined) return fileEntry(stat, known);
    return this.#reading.run(async () => {
      if (this.#stopped) return 'skipped';
      const readAt = now();
      const outcome = await readDigest(this.#options.system, this.#absolute(path));
      if (outcome.kind === 'moved') return 'moved';
      if (outcome.kind === 'error') return this.#error(path, outcome.error);
      digests.remember(path, outcome.stat, outcome.value, readAt);
      return fileEntry(outcome.stat, outcome.value);
    });
  }

  async #link(path: string): Promise<Found | 'moved'> {
    const target = await this.#options.system.readLink(this.#absolute(path));
    if (isError(target)) return target.code === 'EINVAL' ? 'moved' : this.#error(path, target);
    if (!isUtf8(target)) return this.#skip(path, 'the target of the link is not valid UTF-8');
    return { kind: 'link', target: target.toString('utf8') };
  }

  #error(path: string, error: SystemError): Found {
    if (isAbsent(error)) return 'absent';
    if (isForbidden(error)) return this.#skip(path, 'the file cannot be read: permission denied');
    return this.#unreadable(path, error);
  }

  #unreadable(path: string, error: SystemError): 'skipped' {
    this.#failure ??= failure(
      'file-unreadable',
      `cannot read ${this.#absolute(path)}: ${error.code}`,
      'Make it readable, or list it in the ignore file.',
    );
    return 'skipped';
  }

  #skip(path: string, reason: string): 'skipped' {
    this.skipped.set(path, reason);
    return 'skipped';
  }

  #absolute(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`;
  }
}

function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** kaniko hashes modes: only the owner's executable bit is content, the rest is somebody's umask. */
function fileEntry(stat: BigIntStats, digest: string): Entry {
  return { kind: 'file', mode: (stat.mode & 0o100n) === 0n ? 0o644 : 0o755, size: Number(stat.size), digest };
}

function flatten(directory: Directory, path: string, into: Map<string, Entry>): void {
  const names = [...directory.children.keys()].sort();
  for (const name of names) {
    const child = directory.children.get(name);
    if (child === undefined) continue;
    const childPath = join(path, name);
    if (child.kind !== 'tree') {
      into.set(childPath, child);
      continue;
    }
    if (child.ignored && !holdsAnything(child)) continue;
    into.set(childPath, { kind: 'dir' });
    flatten(child, childPath, into);
  }
}

/** An ignored directory is part of the context only as the way to something that is not. */
function holdsAnything(directory: Directory): boolean {
  return directory.children
    .values()
    .some((child) => child.kind !== 'tree' || !child.ignored || holdsAnything(child));
}

function specialKind(stat: BigIntStats): string {
  if (stat.isSocket()) return 'a socket';
  if (stat.isFIFO()) return 'a fifo';
  return 'a device';
}

/** Bytes that are no text, so that they can be shown: `caf\xe9`. */
function printable(bytes: Buffer): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return text;
}
