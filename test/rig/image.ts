/** Reads single files out of an OCI layout, as a container that runs the image would see them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { blobPath, verifyLayout } from '../../src/registry/layout.ts';

const run = promisify(execFile);

/** Content of the file, undefined when no layer has it or a later one removes it. `path` without a leading slash. */
export async function readFromLayout(layout: string, path: string): Promise<string | undefined> {
  const image = await verifyLayout(layout);
  if (!image.ok) throw new Error(image.failure.message);
  const whiteout = path.replace(/([^/]+)$/, '.wh.$1');
  for (const { digest } of image.value.layers.toReversed()) {
    const blob = blobPath(layout, digest);
    const names = new Set(
      (await run('tar', ['-tzf', blob])).stdout.split('\n').map((name) => name.replace(/^\.?\//, '')),
    );
    if (names.has(whiteout)) return undefined;
    if (names.has(path)) return (await run('tar', ['-xzOf', blob, '--wildcards', `*${path}`])).stdout;
  }
  return undefined;
}

/** Digests of the layers, the base first. */
export async function layersOf(layout: string): Promise<string[]> {
  const image = await verifyLayout(layout);
  if (!image.ok) throw new Error(image.failure.message);
  return image.value.layers.map(({ digest }) => digest);
}

/** Every path in the image with its mode as `ls` writes it, as a container that runs the image would see them. */
export async function modesIn(layout: string): Promise<ReadonlyMap<string, string>> {
  const modes = new Map<string, string>();
  for (const digest of await layersOf(layout)) {
    const { stdout } = await run('tar', ['-tvzf', blobPath(layout, digest)]);
    const added = new Map<string, string>();
    for (const line of stdout.split('\n')) {
      const [, mode, name] =
        /^(\S{10})\s+\S+\s+\d+\s+\S+\s+\S+\s(.*?)(?: -> .*| link to .*)?$/.exec(line) ?? [];
      if (mode === undefined || name === undefined) continue;
      const path = name.replace(/^\.?\//, '').replace(/\/$/, '');
      const [, directory = '', removed] = /^(.*\/|)\.wh\.([^/]+)$/.exec(path) ?? [];
      if (removed === undefined) {
        if (path !== '') added.set(path, mode);
        continue;
      }
      const gone = `${directory}${removed}`;
      for (const known of modes.keys())
        if (known === gone || known.startsWith(`${gone}/`)) modes.delete(known);
    }
    for (const [path, mode] of added) modes.set(path, mode);
  }
  return modes;
}
