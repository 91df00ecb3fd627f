import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, readlink, stat, symlink } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { run } from '../rig/program.ts';
import { boxProject } from '../rig/site.ts';

const execute = promisify(execFile);
const dockerfile = 'FROM scratch\nCOPY file /file\n';

describe('once --tar', { concurrency: 2 }, () => {
  test('writes an archive for `docker load`, also into a directory that is not there', async () => {
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    const file = project.path('new/deep/box.tar');
    const { code } = await run(['once', '--json', '--tar', 'new/deep/box.tar'], { cwd: project.root });
    assert.equal(code, 0);
    const member = async (name: string): Promise<Buffer> =>
      (await execute('tar', ['-xOf', file, name], { encoding: 'buffer' })).stdout;
    const [manifest] = JSON.parse((await member('manifest.json')).toString()) as {
      Config: string;
      RepoTags: string[];
      Layers: string[];
    }[];
    assert.ok(manifest !== undefined);
    assert.match(manifest.RepoTags.join(), /^(localhost\/)?box:dev-[0-9a-f]{12}$/);
    const config = await member(manifest.Config);
    assert.equal(sha256(config), manifest.Config.replace(/^sha256:/, '').replace(/\.json$/, ''));
    const { rootfs } = JSON.parse(config.toString()) as { rootfs: { diff_ids: string[] } };
    const layers = await Promise.all(manifest.Layers.map(member));
    assert.deepEqual(
      layers.map((layer) => `sha256:${sha256(gunzipSync(layer))}`),
      rootfs.diff_ids,
    );
    assert.deepEqual(await readdir(project.path('new/deep')), ['box.tar']);
    assert.deepEqual(await readdir(project.path('.kaniko-dev/images')), ['box']);
  });

  test('is written again though the image is there, in the place of an older one', async () => {
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await run(['once', '--json'], { cwd: project.root });
    await project.write('box.tar', 'older\n');
    assert.equal((await run(['once', '--json', '--tar', 'box.tar'], { cwd: project.root })).code, 0);
    assert.ok((await stat(project.path('box.tar'))).size > 1_000);
  });

  test('puts no archive in the place of a link, a pipe or a device', async () => {
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await symlink('elsewhere', project.path('link'));
    const { code } = await run(['once', '--json', '--tar', 'link'], { cwd: project.root });
    assert.equal(code, 2);
    assert.equal(await readlink(project.path('link')), 'elsewhere');
  });

  test('names the path that cannot be written, and leaves what is there', async () => {
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await project.write('plain', 'a file\n');
    await mkdir(project.path('directory'));
    for (const place of ['plain/box.tar', 'directory']) {
      const { code, events } = await run(['once', '--json', '--tar', place], { cwd: project.root });
      assert.equal(code, 6);
      const failed = events.find((event) => event.type === 'step-failed');
      assert.equal(failed?.failure.code, 'layout-invalid');
      assert.ok(failed.failure.message.includes(project.path(place)), failed.failure.message);
      assert.match(failed.failure.remedy, /--tar/);
    }
    assert.equal(await readFile(project.path('plain'), 'utf8'), 'a file\n');
    assert.deepEqual((await readdir(project.root)).toSorted(), [
      '.kaniko-dev',
      'box',
      'directory',
      'kaniko.config.yaml',
      'plain',
    ]);
    assert.deepEqual(await readdir(project.path('.kaniko-dev/images')), ['box']);
  });

  test('is refused without a local runner, and for several targets', async () => {
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await project.edit(
      'kaniko.config.yaml',
      (text) => `${text}  other:\n    context: box\n    image: localhost/other\n`,
    );
    const several = await run(['once', '--json', '--tar', 'x.tar'], { cwd: project.root });
    assert.equal(several.code, 2);
    assert.match(several.stdout, /--tar writes the image of one target/);
    await project.edit('kaniko.config.yaml', (text) => text.replace('type: local', 'type: kubernetes'));
    const remote = await run(['once', 'box', '--json', '--tar', 'x.tar'], { cwd: project.root });
    assert.equal(remote.code, 2);
    assert.match(remote.stdout, /--tar needs a local runner/);
    const local = await run(['once', 'box', '--json', '--local', '--tar', 'x.tar'], { cwd: project.root });
    assert.equal(local.code, 0);
  });
});

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
