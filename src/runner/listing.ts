/** The agent's payloads about files: NUL-separated paths, `stat` lines, `sha256sum` lines. Pure. */
import type { RemoteEntry } from '../host.ts';

const kinds: Readonly<Record<number, RemoteEntry['kind']>> = {
  0o100000: 'file',
  0o040000: 'dir',
  0o120000: 'link',
};

/** Paths as the agent's commands take them: a leading dash or a special name must stay a path. */
export function toPaths(paths: readonly string[]): Buffer {
  for (const path of paths) {
    if (/(?:^|\/)\.\.(?:\/|$)|^\/|\0|^$/.test(path))
      throw new Error(`not a path in a context: ${JSON.stringify(path)}`);
  }
  return Buffer.from(paths.map((path) => `./${path}\0`).join(''));
}

export function fromPaths(bytes: Uint8Array | undefined): string[] {
  const items = Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\0');
  items.pop();
  return items;
}

/** Names as `find . -print0` prints them. */
export function parseNames(bytes: Uint8Array | undefined): string[] {
  return fromPaths(bytes);
}

/** Lines of `stat -c '%f %s %Z %i %z'`: raw mode in hex, size, change time in seconds, inode, change time in full. */
export function parseStats(bytes: Uint8Array | undefined): RemoteEntry[] {
  const entries: RemoteEntry[] = [];
  for (const line of Buffer.from(bytes ?? [])
    .toString('utf8')
    .split('\n')) {
    if (line === '') continue;
    const [raw = '', size = '', changed = ''] = line.split(' ', 3);
    const mode = Number.parseInt(raw, 16);
    entries.push({
      kind: kinds[mode & 0o170000] ?? 'other',
      mode: mode & 0o7777,
      size: Number(size),
      stat: line,
      changed: Number(changed),
    });
  }
  return entries;
}

/**
 * Output of `sha256sum` for the paths, in their order. Names may hold newlines, so each line is matched with the name
 * it must carry; a path without a line (the file is gone) is left out.
 */
export function parseHashes(bytes: Uint8Array | undefined, paths: readonly string[]): Map<string, string> {
  const output = Buffer.from(bytes ?? []);
  const hashes = new Map<string, string>();
  let at = 0;
  for (const path of paths) {
    const name = Buffer.from(`  ./${path}\n`);
    const end = at + 64 + name.length;
    if (output.subarray(at + 64, end).equals(name)) {
      hashes.set(path, output.toString('latin1', at, at + 64));
      at = end;
    }
  }
  return hashes;
}
