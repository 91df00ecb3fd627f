/**
 * One regular file, read so that its content and its stat belong together: a file that was changed or replaced while
 * it was read is said to have moved, and the caller reads it again.
 */
import { createHash, hash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { isError, type Handle, type System, type SystemError } from './system.ts';

export type ReadOutcome<T> =
  | { readonly kind: 'read'; readonly stat: BigIntStats; readonly value: T }
  /** Changed or replaced meanwhile, or no longer a file. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'error'; readonly error: SystemError };

export type ReadDigest = (system: System, path: string) => Promise<ReadOutcome<string>>;

/** Files up to this size are read in one piece. */
const wholeSize = 1 << 20;

/** Lower-case hex SHA-256 of the file at `path`; a symbolic link is not followed. */
export function readDigest(system: System, path: string): Promise<ReadOutcome<string>> {
  return readSteadily(system, path, { follow: false }, async (handle, size) => {
    if (size <= wholeSize) {
      const whole = await readWhole(handle, size);
      return isError(whole) ? whole : { size: whole.length, value: hash('sha256', whole, 'hex') };
    }
    const sum = createHash('sha256');
    const buffer = Buffer.allocUnsafe(wholeSize);
    for (let total = 0; ;) {
      const part = await handle.read(buffer);
      if (isError(part)) return part;
      if (part.count === 0 || total > size) return { size: total, value: sum.digest('hex') };
      sum.update(buffer.subarray(0, part.count));
      total += part.count;
    }
  });
}

/** The text of the file at `path`, through symbolic links. */
export function readText(system: System, path: string): Promise<ReadOutcome<string>> {
  return readSteadily(system, path, { follow: true }, async (handle, size) => {
    const whole = await readWhole(handle, size);
    return isError(whole) ? whole : { size: whole.length, value: whole.toString('utf8') };
  });
}

interface Consumed<T> {
  readonly size: number;
  readonly value: T;
}

async function readSteadily<T>(
  system: System,
  path: string,
  options: { readonly follow: boolean },
  consume: (handle: Handle, size: number) => Promise<Consumed<T> | SystemError>,
): Promise<ReadOutcome<T>> {
  const handle = await system.open(path, options);
  // A symbolic link that took the place of the file.
  if (isError(handle) && handle.code === 'ELOOP' && !options.follow) return { kind: 'moved' };
  if (isError(handle)) return { kind: 'error', error: handle };
  try {
    const before = await handle.stat();
    if (isError(before)) return { kind: 'error', error: before };
    if (before.isDirectory()) return { kind: 'error', error: { code: 'EISDIR' } };
    if (!before.isFile()) return { kind: 'moved' };
    const consumed = await consume(handle, Number(before.size));
    if (isError(consumed)) return { kind: 'error', error: consumed };
    const after = await handle.stat();
    if (isError(after)) return { kind: 'error', error: after };
    // What was read may be a file that no longer has this name.
    const named = options.follow ? await system.stat(path) : await system.lstat(path);
    if (isError(named)) return { kind: 'error', error: named };
    const steady = sameStat(before, after) && sameStat(after, named) && BigInt(consumed.size) === after.size;
    return steady ? { kind: 'read', stat: after, value: consumed.value } : { kind: 'moved' };
  } finally {
    await handle.close();
  }
}

/** One byte more than expected tells a file that grew. */
function readWhole(handle: Handle, size: number): Promise<Buffer | SystemError> {
  return handle.fill(Buffer.allocUnsafe(size + 1));
}

/** Whether two stats are of the same, unchanged inode. */
export function sameStat(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.mode === b.mode &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  );
}
