/** Sync against what people do by hand, in the same run, against the same runner. Needs a cluster: npm run cluster -- up */
import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { systemClock } from '../src/clock.ts';
import { createFiles } from '../src/files/scan.ts';
import type { Files } from '../src/host.ts';
import { loadKube } from '../src/kube/client.ts';
import type { Result } from '../src/result.ts';
import { openKubernetes } from '../src/runner/kubernetes.ts';
import type { OwnedConnection } from '../src/runner/reconnecting.ts';
import { Mirror } from '../src/steps/mirror.ts';
import { Moltbook } from '../test/rig/moltbook.ts';
import { Project } from '../test/rig/project.ts';
import { run } from '../test/rig/program.ts';
import { type Print, median, ms } from './row.ts';

const exec = promisify(execFile);
const never = new AbortController().signal;

export async function syncBench(print: Print): Promise<void> {
  await using moltbook = await Moltbook.create({ workloads: false });
  await moltbook.kubectl(['rollout', 'status', 'deployment/kaniko-build-runner', '--timeout=120s']);
  const pod = await moltbook.runnerPod();
  const connection = await connect(moltbook);
  try {
    await oneFile(print, moltbook, pod, connection);
    await firstUpload(print, moltbook, pod, connection);
    await checkout(print, moltbook, pod, connection);
  } finally {
    await connection.close();
  }
  await restart(print, moltbook);
}

async function oneFile(
  print: Print,
  moltbook: Moltbook,
  pod: string,
  connection: OwnedConnection,
): Promise<void> {
  await using project = await tree(200, 5_000);
  const { sync } = syncing(project, connection, 'one');
  await sync();
  const ours: number[] = [];
  for (let index = 0; index < 40; index += 1) {
    await writeFile(project.path('0/0'), randomBytes(2_500).toString('hex'));
    const started = performance.now();
    await sync();
    ours.push(performance.now() - started);
  }
  const theirs: number[] = [];
  for (let index = 0; index < 5; index += 1) {
    const started = performance.now();
    await moltbook.kubectl(['cp', project.path('0/0'), `${pod}:/workspace/copied`]);
    theirs.push(performance.now() - started);
  }
  print({
    what: 'save of one 5 KB file → acknowledged (median)',
    value: ms(median(ours)),
    reference: `kubectl cp ${ms(median(theirs))}`,
    wanted: '≤ 10 ms and ≥ 20x faster',
  });
}

async function firstUpload(
  print: Print,
  moltbook: Moltbook,
  pod: string,
  connection: OwnedConnection,
): Promise<void> {
  const size = 8_000;
  const count = 5_000;
  await using project = await tree(count, size);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const { sync } = syncing(project, connection, `upload-${round}`);
    const started = performance.now();
    await sync();
    ours.push(performance.now() - started);
    theirs.push(await byTar(moltbook, pod, project, ['.'], `/workspace/tar-${round}`));
  }
  const rate = (time: number): string => `${((count * size) / 1_000 / time).toFixed(0)} MB/s`;
  print({
    what: 'first upload, 5,000 files, 40 MB',
    value: `${ms(median(ours))}, ${rate(median(ours))}`,
    reference: `tar | kubectl exec tar ${ms(median(theirs))}, ${rate(median(theirs))}`,
    wanted: '≥ 0.9x the throughput',
  });
}

async function checkout(
  print: Print,
  moltbook: Moltbook,
  pod: string,
  connection: OwnedConnection,
): Promise<void> {
  await using project = await tree(10_000, 2_000);
  const git = async (...argv: string[]): Promise<unknown> => exec('git', ['-C', project.root, ...argv]);
  await git('init', '-q');
  await git('config', 'user.email', 'bench@localhost');
  await git('config', 'user.name', 'bench');
  // Its clean-up in the background would still be at work when the project is removed.
  await git('config', 'gc.auto', '0');
  await git('config', 'maintenance.auto', 'false');
  await project.write('.dockerignore', '.git\n');
  await git('add', '-A');
  await git('commit', '-qm', 'one');
  const changed = Array.from({ length: 500 }, (_, index) => `${Math.floor(index / 5)}/${index * 20}`);
  for (const path of changed) await project.write(path, randomBytes(1_000).toString('hex'));
  await git('add', '-A');
  await git('commit', '-qm', 'two');
  const { sync } = syncing(project, connection, 'checkout');
  await sync();
  const ours: number[] = [];
  const theirs: number[] = [];
  for (const revision of ['HEAD^', 'master', 'HEAD^', 'master']) {
    await git('checkout', '-q', revision);
    const started = performance.now();
    await sync();
    ours.push(performance.now() - started);
    theirs.push(await byTar(moltbook, pod, project, changed, '/workspace/tar-checkout'));
  }
  print({
    what: 'git checkout changing 500 of 10,000 files → acknowledged',
    value: ms(median(ours)),
    reference: `those 500 by tar | kubectl exec tar ${ms(median(theirs))}`,
    wanted: '≤ 1.2x',
  });
}

async function restart(print: Print, moltbook: Moltbook): Promise<void> {
  const { project } = moltbook;
  for (let index = 0; index < 10_000; index += 1) {
    if (index % 100 === 0) await mkdir(project.path(`api/many/${index / 100}`), { recursive: true });
    await writeFile(
      project.path(`api/many/${Math.floor(index / 100)}/${index}`),
      `file ${index}\n`.repeat(100),
    );
  }
  const first = await run(['sync', 'api', '--json'], moltbook.developer);
  if (first.code !== 0) throw new Error(first.stdout);
  const times: number[] = [];
  let bytes = 0;
  for (let round = 0; round < 3; round += 1) {
    const started = performance.now();
    const again = await run(['sync', 'api', '--json'], moltbook.developer);
    times.push(performance.now() - started);
    if (again.code !== 0) throw new Error(again.stdout);
    for (const event of again.events) if (event.type === 'synced') bytes += event.bytes;
  }
  print({
    what: 'restart with nothing changed, 10,000 files, whole process',
    value: `${ms(median(times))}, ${bytes} file bytes sent`,
    reference: '-',
    wanted: '< 1 s, 0 bytes',
  });
}

async function connect(moltbook: Moltbook): Promise<OwnedConnection> {
  const kube = must(loadKube({ kubeconfig: moltbook.cluster.developerKubeconfig, env: {} }));
  return must(
    await openKubernetes(
      kube,
      systemClock,
      {
        namespace: moltbook.namespace,
        deployment: 'kaniko-build-runner',
        container: undefined,
        workspace: '/workspace',
        timeout: 60_000,
        holder: { name: 'bench', session: randomUUID() },
        onWaiting: () => {},
      },
      never,
    ),
  );
}

function syncing(
  project: Project,
  connection: OwnedConnection,
  target: string,
): { files: Files; sync: () => Promise<void> } {
  const files = createFiles();
  const mirror = new Mirror(target, connection);
  const source = { root: project.root, dockerfile: project.path('Dockerfile') };
  return {
    files,
    sync: async () => {
      const scan = must(await files.scan(source, never));
      must(
        await mirror.sync(files, project.root, scan.manifest, { onStart: () => {}, onSent: () => {} }, never),
      );
    },
  };
}

/** `count` files of `size` bytes in directories of 100. */
async function tree(count: number, size: number): Promise<Project> {
  const project = await Project.empty();
  await project.write('Dockerfile', 'FROM scratch\nCOPY . /\n');
  for (let index = 0; index < count; index += 1) {
    const directory = Math.floor(index / 100);
    if (index % 100 === 0) await mkdir(project.path(`${directory}`), { recursive: true });
    await writeFile(project.path(`${directory}/${index}`), randomBytes(size / 2).toString('hex'));
  }
  return project;
}

/** Milliseconds of `tar c … | kubectl exec -i -- tar x`, as people do it. */
async function byTar(
  moltbook: Moltbook,
  pod: string,
  project: Project,
  paths: readonly string[],
  into: string,
): Promise<number> {
  const started = performance.now();
  const kubectl = spawn(
    'kubectl',
    [
      '--kubeconfig',
      moltbook.cluster.adminKubeconfig,
      '-n',
      moltbook.namespace,
      'exec',
      '-i',
      pod,
      '--',
      '/busybox/sh',
      '-c',
      `mkdir -p ${into} && tar -x -f - -C ${into}`,
    ],
    { stdio: ['pipe', 'ignore', 'inherit'] },
  );
  const tar = spawn('tar', ['-C', project.root, '-c', '-f', '-', ...paths], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  tar.stdout.pipe(kubectl.stdin);
  const [code] = (await once(kubectl, 'close')) as [number];
  if (code !== 0) throw new Error(`kubectl exec tar: ${code}`);
  return performance.now() - started;
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.failure));
  return result.value;
}
