// Docker archives: one configuration, one gzipped layer, a manifest.json that names both.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { run, runBinary } from './command.ts';

export type ImageConfig = {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
};

/** The same tree gives the same bytes, so that an image built twice keeps its digest. */
const reproducible = ['--sort=name', '--mtime=@0', '--numeric-owner', '--format=gnu'];

export async function writeArchive(
  output: string,
  name: string,
  root: string,
  config: ImageConfig,
): Promise<void> {
  const folder = `${output}.unfinished`;
  await mkdir(folder, { recursive: true });
  try {
    const layer = join(folder, 'layer.tar');
    await run(['tar', ...reproducible, '-C', root, '-cf', layer, '.']);
    const diffId = await digestOfFile(layer);
    await pipeline(createReadStream(layer), createGzip({ level: 1 }), createWriteStream(`${layer}.gz`));
    const image = {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config,
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'kaniko-dev test image' }],
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(image));
    await writeFile(
      join(folder, 'manifest.json'),
      JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar.gz'] }]),
    );
    const unfinished = join(folder, 'archive.tar');
    await run([
      'tar',
      ...reproducible,
      '-C',
      folder,
      '-cf',
      unfinished,
      'manifest.json',
      'config.json',
      'layer.tar.gz',
    ]);
    await rename(unfinished, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function readArchive(archive: string): Promise<{ config: Buffer; layer: Buffer }> {
  const member = (name: string) => runBinary(['tar', '-xOf', archive, name]);
  return { config: await member('config.json'), layer: await member('layer.tar.gz') };
}

async function digestOfFile(path: string): Promise<string> {
  return `sha256:${createHash('sha256')
    .update(await readFile(path))
    .digest('hex')}`;
}
