import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { readFromLayout } from '../rig/image.ts';
import { run } from '../rig/program.ts';
import { type Project } from '../rig/project.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';

/** What the commands print in a build, standard error included. */
async function inBuild(project: Project, ...commands: readonly string[]): Promise<string> {
  const lines = ['busybox --install -s /bin', ...commands].map((command) => `{ ${command}; }`).join('; ');
  await project.write('box/Dockerfile', `${shell}RUN { ${lines}; } >/out 2>&1; true\n`);
  const { code, stdout } = await run(['once', '--json'], { cwd: project.root });
  assert.equal(code, 0, stdout);
  return (await readFromLayout(project.path(boxImage), 'out')) ?? '';
}

describe('the sandbox keeps a build away from the host', { concurrency: 2 }, () => {
  test('neither the project nor the root of the host can be read', async () => {
    await using project = await boxProject('FROM scratch\n', {
      secret: 'the secret\n',
      '.dockerignore': 'secret\n',
    });
    const out = await inBuild(
      project,
      `cat ${project.path('box/secret')}`,
      'ls /.host',
      'ls -d /proc/1/root/.host /proc/1/cwd/.host',
      `cat /proc/1/root${project.path('box/secret')}`,
      'for i in 1 2 3 4 5 6 7 8; do cd ..; done; ls',
      'find / -xdev -name secret',
    );
    assert.doesNotMatch(out, /the secret|\/secret\n/);
    assert.match(out, /ls: \/\.host: No such file/);
    assert.doesNotMatch(out, /^(home|usr|boot|root)$/m);
    // Only what is mounted for the build names anything of the host.
    const mounts = await inBuild(project, 'cut -d" " -f5 /proc/self/mountinfo');
    assert.doesNotMatch(mounts, /^\/(home|usr|boot|root|\.host)/m);
  });

  test('what is written in a build stays there', async () => {
    await using project = await boxProject('FROM scratch\n');
    const marks = [
      '/etc/kaniko-dev-mark',
      '/usr/kaniko-dev-mark',
      '/tmp/kaniko-dev-mark',
      '/kaniko-dev-mark',
    ];
    const out = await inBuild(
      project,
      'mkdir -p /etc /usr /tmp',
      ...marks.map((mark) => `echo ${project.root} > ${mark}`),
      'echo 127.0.0.9 >> /etc/fstab',
      'hostname; ls /etc',
    );
    assert.match(out, /kaniko-dev-mark/);
    for (const mark of marks) assert.ok(!existsSync(mark), mark);
    assert.doesNotMatch(await readFile('/etc/fstab', 'utf8').catch(() => ''), /127\.0\.0\.9/);
  });

  test('processes of the host can be neither seen nor ended', async () => {
    await using project = await boxProject('FROM scratch\n');
    const out = await inBuild(project, 'ps -o pid,args', `kill -9 ${process.pid}`, 'echo done');
    assert.doesNotMatch(out, /kaniko-dev\.js|test\.ts/);
    assert.match(out, /done/);
  });

  test('settings of the machine and its devices are out of reach', async () => {
    await using project = await boxProject('FROM scratch\n');
    const out = await inBuild(
      project,
      'echo 1 > /proc/sys/vm/drop_caches',
      'echo h > /proc/sysrq-trigger',
      'mkdir -p /devices; mknod /devices/disk b 254 0; head -c 1 /devices/disk >/dev/null && echo the disk was read',
      'mknod /devices/null c 1 3; echo x > /devices/null && echo a device was opened',
      'ls /dev',
    );
    assert.match(out, /drop_caches: Read-only file system/);
    // Not every kernel has it.
    assert.match(out, /sysrq-trigger: (Read-only file system|nonexistent directory)/);
    assert.doesNotMatch(out, /the disk was read|a device was opened/);
    assert.doesNotMatch(out, /^(vda|sda|kmsg|mem)/m);
  });
});
