/** Cuts a change into chunks that are acknowledged one by one. Pure. */
import type { Change, Copy, Manifest } from '../host.ts';

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

/** Paths a copy command takes at most, in bytes too: xargs must not split them. */
const copyPaths = 200;
const copyBytes = 24_000;

/** `base` numbers the first copy of each chunk. */
export function copyChunks(
  copies: readonly Copy[],
): { readonly base: number; readonly chunk: readonly Copy[] }[] {
  const chunks: { base: number; chunk: Copy[] }[] = [];
  let bytes = 0;
  for (const [index, copy] of copies.entries()) {
    const size = Math.max(Buffer.byteLength(copy.from), Buffer.byteLength(copy.to)) + 3;
    const current = chunks.at(-1);
    if (current === undefined || current.chunk.length >= copyPaths || bytes + size > copyBytes) {
      chunks.push({ base: index, chunk: [copy] });
      bytes = size;
    } else {
      current.chunk.push(copy);
      bytes += size;
    }
  }
  return chunks;
}

/**
 * The directories that are passed through: they must not be symbolic links when the change is applied. What is removed
 * may be a link itself, and a directory may take its place.
 */
export function parentsOf(remove: readonly string[], write: readonly string[]): string[] {
  const parents = new Set<string>();
  const removed = new Set(remove);
  const add = (path: string, replaced: boolean): void => {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at);
      if (replaced && removed.has(parent)) continue;
      if (parents.has(parent)) return;
      parents.add(parent);
    }
  };
  for (const path of remove) add(path, false);
  for (const path of write) add(path, true);
  return [...parents];
}
