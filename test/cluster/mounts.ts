// The tmpfs mounts of the cluster, and the removal of all that was mounted below them.

import { mkdir, readFile } from 'node:fs/promises';
import { paths, type Layout } from './addresses.ts';
import { run } from './command.ts';

/**
 * Images, emptyDirs and etcd live in memory: kaniko creates files right after deleting many,
 * which an ext4 without a journal serves several times slower, and slower with every build.
 */
export async function mountMemory(layout: Layout): Promise<void> {
  for (const [folder, size] of [
    [paths.containerd(layout), '8g'],
    [paths.kubelet(layout), '8g'],
    [paths.data(layout), '8g'],
  ] as const) {
    await mkdir(folder, { recursive: true });
    await run(['mount', '-t', 'tmpfs', '-o', `size=${size},mode=0755`, `kaniko-dev-${layout.name}`, folder]);
  }
}

export async function mountsBelow(folder: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => unescape(line.split(' ')[4] ?? ''))
    .filter((path) => path.startsWith(`${folder}/`));
}

/** The kernel writes space, tab, newline and backslash in octal. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

export async function unmountBelow(folder: string): Promise<void> {
  // A mount made later lies on or below one made earlier, so the last comes off first. A path
  // can be mounted twice; a few rounds see to that and to mounts that were busy for a moment.
  for (let round = 0; round < 5; round += 1) {
    const mounted = (await mountsBelow(folder)).reverse();
    if (mounted.length === 0) return;
    const lazily = round === 0 ? [] : ['--lazy'];
    await run(['umount', '--no-canonicalize', ...lazily, ...mounted]).catch(() => undefined);
  }
  const left = await mountsBelow(folder);
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(', ')}`);
}
