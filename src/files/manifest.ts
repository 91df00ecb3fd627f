/**
 * A manifest compared and ordered. Pure: nothing here touches a file system. Manifests of scans cost what differs
 * between them; any others cost what they hold.
 */
import type { Change, Manifest } from '../host.ts';
import { entriesEqual, type MirrorEntry } from './entry.ts';
import { type Difference, treeDifferences, TreeManifest } from './tree.ts';

export { entriesEqual } from './entry.ts';
export { hashManifest } from './hash.ts';

/**
 * What a mirror is known to hold. A manifest is one; a mirror may also hold things no manifest describes (a fifo
 * that a build left behind), which are only ever removed.
 */
export type Mirror = ReadonlyMap<string, MirrorEntry>;

/** Link targets longer than this do not fit a tar header, and busybox ignores pax `linkpath=`. */
const longestLinkTarget = 100;

/** The change that turns a mirror holding `from` into one holding exactly `to`. */
export function diffManifests(from: Mirror, to: Manifest): Change {
  const remove: string[] = [];
  const write: string[] = [];
  const link: string[] = [];
  for (const { path, before, after } of differences(from, to)) {
    if (before !== undefined && before.kind !== after?.kind) remove.push(path);
    if (after === undefined) continue;
    if (after.kind !== 'link' || linkFitsTar(path, after.target)) {
      write.push(path);
      continue;
    }
    link.push(path);
    // Nothing replaces a link in place as tar does: the old one goes first.
    if (before?.kind === 'link') remove.push(path);
  }
  return { remove: remove.sort(deepestFirst), write: write.sort(tarOrder), link: link.sort(tarOrder) };
}

export function manifestsEqual(a: Manifest, b: Manifest): boolean {
  return a.size === b.size && differences(a, b).next().done === true;
}

/** Every path whose entry is not the same. */
export function differences<Before extends MirrorEntry>(
  from: ReadonlyMap<string, Before>,
  to: Manifest,
): Generator<Difference<Before | MirrorEntry>> {
  return from instanceof TreeManifest && to instanceof TreeManifest
    ? treeDifferences(from.tree, to.tree)
    : mapDifferences(from, to);
}

function* mapDifferences<Before extends MirrorEntry>(
  from: ReadonlyMap<string, Before>,
  to: Manifest,
): Generator<Difference<Before>> {
  for (const [path, before] of from) {
    if (!to.has(path)) yield { path, before, after: undefined };
  }
  for (const [path, after] of to) {
    const before = from.get(path);
    if (before === undefined || !entriesEqual(before, after)) yield { path, before, after };
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
