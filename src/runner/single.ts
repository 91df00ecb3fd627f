/** The change that is nothing but one file, and its content out of the archive that the files are packed in. Pure. */
import type { Change, Entry, Manifest } from '../host.ts';

export interface SingleFile {
  readonly path: string;
  readonly entry: Extract<Entry, { kind: 'file' }>;
}

/** Larger files go through the archive, whose pieces are sent while the file is read. */
const maxSize = 1 << 20;

export function onlyFile(change: Change, manifest: Manifest): SingleFile | undefined {
  const [path, ...others] = change.write;
  if (path === undefined || others.length + change.remove.length + change.link.length > 0) return undefined;
  const entry = manifest.get(path);
  // The path travels in a line.
  if (entry?.kind !== 'file' || entry.size > maxSize || path.includes('\n')) return undefined;
  return { path, entry };
}

const block = 512;

/** `mtime` is in seconds. The last header before the content is the file's own; others only extend it. */
export function singleEntry(
  archive: Buffer,
  size: number,
): { readonly content: Buffer; readonly mtime: number } {
  const padded = Math.ceil(size / block) * block;
  const start = archive.length - 2 * block - padded;
  const mtime = Number.parseInt(archive.toString('latin1', start - block + 136, start - block + 147), 8);
  return { content: archive.subarray(start, start + size), mtime: Number.isNaN(mtime) ? 0 : mtime };
}
