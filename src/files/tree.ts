/**
 * The content of a context as a tree of directories that never change once made. A scan that finds a directory as it
 * was takes the old one over, so two scans of a context share what did not change between them: a manifest costs
 * nothing to hand out, and comparing two of them costs what differs, not what there is.
 *
 *   scan 1   root ─┬─ api ── …          scan 2   root' ─┬─ api  (the same object)
 *                  └─ web ── index.ts                   └─ web' ── index.ts'
 */
import type { Entry, Manifest, Skipped } from '../host.ts';
import { entriesEqual } from './entry.ts';

export interface Tree {
  readonly kind: 'tree';
  /** Which directory of the file system this was. */
  readonly identity: string;
  /** Ignored itself: an entry only if something below is one. */
  readonly ignored: boolean;
  /** By name, in order. */
  readonly children: ReadonlyMap<string, Entry | Tree>;
  /** Entries below. */
  readonly size: number;
  /** What was left out though no rule says so, by name. */
  readonly skips: ReadonlyMap<string, Skip>;
  /** How many skips there are in all of the tree. */
  readonly skipCount: number;
}

export type Skip = Omit<Skipped, 'path'>;

/** The tree of this content: `before` itself when it is no different. */
export function makeTree(
  content: Pick<Tree, 'identity' | 'ignored' | 'skips'> & {
    readonly children: ReadonlyMap<string, Entry | Tree>;
  },
  before?: Tree,
): Tree {
  const { identity, ignored, skips } = content;
  const children = new Map<string, Entry | Tree>();
  let same = before?.identity === identity && before.ignored === ignored && sameSkips(before.skips, skips);
  let size = 0;
  let skipCount = skips.size;
  for (const name of [...content.children.keys()].sort()) {
    const child = content.children.get(name);
    if (child === undefined) continue;
    const known = before?.children.get(name);
    const kept = known !== undefined && sameChild(known, child) ? known : child;
    same &&= kept === known;
    children.set(name, kept);
    if (kept.kind === 'tree') skipCount += kept.skipCount;
    if (isEntry(kept)) size += 1 + (kept.kind === 'tree' ? kept.size : 0);
  }
  if (same && before?.children.size === children.size) return before;
  return { kind: 'tree', identity, ignored, children, size, skips, skipCount };
}

function sameChild(a: Entry | Tree, b: Entry | Tree): boolean {
  return a === b || (a.kind !== 'tree' && b.kind !== 'tree' && entriesEqual(a, b));
}

function sameSkips(a: ReadonlyMap<string, Skip>, b: ReadonlyMap<string, Skip>): boolean {
  return a.size === b.size && [...a].every(([name, skip]) => b.get(name)?.reason === skip.reason);
}

/** An ignored directory is part of the context only as the way to something that is not. */
export function isEntry(child: Entry | Tree): boolean {
  return child.kind !== 'tree' || !child.ignored || child.size > 0;
}

export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** What a scan left out, by path. */
export function skippedIn(tree: Tree): Skipped[] {
  const found: Skipped[] = [];
  const visit = (directory: Tree, path: string): void => {
    if (directory.skipCount === 0) return;
    for (const [name, skip] of directory.skips) found.push({ path: joinPath(path, name), ...skip });
    for (const [name, child] of directory.children) {
      if (child.kind === 'tree') visit(child, joinPath(path, name));
    }
  };
  visit(tree, '');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

const directoryEntry: Entry = { kind: 'dir' };

/** A tree as the manifest that it is: parents first, names in order. */
export class TreeManifest implements ReadonlyMap<string, Entry> {
  readonly tree: Tree;

  constructor(tree: Tree) {
    this.tree = tree;
  }

  get size(): number {
    return this.tree.size;
  }

  get(path: string): Entry | undefined {
    let directory = this.tree;
    for (let start = 0; ;) {
      const slash = path.indexOf('/', start);
      const child = directory.children.get(slash === -1 ? path.slice(start) : path.slice(start, slash));
      if (child === undefined) return undefined;
      if (slash === -1) return entryOf(child);
      if (child.kind !== 'tree') return undefined;
      directory = child;
      start = slash + 1;
    }
  }

  has(path: string): boolean {
    return this.get(path) !== undefined;
  }

  *entries(): Generator<[string, Entry], undefined> {
    const open = [{ prefix: '', children: this.tree.children.entries() }];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const next = last.children.next();
      if (next.done === true) {
        open.pop();
        continue;
      }
      const [name, child] = next.value;
      const entry = entryOf(child);
      if (entry === undefined) continue;
      const path = last.prefix + name;
      yield [path, entry];
      if (child.kind === 'tree') open.push({ prefix: `${path}/`, children: child.children.entries() });
    }
    return undefined;
  }

  *keys(): Generator<string, undefined> {
    for (const [path] of this.entries()) yield path;
    return undefined;
  }

  *values(): Generator<Entry, undefined> {
    for (const [, entry] of this.entries()) yield entry;
    return undefined;
  }

  [Symbol.iterator](): Generator<[string, Entry], undefined> {
    return this.entries();
  }

  forEach(visit: (entry: Entry, path: string, manifest: Manifest) => void, self?: unknown): void {
    for (const [path, entry] of this) visit.call(self, entry, path, this);
  }
}

function entryOf(child: Entry | Tree): Entry | undefined {
  if (child.kind !== 'tree') return child;
  return isEntry(child) ? directoryEntry : undefined;
}

/** A path whose entry is not the same in two manifests. */
export interface Difference<Before> {
  readonly path: string;
  readonly before: Before | undefined;
  readonly after: Entry | undefined;
}

/** What differs between two trees; what they share is not looked at. */
export function* treeDifferences(before: Tree, after: Tree, path = ''): Generator<Difference<Entry>> {
  if (before === after) return;
  for (const [name, old] of before.children) {
    if (!after.children.has(name)) yield* childDifferences(old, undefined, joinPath(path, name));
  }
  for (const [name, child] of after.children) {
    yield* childDifferences(before.children.get(name), child, joinPath(path, name));
  }
}

function* childDifferences(
  old: Entry | Tree | undefined,
  child: Entry | Tree | undefined,
  path: string,
): Generator<Difference<Entry>> {
  if (old === child) return;
  const before = old && entryOf(old);
  const after = child && entryOf(child);
  if (before === undefined || after === undefined || !entriesEqual(before, after)) {
    if (before !== after) yield { path, before, after };
  }
  const oldTree = old?.kind === 'tree' ? old : undefined;
  const tree = child?.kind === 'tree' ? child : undefined;
  if (oldTree !== undefined || tree !== undefined) {
    yield* treeDifferences(oldTree ?? emptyTree, tree ?? emptyTree, path);
  }
}

export const emptyTree: Tree = {
  kind: 'tree',
  identity: '',
  ignored: false,
  children: new Map(),
  size: 0,
  skips: new Map(),
  skipCount: 0,
};
