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
