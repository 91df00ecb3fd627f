/** The walk of a scan: everything below a root that the rules let through, or as much of it as may have changed. */
import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Entry } from '../host.ts';
import { failure, type Failure } from '../result.ts';
import { everywhere, type Focus, focusOn } from './focus.ts';
import { Gate } from './gate.ts';
import type { Level, Rules } from './ignore.ts';
import type { ReadDigest } from './read.ts';
import type { Digests } from './remember.ts';
import { ownDirectory } from './root.ts';
import { printable, specialKind } from './show.ts';
import { isAbsent, isError, isForbidden, type System, type SystemError } from './system.ts';
import { joinPath, makeTree, type Skip, type Tree } from './tree.ts';

export interface WalkOptions {
  readonly root: string;
  readonly rules: Rules;
  readonly digests: Digests;
  readonly system: System;
  readonly now: () => number;
  readonly readDigest: ReadDigest;
  readonly signal: AbortSignal;
  /** What an earlier walk with the same rules found. */
  readonly before: Tree | undefined;
  /** Where to look; elsewhere everything is as it was before. */
  readonly focus: Focus;
}

/** What is at a name: part of the context, left out with or without a word, or nothing at all. */
type Found = Entry | Tree | Unwanted | 'ignored' | 'absent';

interface Unwanted {
  readonly kind: 'skip';
  readonly skip: Skip;
}

/** Where a walk is: a directory, what is known of it, and which part of it to look at. */
interface Place {
  readonly level: Level;
  readonly identity: string;
  readonly before: Tree | undefined;
  readonly focus: Focus;
}

/** Pauses before a file that moved is read again, in milliseconds. */
const pauses = [0, 10, 40, 160];

/** A directory whose names vanish while it is read is listed this often. */
const listings = 4;

export class Walk {
  readonly #options: WalkOptions;
  /** Bounds the files that are open at a time. */
  readonly #reading = new Gate(32);
  #failure: Failure | undefined;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  /** What is below the root; the failure that ended the walk; 'absent' without a root. */
  async run(): Promise<Tree | Failure | 'absent'> {
    const { rules, system, root, signal } = this.#options;
    const stat = await system.lstat(root);
    if (isError(stat)) return 'absent';
    const { before, focus } = this.#options;
    const tree = await this.#directory(placeOf(rules.root, identityOf(stat), before, focus));
    if (signal.aborted) return failure('interrupted', 'interrupted', 'Run it again.');
    if (this.#failure !== undefined) return this.#failure;
    return tree === 'absent' || tree === 'ignored' || tree.kind !== 'tree' ? 'absent' : tree;
  }

  get #stopped(): boolean {
    return this.#failure !== undefined || this.#options.signal.aborted;
  }

  /** A name that vanishes may have been renamed to one not yet listed, so the directory is listed again. */
  async #directory(place: Place): Promise<Found> {
    const { level, identity, before, focus } = place;
    const found = new Map<string, Exclude<Found, 'absent'>>();
    let skips = new Map<string, Skip>();
    let names: ReadonlySet<string> = new Set(focus.below.keys());
    let { listed } = focus;
    if (!listed && before !== undefined) {
      for (const [name, child] of before.children) if (!names.has(name)) found.set(name, child);
      for (const [name, skip] of before.skips) if (!names.has(name)) skips.set(name, skip);
    }
    for (let listing = 1; ; listing++) {
      if (listed) {
        const list = await this.#list(level);
        if ('end' in list) return list.end;
        ({ names, skips } = list);
        for (const name of found.keys()) if (!names.has(name)) found.delete(name);
      }
      let vanished = false;
      await this.#each([...names], async (name) => {
        if (found.has(name)) return;
        const thing = await this.#entry(place, name);
        if (thing === 'absent') vanished = true;
        else found.set(name, thing);
      });
      if (!vanished || listing >= listings || this.#stopped) break;
      // What was taken over without a look may be wrong as well.
      if (!listed) found.clear();
      listed = true;
    }
    const children = new Map<string, Entry | Tree>();
    for (const [name, thing] of found) {
      if (thing === 'ignored') continue;
      if (thing.kind === 'skip') skips.set(name, thing.skip);
      else children.set(name, thing);
    }
    return makeTree({ identity, ignored: level.ignored, skips, children }, before);
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

  /** The names in a directory that might be wanted, and those that cannot be; or what to make of the directory. */
  async #list(level: Level): Promise<Listing | { readonly end: Found }> {
    if (this.#stopped) return { end: 'ignored' };
    const listed = await this.#options.system.list(this.#absolute(level.path));
    if (isError(listed)) {
      if (isAbsent(listed)) return { end: 'absent' };
      if (!isForbidden(listed) || level.path === '') return { end: this.#unreadable(level.path, listed) };
      return { end: unwanted('unreadable', 'the directory cannot be read: permission denied') };
    }
    const names = new Set<string>();
    const skips = new Map<string, Skip>();
    for (const bytes of listed) {
      if (isUtf8(bytes)) names.add(bytes.toString('utf8'));
      else skips.set(printable(bytes), { kind: 'not-utf8', reason: 'the name is not valid UTF-8' });
    }
    if (level.path === '') names.delete(ownDirectory);
    return { names, skips };
  }

  async #entry(place: Place, name: string): Promise<Found> {
    const { level } = place;
    const ignored = level.ignores(name);
    const path = joinPath(level.path, name);
    // The rules say whether an ignored name must be looked at: only as a directory with something wanted in it.
    if (ignored && level.enter(name).pruned) return 'ignored';
    for (const pause of pauses) {
      if (this.#stopped) return 'ignored';
      if (pause > 0) await setTimeout(pause);
      const found = await this.#look(place, name, path, ignored);
      if (found !== 'moved') return found;
    }
    this.#failure ??= failure(
      'file-unstable',
      `${path} keeps changing while it is read`,
      'Stop whatever writes it, or list it in the ignore file.',
    );
    return 'ignored';
  }

  async #look(place: Place, name: string, path: string, ignored: boolean): Promise<Found | 'moved'> {
    const stat = await this.#options.system.lstat(this.#absolute(path));
    if (isError(stat)) return this.#error(path, stat);
    if (stat.isDirectory()) {
      const known = place.before?.children.get(name);
      const before = known?.kind === 'tree' ? known : undefined;
      const focus = focusOn(place.focus, name);
      const identity = identityOf(stat);
      if (focus === undefined && before?.identity === identity) return before;
      return this.#directory(placeOf(place.level.enter(name), identity, before, focus ?? everywhere));
    }
    if (ignored) return 'ignored';
    if (stat.isFile()) return this.#file(path, stat);
    if (stat.isSymbolicLink()) return this.#link(path);
    return unwanted('special', `${specialKind(stat)} cannot be part of an image`);
  }

  async #file(path: string, stat: BigIntStats): Promise<Found | 'moved'> {
    const { digests, now, readDigest } = this.#options;
    const known = digests.recall(path, stat);
    if (known !== undefined) return fileEntry(stat, known);
    return this.#reading.run(async () => {
      if (this.#stopped) return 'ignored';
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
    if (!isUtf8(target)) return unwanted('not-utf8', 'the target of the link is not valid UTF-8');
    return { kind: 'link', target: target.toString('utf8') };
  }

  #error(path: string, error: SystemError): Found {
    if (isAbsent(error)) return 'absent';
    if (isForbidden(error)) return unwanted('unreadable', 'the file cannot be read: permission denied');
    return this.#unreadable(path, error);
  }

  #unreadable(path: string, error: SystemError): 'ignored' {
    this.#failure ??= failure(
      'file-unreadable',
      `cannot read ${this.#absolute(path)}: ${error.code}`,
      'Make it readable, or list it in the ignore file.',
    );
    return 'ignored';
  }

  #absolute(path: string): string {
    return path === '' ? this.#options.root : `${this.#options.root}/${path}`;
  }
}

interface Listing {
  readonly names: ReadonlySet<string>;
  readonly skips: Map<string, Skip>;
}

/** What was known counts only for the very same directory; of another one of its name nothing is known. */
function placeOf(level: Level, identity: string, before: Tree | undefined, focus: Focus): Place {
  return { level, identity, before, focus: before?.identity === identity ? focus : everywhere };
}

/** The number of a removed directory is used again, its time of birth is not. */
function identityOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.birthtimeNs}`;
}

function unwanted(kind: Skip['kind'], reason: string): Unwanted {
  return { kind: 'skip', skip: { kind, reason } };
}

/** kaniko hashes modes: only the owner's executable bit is content, the rest is somebody's umask. */
function fileEntry(stat: BigIntStats, digest: string): Entry {
  return { kind: 'file', mode: (stat.mode & 0o100n) === 0n ? 0o644 : 0o755, size: Number(stat.size), digest };
}
