/** Keeps the layer cache of the local runner bounded: the executor only ever adds to it. */
import { rm } from 'node:fs/promises';
import { listByAge } from '../../registry/layout.ts';

/** Bytes of cached layers that are kept, newest first. */
const keepBytes = 5_000_000_000;

/** `ttl` in milliseconds: the executor does not use older layers any more. */
export async function pruneCache(directory: string, ttl: number, now: number): Promise<void> {
  let kept = 0;
  for (const { path, bytes, changed } of await listByAge(directory)) {
    kept += bytes;
    if (kept > keepBytes || now - changed > ttl) await rm(path, { recursive: true, force: true });
  }
}
