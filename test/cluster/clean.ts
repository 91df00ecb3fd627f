// Removes every trace of a cluster, complete or half started. `down` and the healing of `up`
// are the same walk, and every step is content when its object is already gone.

import { readdir, readFile, readlink, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import { mountsBelow, unmountBelow } from './mounts.ts';
import { closeOutside, removeNetwork } from './network.ts';
import { endOwnProcesses, ownProcesses } from './processes.ts';

export async function clean(layout: Layout): Promise<void> {
  await rm(paths.complete(layout), { force: true });
  await endOwnProcesses(layout);
  await removeContainerTraces(layout);
  await unmountBelow(layout.stateDir);
  await closeOutside(layout);
  await removeNetwork(layout);
  await removeStrays(layout);
  await rm(layout.stateDir, { recursive: true, force: true });
}

/** Whether there is anything to clean: a start on a clean machine need not mention it. */
export async function hasTraces(layout: Layout): Promise<boolean> {
  const left = await Promise.all([
    readdir(layout.stateDir).catch(() => []),
    mountsBelow(layout.stateDir),
    ownProcesses(layout),
    readdir('/var/run/netns')
      .then((names) => names.filter((name) => name === layout.name))
      .catch(() => []),
  ]);
  return left.some((found) => found.length > 0);
}

/** Shims and runc killed with -9 leave sockets and cgroups in places that all containerds share. */
async function removeContainerTraces(layout: Layout): Promise<void> {
  const bundles = join(paths.data(layout), 'run', 'containerd', 'io.containerd.runtime.v2.task', 'k8s.io');
  const controllers = await readdir('/sys/fs/cgroup');
  // Version 1 has a tree for every controller, version 2 a single one.
  const trees = ['/sys/fs/cgroup', ...controllers.map((controller) => join('/sys/fs/cgroup', controller))];
  for (const container of await readdir(bundles).catch(() => [])) {
    const address = await readFile(join(bundles, container, 'address'), 'utf8').catch(() => '');
    const socket = address.trim().replace(/^unix:\/\//, '');
    if (socket.startsWith('/run/containerd/s/')) await rm(socket, { force: true });
    for (const tree of trees) await removeCgroup(join(tree, 'k8s.io', container));
  }
}

async function removeCgroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return;
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(folder, entry.name));
  // The kernel may still be counting out a process that has just ended.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      return await rmdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** kubelet and the CNI library write to fixed places outside of any directory they are given. */
async function removeStrays(layout: Layout): Promise<void> {
  const logs = '/var/log/containers';
  for (const name of await readdir(logs).catch(() => [])) {
    const target = await readlink(join(logs, name)).catch(() => '');
    if (target.startsWith(`${layout.stateDir}/`)) await rm(join(logs, name), { force: true });
  }
  const results = '/var/lib/cni/results';
  for (const name of await readdir(results).catch(() => [])) {
    if (name.startsWith(`${layout.name}-`)) await rm(join(results, name), { force: true });
  }
}
