/** Cuts a change into chunks that are acknowledged one by one. Pure. */
import type { Change, Manifest } from '../host.ts';

/** A chunk is closed when it holds this many file bytes or paths; one larger file is a chunk of its own. */
const chunkBytes = 4 << 20;
const chunkPaths = 1_000;

/** Keeps the order: all removals come with the first chunk, long links with the last, when their parents exist. */
export function* chunkChange(change: Change, manifest: Manifest): Generator<Change> {
  let remove = change.remove;
  let write: string[] = [];
  let bytes = 0;
  for (const path of change.write) {
    const entry = manifest.get(path);
    const size = entry?.kind === 'file' ? entry.size : 0;
    if (write.length > 0 && (bytes + size > chunkBytes || write.length >= chunkPaths)) {
      yield { remove, write, link: [] };
      remove = [];
      write = [];
      bytes = 0;
    }
    write.push(path);
    bytes += size;
  }
  if (remove.length + write.length + change.link.length > 0) yield { remove, write, link: change.link };
}
