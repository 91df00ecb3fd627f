/**
 * A manifest compared, ordered and hashed. Pure: nothing here touches a file system.
 */
import { createHash } from 'node:crypto';
import type { Change, Entry, Manifest } from '../host.ts';

/**
 * What a mirror is known to hold. A manifest is one; a mirror may also hold things no manifest describes (a fifo
 * that a build left behind), which are only ever removed.
 */
export type Mirror = ReadonlyMap<string, Entry | { readonly kind: 'other' }>;

type MirrorEntry = Entry | { readonly kind: 'other' };

/** Link targets longer than this do not fit a tar header, and busybox ignores pax `linkpath=`. */
const longestLinkTarget = 100;

/** The change that turns a mirror holding `from` into one holding exactly `to`. */
export function diffManifests(from: Mirror, to: Manifest): Change {
  const remove: string[] = [];
  const write: string[] = [];
  const link: string[] = [];
  for (const [path, entry] of from) {
    if (to.get(path)?.kind !== entry.kind) remove.push(path);
  }
  for (const [path, entry] of to) {
    const before = from.get(path);
    if (before !== undefined && entriesEqual(before, entry)) continue;
    if (entry.kind !== 'link' || linkFitsTar(path, entry.target)) {
      write.push(path);
      continue;
    }
    link.push(path);
    // Nothing replaces a link in place as tar does: the old one goes first.
    if (before?.kind === 'link') remove.push(path);
  }
  return { remove: remove.sort(deepestFirst), write: write.sort(tarOrder), link: link.sort(tarOrder) };
}

export function entriesEqual(a: MirrorEntry, b: MirrorEntry): boolean {
  switch (a.kind) {
    case 'file':
      return b.kind === 'file' && a.mode === b.mode && a.size === b.size && a.digest === b.digest;
    case 'link':
      return b.kind === 'link' && a.target === b.target;
    case 'dir':
      return b.kind === 'dir';
    case 'other':
      return b.kind === 'other';
  }
}

export function manifestsEqual(a: Manifest, b: Manifest): boolean {
  if (a.size !== b.size) return false;
  for (const [path, entry] of a) {
    const other = b.get(path);
    if (other === undefined || !entriesEqual(entry, other)) return false;
  }
  return true;
}

/**
 * Lower-case hex SHA-256 of a manifest, independent of the order of its entries. Each entry is one line of JSON, so
 * no name, however awkward, can pass for another entry.
 */
export function hashManifest(manifest: Manifest): string {
  const hash = createHash('sha256');
  for (const path of [...manifest.keys()].sort(tarOrder)) {
    const entry = manifest.get(path);
    if (entry !== undefined) hash.update(`${JSON.stringify([path, ...fields(entry)])}\n`);
  }
  return hash.digest('hex');
}

function fields(entry: Entry): readonly (string | number)[] {
  switch (entry.kind) {
    case 'file':
      return ['file', entry.mode, entry.size, entry.digest];
    case 'link':
      return ['link', entry.target];
    case 'dir':
      return ['dir'];
  }
}

/** Parents before their children: a parent's path is a prefix of its child's. */
export function tarOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function deepestFirst(a: string, b: string): number {
  return depth(b) - depth(a) || tarOrder(a, b);
}

function depth(path: string): number {
  let slashes = 0;
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) slashes++;
  return slashes;
}

/**
 * Whether a link can be written by a tar that busybox reads. The target must fit its field, and so must the name:
 * a name that needs a pax record takes the target into a pax record with it, where busybox does not look.
 */
export function linkFitsTar(path: string, target: string): boolean {
  return Buffer.byteLength(target) <= longestLinkTarget && nameFitsHeader(path);
}

/** ustar: ASCII, at most 100 bytes after a directory prefix of at most 155. */
function nameFitsHeader(path: string): boolean {
  if (Buffer.byteLength(path) !== path.length) return false;
  let prefix = 0;
  while (path.length - prefix > 100) {
    const slash = path.indexOf('/', prefix);
    if (slash === -1) return false;
    prefix = slash + 1;
  }
  return prefix <= 156;
}
