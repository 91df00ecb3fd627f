// A start after any crash is a start. Uses a cluster number of its own, so that the cluster of
// the other tests lives on.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutOf, paths } from './addresses.ts';
import { hasTraces } from './clean.ts';
import { run, succeeds } from './command.ts';
import { environmentOf } from './environment.ts';
import { openCache } from './cache.ts';
import type { ProcessRecord } from './processes.ts';

const layout = layoutOf(63);
const main = join(import.meta.dirname, 'main.ts');
const argv = (...args: string[]) => [process.execPath, '--import', import.meta.resolve('tsx'), main, ...args];
const env = { ...process.env, KANIKO_DEV_CLUSTER: '63' };
const cluster = (...args: string[]) => run(argv(...args), { env });
const own = environmentOf(layout, await openCache());
const kubectl = (...args: string[]) =>
  run(['kubectl', '--kubeconfig', own['TEST_KUBECONFIG'] ?? '', ...args]);
const recordOf = async (name: string) =>
  JSON.parse(await readFile(join(paths.processes(layout), `${name}.json`), 'utf8')) as ProcessRecord;

const foreign =
  process.env['TEST_KUBECONFIG'] !== undefined && process.env['TEST_CLUSTER_STATE'] === undefined;

describe('a cluster that crashed', { timeout: 240_000, skip: foreign }, () => {
  after(() => cluster('down'));

  test('is up again after a kill -9 of the tool in the middle of its start', async () => {
    await cluster('down');
    const [program = '', ...args] = argv('up');
    const child = spawn(program, args, { env, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await untilThere(join(paths.processes(layout), 'kube-apiserver.json'));
    child.kill('SIGKILL');
    await ended;
    assert.ok(await hasTraces(layout), 'the start was killed too early to test anything');
    await assert.rejects(cluster('status'), /not up/);
    await cluster('up');
    await runPod('first');
  });

  test('is up again after a kill -9 of containerd, with pods running', async () => {
    process.kill((await recordOf('containerd')).pid, 'SIGKILL');
    await sleep(100);
    await assert.rejects(cluster('status'), /not up/);
    await cluster('up');
    await runPod('second');
  });

  test('is left alone by another start', async () => {
    const before = await recordOf('kubelet');
    await Promise.all([cluster('up'), cluster('up')]);
    assert.deepEqual(await recordOf('kubelet'), before);
  });

  test('leaves nothing when it goes down', async () => {
    await cluster('down');
    assert.equal(await hasTraces(layout), false);
    assert.equal(await succeeds(['ip', 'link', 'show', layout.hostLink]), false);
    assert.equal(await run(['ip', 'route', 'show', layout.podRange]), '');
  });
});

async function runPod(name: string): Promise<void> {
  const image = 'library/busybox:1.36';
  await kubectl('run', name, `--image=${image}`, '--command', '--', 'sleep', '3600');
  await kubectl('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
}

async function untilThere(path: string): Promise<void> {
  for (let attempt = 0; attempt < 1200; attempt += 1) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return;
    await sleep(50);
  }
  throw new Error(`${path} did not appear`);
}
