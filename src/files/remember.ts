/**
 * Digests kept from one scan to the next. A digest is reused only for an inode that has not been touched since, and
 * only when a touch would have shown: a file written in the same tick of the file system's clock as it was read may
 * change again without its times moving, so it is read anew until its times are well in the past.
 */
import type { BigIntStats } from 'node:fs';
import { sameStat } from './read.ts';

interface Remembered {
  readonly stat: BigIntStats;
  readonly digest: string;
}

/** Some file systems keep times of two seconds; clocks of network file systems differ a little from ours. */
const marginNs = 3_000_000_000n;

export class Digests {
  readonly #byPath = new Map<string, Remembered>();

  /** The digest of the file with this stat, if it is certain. */
  recall(path: string, stat: BigIntStats): string | undefined {
    const known = this.#byPath.get(path);
    return known !== undefined && sameStat(known.stat, stat) ? known.digest : undefined;
  }

  /** `readAt`: milliseconds since the epoch, from before the file was opened. */
  remember(path: string, stat: BigIntStats, digest: string, readAt: number): void {
    const settledBefore = BigInt(Math.floor(readAt)) * 1_000_000n - marginNs;
    if (stat.mtimeNs < settledBefore && stat.ctimeNs < settledBefore)
      this.#byPath.set(path, { stat, digest });
    else this.#byPath.delete(path);
  }

  /** Forgets files that are gone, once they are many: another scan of the root may still want the others. */
  prune(present: ReadonlyMap<string, unknown>): void {
    if (this.#byPath.size <= 2 * present.size + 1000) return;
    for (const path of this.#byPath.keys()) {
      if (!present.has(path)) this.#byPath.delete(path);
    }
  }
}
