/**
 * Digests kept from one scan to the next. A digest is reused only for an inode that has not been touched since, and
 * only when a touch would have shown: a file written in the same tick of the file system's clock as it was read may
 * change again without its times moving, so it is read anew until its times are well in the past.
 */
import type { BigIntStats } from 'node:fs';

interface Remembered {
  /** The inode as it was. */
  readonly stamp: string;
  readonly digest: string;
}

/** A digest from an earlier process, as it is written down. */
export type Record = readonly [path: string, stamp: string, digest: string];

/** Some file systems keep times of two seconds; clocks of network file systems differ a little from ours. */
const marginMs = 3_000;

export class Digests {
  readonly #byPath = new Map<string, Remembered>();
  /** From an earlier process: believed only for files that did not change since shortly before they were written down. */
  readonly #earlier: Map<string, Remembered>;
  readonly #earlierSettled: bigint;
  #version = 0;

  /** `written`: when the records were, in milliseconds since the epoch. */
  constructor(earlier: readonly Record[] = [], written = 0) {
    this.#earlier = new Map(earlier.map(([path, stamp, digest]) => [path, { stamp, digest }]));
    this.#earlierSettled = settledBefore(written);
  }

  /** Moves with every change of what is remembered. */
  get version(): number {
    return this.#version;
  }

  /** The digest of the file with this stat, if it is certain. */
  recall(path: string, stat: BigIntStats): string | undefined {
    const stamp = stampOf(stat);
    const known = this.#byPath.get(path);
    if (known !== undefined) return known.stamp === stamp ? known.digest : undefined;
    const earlier = this.#earlier.get(path);
    if (earlier?.stamp !== stamp || !unmovedSince(stat, this.#earlierSettled)) return undefined;
    this.#earlier.delete(path);
    this.#byPath.set(path, earlier);
    return earlier.digest;
  }

  /** `readAt`: milliseconds since the epoch, from before the file was opened. */
  remember(path: string, stat: BigIntStats, digest: string, readAt: number): void {
    const settled = unmovedSince(stat, settledBefore(readAt));
    const outdated = this.#earlier.delete(path);
    if (settled) this.#byPath.set(path, { stamp: stampOf(stat), digest });
    if (settled || outdated || this.#byPath.delete(path)) this.#version++;
  }

  /** Forgets files that are gone, once they are many: another scan of the root may still want the others. */
  prune(present: { readonly size: number; has(path: string): boolean }): void {
    if (this.#byPath.size + this.#earlier.size <= 2 * present.size + 1000) return;
    for (const known of [this.#byPath, this.#earlier]) {
      for (const path of known.keys()) if (!present.has(path)) known.delete(path);
    }
    this.#version++;
  }

  *records(): Generator<Record> {
    for (const known of [this.#byPath, this.#earlier]) {
      for (const [path, { stamp, digest }] of known) yield [path, stamp, digest];
    }
  }
}

/** Without the device: it has another number after a restart of the machine. The kind is part of the mode. */
function stampOf(stat: BigIntStats): string {
  return `${stat.mode} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino}`;
}

function settledBefore(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds) - marginMs) * 1_000_000n;
}

function unmovedSince(stat: BigIntStats, time: bigint): boolean {
  return stat.mtimeNs < time && stat.ctimeNs < time;
}
