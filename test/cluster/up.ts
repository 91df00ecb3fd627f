// Brings the cluster up. Whatever a crash left is removed first, so a start always begins with
// nothing, and the file `complete.json` appears only at the very end.

import { chmod, lstat, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFile, paths, type Layout } from './addresses.ts';
import { buildPrograms, kubectlProgram } from './build.ts';
import { cacheLock, openCache, type Cache } from './cache.ts';
import { makeCertificates } from './certificates.ts';
import { clean, hasTraces } from './clean.ts';
import { run, succeeds } from './command.ts';
import { commandLine, components, writeConfigs, type Component } from './components.ts';
import { baseImages, buildImages, contentStamp, images, pauseImage } from './images.ts';
import { writeKubeconfigs } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { mountMemory } from './mounts.ts';
import { createNetwork, openOutside } from './network.ts';
import { installPackages } from './packages.ts';
import { isAlive, recorded, start } from './processes.ts';
import { interrupt, Interrupted, say, step, waitUntil } from './progress.ts';
import { pushArchive } from './registry.ts';

export type UpOptions = { readonly outside: boolean };

/** Answers whether this call started the cluster, rather than found it. */
export async function up(layout: Layout, options: UpOptions): Promise<boolean> {
  refuseWrongMachine();
  return withLock(lockFile(layout), `another start or stop of cluster ${layout.number}`, async () => {
    const started = performance.now();
    const cache = await openCache();
    const found = await isUp(layout, cache);
    if (found) {
      say(`Cluster ${layout.number} is up at ${layout.apiServer}`);
    } else {
      say(
        `Starting cluster ${layout.number} (Kubernetes in network namespace ${layout.name}, ${layout.range})`,
      );
      await cleanWhenInterrupted(layout, () => startEverything(layout, cache));
      say(
        `Cluster ${layout.number} is up at ${layout.apiServer} after ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    }
    if (options.outside) await step('way to the outside for pods', () => openOutside(layout));
    return !found;
  });
}

/** Ctrl-C leaves nothing; any other failure leaves the logs, and the next start cleans. */
async function cleanWhenInterrupted(layout: Layout, work: () => Promise<void>): Promise<void> {
  let interrupted = false;
  const stop = () => {
    interrupted = true;
    interrupt();
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work();
  } catch (error) {
    // The program that was running got the signal too, and its failure is then the first seen.
    if (interrupted) {
      await clean(layout);
      throw new Interrupted('interrupted; nothing is left behind', { cause: error });
    }
    say(`Logs of the processes: ${paths.logs(layout)}`);
    throw error;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function refuseWrongMachine(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(
      'The test cluster needs Linux and root. Elsewhere point TEST_KUBECONFIG at a cluster of yours.',
    );
  }
}

export async function isUp(layout: Layout, cache: Cache): Promise<boolean> {
  const complete = await readFile(paths.complete(layout), 'utf8').catch(() => undefined);
  // A cluster of other versions, or with images of other sources, is not the one asked for.
  if (complete !== (await completeness(cache))) return false;
  const alive = new Set<string>();
  for (const record of await recorded(layout)) if (await isAlive(record)) alive.add(record.name);
  if (components.some((component) => !alive.has(component))) return false;
  return succeeds(await kubectl(layout, cache, ['get', '--raw=/readyz']));
}

async function kubectl(layout: Layout, cache: Cache, args: readonly string[]): Promise<string[]> {
  return [await kubectlProgram(cache), '--kubeconfig', paths.adminKubeconfig(layout), ...args];
}

async function startEverything(layout: Layout, cache: Cache): Promise<void> {
  if (await hasTraces(layout)) await step('remove what an earlier start left', () => clean(layout));
  await installPackages();
  await withLock(cacheLock, 'a build for another cluster', async () => {
    await buildPrograms(cache);
    await buildImages(cache);
  });
  const begin = (component: Component) => start(layout, component, commandLine(layout, cache, component));

  await step('network, memory, certificates', async () => {
    await makeStateDir(layout);
    await mountMemory(layout);
    await createNetwork(layout);
    await writeKubeconfigs(layout, await makeCertificates(layout));
    await writeConfigs(layout);
  });
  await step('etcd, containerd, registries, API server', async () => {
    for (const component of ['etcd', 'containerd', 'registry', 'registry-tls', 'kube-apiserver'] as const) {
      await begin(component);
    }
    await waitUntil('containerd', 20_000, () => succeeds(ctr(layout, ['version'])));
  });
  // The API server needs its seconds; the images are there before it is.
  const imported = step('images', () => provideImages(layout, cache));
  const answering = step('API server answers', async () => {
    const ready = await kubectl(layout, cache, ['get', '--raw=/readyz']);
    await waitUntil('the API server', 60_000, async () => (await run(ready)) === 'ok');
    for (const component of ['kube-controller-manager', 'kube-scheduler'] as const) await begin(component);
  });
  // Both to their end, also when one fails: nothing may start after a failure was reported.
  for (const result of await Promise.allSettled([imported, answering])) {
    if (result.status === 'rejected') throw result.reason;
  }
  await step('node is ready', async () => {
    await begin('kubelet');
    await waitUntil('the node', 60_000, () => nodeIsReady(layout, cache));
  });
  await writeFile(paths.complete(layout), await completeness(cache));
}

async function completeness(cache: Cache): Promise<string> {
  return JSON.stringify({ programs: cache.key, images: await contentStamp() });
}

async function makeStateDir(layout: Layout): Promise<void> {
  await mkdir(layout.stateDir, { recursive: true });
  // The parent is world-writable: a folder that somebody else put there is not ours to fill.
  const owner = await lstat(layout.stateDir);
  if (!owner.isDirectory() || owner.uid !== 0)
    throw new Error(`${layout.stateDir} is not a directory of root`);
  await chmod(layout.stateDir, 0o755);
  for (const folder of [paths.logs(layout), paths.processes(layout)])
    await mkdir(folder, { recursive: true });
}

const ctr = (layout: Layout, args: readonly string[]) => [
  'ctr',
  '--address',
  paths.containerdSocket(layout),
  '--namespace',
  'k8s.io',
  ...args,
];

async function provideImages(layout: Layout, cache: Cache): Promise<void> {
  for (const { file } of images.filter(({ place }) => place === 'node')) {
    await run(ctr(layout, ['images', 'import', join(cache.images, file)]));
  }
  // Without its sandbox image no pod starts, and no registry has it.
  await run(ctr(layout, ['images', 'label', pauseImage, 'io.cri-containerd.pinned=pinned']));
  for (const { name, file } of baseImages) {
    const [repository = '', tag = ''] = name.split(':');
    await waitUntil('the registry', 10_000, async () => (await fetch(`http://${layout.registry}/v2/`)).ok);
    await pushArchive(join(cache.images, file), layout.registry, repository, tag);
  }
}

/** Ready, without the taint of a new node, and with the account that pods of a namespace get. */
async function nodeIsReady(layout: Layout, cache: Cache): Promise<boolean> {
  const node = JSON.parse(
    await run(await kubectl(layout, cache, ['get', 'node', layout.name, '--output=json'])),
  ) as {
    spec: { taints?: unknown[] };
    status: { conditions: { type: string; status: string }[] };
  };
  const ready = node.status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  if (!ready || (node.spec.taints ?? []).length > 0) return false;
  return succeeds(await kubectl(layout, cache, ['get', 'serviceaccount', 'default', '--namespace=default']));
}
