/**
 * A local root that all but vanished: an unmounted volume, a wrong checkout, a mistaken `rm`. Nobody wants that carried
 * over to the mirror without being asked. Pure.
 */
import type { Entry, Manifest } from '../host.ts';
import { differences } from './manifest.ts';

export interface Loss {
  /** Files that are gone. */
  readonly lost: number;
  /** Files that there were. */
  readonly of: number;
  readonly examples: string[];
}

/** As many files may go in one step, whatever part of the whole they are. */
const unsuspicious = 20;
const shown = 3;

/**
 * The loss between two scans, when nothing is left or less than half is, and more than a few files went. A file that
 * moved is not lost: what counts is how many there are.
 */
export function suspiciousLoss(before: Manifest, after: Manifest): Loss | undefined {
  const gone: string[] = [];
  let change = 0;
  for (const { path, before: old, after: now } of differences(before, after)) {
    change += count(now) - count(old);
    if (count(old) > count(now)) gone.push(path);
  }
  const lost = -change;
  // Most changes lose nothing, and then nothing need be counted.
  if (lost <= unsuspicious && (lost <= 0 || holdsFile(after))) return undefined;
  const of = files(before);
  if (lost < of && lost * 2 <= of) return undefined;
  return { lost, of, examples: gone.sort().slice(0, shown) };
}

function count(entry: { readonly kind: Entry['kind'] | 'other' } | undefined): number {
  return entry?.kind === 'file' || entry?.kind === 'link' ? 1 : 0;
}

function files(manifest: Manifest): number {
  let sum = 0;
  for (const entry of manifest.values()) sum += count(entry);
  return sum;
}

function holdsFile(manifest: Manifest): boolean {
  return manifest.values().some((entry) => count(entry) > 0);
}
