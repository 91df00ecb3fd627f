/** Takes single files out of an image in a registry, without a container engine. */
import { createReadStream } from 'node:fs';
import { chmod, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-fs';
import type { ImageReference } from '../../host.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { type Result, fail, ok } from '../../result.ts';

/** Path in the image → path on this machine. */
export type Wanted = ReadonlyMap<string, string>;

/**
 * Puts the wanted files in their places, each by a rename, and returns the names of those that the image has. Layers
 * are digest-checked, and only plain files with exactly the wanted names are taken out of them: nothing in an archive
 * decides where something is written.
 */
export async function pullFiles(
  registry: RegistryClient,
  image: ImageReference,
  reference: string,
  wanted: Wanted,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<Result<ReadonlySet<string>>> {
  const found = await registry.manifest(image, reference, signal);
  if (!found.ok) return found;
  const [place] = wanted.values();
  if (place === undefined) return ok(new Set());
  const work = await mkdtemp(join(dirname(place), '.pull-'));
  try {
    const { layers } = found.value.manifest;
    for (const [index, layer] of layers.entries()) {
      onProgress(`pulling ${image.registry}/${image.repository}: layer ${index + 1} of ${layers.length}`);
      const file = join(work, 'layer');
      const fetched = await registry.blobToFile(image, layer.digest, file, signal);
      if (!fetched.ok) return fetched;
      await unpack(file, join(work, 'files'), new Set(wanted.keys()), signal);
      await rm(file);
    }
    const names = new Set(await readdir(join(work, 'files')).catch(() => []));
    const placed = new Set<string>();
    for (const [name, target] of wanted) {
      const flat = flatName(name);
      if (!names.has(flat) || (await stat(join(work, 'files', flat))).size === 0) continue;
      await chmod(join(work, 'files', flat), 0o755);
      await rename(join(work, 'files', flat), target);
      placed.add(name);
    }
    return ok(placed);
  } catch (error) {
    if (signal.aborted) return fail('interrupted', 'interrupted', 'Start it again.');
    const text = error instanceof Error ? error.message : String(error);
    return fail(
      'registry-protocol',
      `the image could not be unpacked: ${text}`,
      'Pull again, or configure the files.',
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function unpack(
  file: string,
  into: string,
  wanted: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  const accepted = new Set<unknown>();
  await pipeline(
    createReadStream(file),
    createGunzip(),
    extract(into, {
      // Called before `ignore`, with the same header.
      map: (header) => {
        const name = plainName(header.name);
        if (header.type === 'file' && wanted.has(name)) {
          accepted.add(header);
          header.name = flatName(name);
        }
        return header;
      },
      ignore: (_path, header) => !accepted.has(header),
    }),
    { signal },
  );
}

function plainName(name: string): string {
  return name.replace(/^(\.?\/)+/, '');
}

/** No separator is left: the file can only lie in the one directory that it is unpacked into. */
function flatName(name: string): string {
  return name.replaceAll('/', '_');
}
