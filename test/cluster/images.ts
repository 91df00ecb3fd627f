// The images of the test cluster. No registry of the outside world is needed: each is put
// together from files of this machine, once, and kept in the cache as a docker archive.

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive, type ImageConfig } from './archive.ts';
import { executorDir, kanikoVersion, type Cache } from './cache.ts';
import { step } from './progress.ts';
import { busyboxRoot, noShellRoot, nodeRoot, pauseRoot, runnerRoot, type Root } from './roots.ts';

export const pauseImage = 'kaniko-dev.test/pause:1';
export const runnerImage = `gcr.io/kaniko-project/executor:${kanikoVersion}-debug`;
export const noShellImage = 'kaniko-dev.test/executor:no-shell';

type Image = {
  readonly name: string;
  readonly file: string;
  /** `node`: imported into containerd. `registry`: pushed, for `FROM` lines. */
  readonly place: 'node' | 'registry';
  readonly fill: Root;
  readonly config: ImageConfig;
};

const kanikoEnvironment = [
  'HOME=/root',
  'USER=root',
  'SSL_CERT_DIR=/kaniko/ssl/certs',
  'DOCKER_CONFIG=/kaniko/.docker/',
];

export const images: readonly Image[] = [
  {
    name: pauseImage,
    file: 'pause.tar',
    place: 'node',
    fill: pauseRoot,
    config: { Entrypoint: ['/busybox', 'sleep', '2147483647'] },
  },
  {
    // The stand-in for kaniko's debug image, under the name of the original, so that resource
    // files can be applied as they are.
    name: runnerImage,
    file: 'executor-debug.tar',
    place: 'node',
    fill: runnerRoot,
    config: {
      Env: ['PATH=/usr/local/bin:/kaniko:/busybox', ...kanikoEnvironment],
      Entrypoint: ['/kaniko/executor'],
      WorkingDir: '/workspace',
      Volumes: { '/busybox': {} },
    },
  },
  {
    // Like kaniko's default image. `/hold/sleep 3600` keeps a pod of it running.
    name: noShellImage,
    file: 'executor-no-shell.tar',
    place: 'node',
    fill: noShellRoot,
    config: {
      Env: ['PATH=/usr/local/bin:/kaniko', ...kanikoEnvironment],
      Entrypoint: ['/kaniko/executor'],
      WorkingDir: '/workspace',
    },
  },
  {
    name: 'library/busybox:1.36',
    file: 'busybox-1.36.tar',
    place: 'registry',
    fill: busyboxRoot,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'] },
  },
  {
    name: 'library/node:20-alpine',
    file: 'node-20-alpine.tar',
    place: 'registry',
    fill: nodeRoot,
    config: {
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt',
        'npm_config_cafile=/etc/ssl/certs/ca-certificates.crt',
      ],
      Cmd: ['node'],
    },
  },
];

export const baseImages = images.filter(({ place }) => place === 'registry');

export async function buildImages(cache: Cache): Promise<void> {
  const stamp = join(cache.images, 'stamp');
  const wanted = await contentStamp();
  const present = new Set(await readdir(cache.images).catch(() => []));
  const fresh = (await readFile(stamp, 'utf8').catch(() => '')) === wanted;
  if (fresh && images.every(({ file }) => present.has(file))) return;
  await step('images (first start, or their sources changed)', async () => {
    // With what an earlier try may have left unfinished.
    await rm(cache.images, { recursive: true, force: true });
    for (const image of images) {
      const root = join(cache.images, `${image.file}.root`);
      await mkdir(root, { recursive: true });
      await image.fill(root);
      await writeArchive(join(cache.images, image.file), image.name, root, image.config);
      await rm(root, { recursive: true });
    }
    await writeFile(stamp, wanted);
  });
}

/** What the archives are made by; a change of it makes them anew. */
export async function contentStamp(): Promise<string> {
  const hash = createHash('sha256').update(executorDir);
  for (const source of ['images.ts', 'roots.ts', 'accounts.ts', 'archive.ts']) {
    hash.update(await readFile(join(import.meta.dirname, source)));
  }
  return hash.digest('hex');
}
