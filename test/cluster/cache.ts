// What is built once and kept outside the work tree.
//
//   <cache>/cluster/<key>/bin/      the Kubernetes binary under its four names (and kubectl)
//   <cache>/cluster/<key>/images/   docker archives of the images
//   <cache>/executor/v1.24.0/       kaniko's executor and warmer; the local runner looks here too

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const kubernetesVersion = 'v1.34.4';
export const kanikoVersion = 'v1.24.0';

/** The executor's module is part of the product: its local runner builds from it too. */
export const goModules = {
  kubernetes: join(import.meta.dirname, 'go/kubernetes'),
  kaniko: join(import.meta.dirname, '../../templates/executor'),
};

const keyed = [goModules.kubernetes, goModules.kaniko].flatMap((module) =>
  ['go.mod', 'go.sum', 'main.go'].map((file) => join(module, file)),
);

const root = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kaniko-dev');

/** One build at a time, whichever cluster it is for. */
export const cacheLock = join(root, 'cluster.lock');

export const executorDir = join(root, 'executor', kanikoVersion);

export type Cache = { readonly key: string; readonly bin: string; readonly images: string };

/** The same sources and versions have the same key; anything else is built beside it. */
export async function openCache(): Promise<Cache> {
  const hash = createHash('sha256').update(`${kubernetesVersion} ${kanikoVersion} ${process.arch}`);
  for (const file of keyed) hash.update(await readFile(file).catch(() => ''));
  const key = hash.digest('hex').slice(0, 12);
  return { key, bin: join(root, 'cluster', key, 'bin'), images: join(root, 'cluster', key, 'images') };
}
