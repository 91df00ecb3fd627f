/** An image from which the tools are taken is not to be trusted. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { makeRegistry } from '../../src/registry/client.ts';
import type { Result } from '../../src/result.ts';
import { pullFiles } from '../../src/runner/local/pull.ts';
import { pushArchive } from '../cluster/registry.ts';
import { Project } from '../rig/project.ts';
import { type Running, dockerRegistry, serve } from '../unit/registry/rig.ts';

const repository = 'kaniko/executor';

describe('pulling single files out of an image', () => {
  let registry: Running;
  before(async () => {
    registry = await dockerRegistry();
  });
  after(async () => registry?.stop());

  const pull = async (host: string, project: Project): Promise<Result<ReadonlySet<string>>> => {
    await mkdir(project.path('cache'), { recursive: true });
    return pullFiles(
      makeRegistry({}),
      { registry: host, repository },
      'debug',
      new Map([
        ['kaniko/executor', project.path('cache/executor')],
        ['busybox/busybox', project.path('cache/busybox')],
      ]),
      () => {},
      AbortSignal.timeout(30_000),
    );
  };

  /** Pushes an image whose one layer is this tar file. */
  const pushLayer = async (project: Project, layer: string): Promise<void> => {
    execFileSync('gzip', ['-kf', layer], { cwd: project.root });
    await project.write('config.json', JSON.stringify({ os: 'linux', architecture: 'amd64' }));
    execFileSync(
      'tar',
      ['-cf', 'image.tar', 'config.json', '--transform=s,.*\\.gz$,layer.tar.gz,', `${layer}.gz`],
      {
        cwd: project.root,
      },
    );
    await pushArchive(project.path('image.tar'), registry.host, repository, 'debug');
  };

  test('a layer that is not what its digest says is refused, and nothing of it is kept', async () => {
    await using project = await Project.empty();
    await project.write('kaniko/executor', 'the executor\n');
    execFileSync('tar', ['-cf', 'good.tar', 'kaniko'], { cwd: project.root });
    await pushLayer(project, 'good.tar');
    const good = await pull(registry.host, project);
    assert.ok(good.ok, JSON.stringify(good));
    assert.deepEqual([...good.value], ['kaniko/executor']);
    assert.equal(await readFile(project.path('cache/executor'), 'utf8'), 'the executor\n');

    await project.remove('cache');
    await project.write('kaniko/executor', 'another one!\n');
    execFileSync('sh', ['-c', 'tar -cf other.tar kaniko && gzip other.tar'], { cwd: project.root });
    const other = await readFile(project.path('other.tar.gz'));
    const liar = await serve((request, response) => {
      void fetch(`http://${registry.host}${request.url ?? ''}`, {
        method: request.method ?? 'GET',
        headers: { accept: request.headers.accept ?? '' },
      }).then(async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer());
        const type = answer.headers.get('content-type') ?? '';
        response.writeHead(answer.status, { 'content-type': type });
        response.end(/\/blobs\//.test(request.url ?? '') ? other : body);
      });
    });
    const bad = await pull(liar.host, project);
    await liar.stop();
    assert.ok(!bad.ok);
    assert.equal(bad.failure.code, 'registry-protocol');
    assert.match(bad.failure.message, /digest|sha256/);
    assert.deepEqual(await readdir(project.path('cache')), []);
  });

  test('names that lead elsewhere and links write nothing outside of the cache', async () => {
    await using project = await Project.empty();
    const outside = project.path('outside');
    await mkdir(outside);
    await writeFile(project.path('outside/victim'), 'untouched\n');
    await project.write('layer/file', 'from the image\n');
    await symlink(outside, project.path('layer/kaniko'));
    await symlink(project.path('outside/victim'), project.path('layer/link'));
    const up = '../'.repeat(20);
    const members: readonly (readonly [string, string])[] = [
      ['kaniko', 'kaniko'],
      ['link', 'busybox/busybox'],
      ['file', 'busybox/busybox/../../../../outside/victim'],
      ['file', `${up}${outside.slice(1)}/escaped`],
      ['file', `${outside}/absolute`],
      ['file', `kaniko/../${up}${outside.slice(1)}/escaped`],
      // Behind the link, which is not followed.
      ['file', 'kaniko/executor'],
    ];
    for (const [from, name] of members) {
      // Names of links are changed, what they lead to is not.
      execFileSync('tar', ['-P', '-rf', '../bad.tar', `--transform=s,^${from}$,${name},S`, from], {
        cwd: project.path('layer'),
      });
    }
    const listed = execFileSync('tar', ['-P', '-tf', 'bad.tar'], { cwd: project.root, encoding: 'utf8' });
    assert.deepEqual(
      listed.trim().split('\n'),
      members.map(([, name]) => name),
    );
    await pushLayer(project, 'bad.tar');
    const pulled = await pull(registry.host, project);
    assert.ok(pulled.ok, JSON.stringify(pulled));
    assert.deepEqual([...pulled.value], ['kaniko/executor']);
    assert.equal(await readFile(project.path('cache/executor'), 'utf8'), 'from the image\n');
    assert.deepEqual(await readdir(project.path('cache')), ['executor']);
    assert.deepEqual(await readdir(outside), ['victim']);
    assert.equal(await readFile(project.path('outside/victim'), 'utf8'), 'untouched\n');
  });
});
