/** Ways in which an edit, or a file, was once lost. */
import assert from 'node:assert/strict';
import { rename, symlink } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { readFromLayout } from '../rig/image.ts';
import { Program, run } from '../rig/program.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';

const everything = `${shell}COPY src /src\n`;

describe('nothing is lost', { concurrency: true, timeout: 120_000 }, () => {
  test('edits in a directory that took the place of a file are noticed', async () => {
    await using project = await boxProject(everything, { 'src/mod': 'a file\n', 'src/other': 'o\n' });
    const watch = new Program(['watch', '--json'], { cwd: project.root });
    try {
      await watch.waitFor('settled', ({ ok }) => ok);
      await project.write('aside/a', 'one\n');
      for (const round of [1, 2, 3]) {
        await rename(project.path('box/src/mod'), project.path(`was-${round}`));
        await rename(project.path('aside'), project.path('box/src/mod'));
        await watch.waitFor('built');
        await watch.waitFor('settled', ({ ok }) => ok);
        await project.write('box/src/mod/a', `edit ${round}\n`);
        await watch.waitFor('built', () => true, 20_000);
        await watch.waitFor('settled', ({ ok }) => ok);
        assert.equal(await readFromLayout(project.path(boxImage), 'src/mod/a'), `edit ${round}\n`);
        // And back to a file.
        await rename(project.path('box/src/mod'), project.path('aside'));
        await rename(project.path(`was-${round}`), project.path('box/src/mod'));
        await watch.waitFor('synced');
        await watch.waitFor('settled');
      }
    } finally {
      await watch.interrupt();
    }
  });

  test('a file with the name of a passing one, that stays, is built', async () => {
    await using project = await boxProject(everything, { 'src/a': 'a\n' });
    const watch = new Program(['watch', '--json'], { cwd: project.root });
    try {
      await watch.waitFor('settled', ({ ok }) => ok);
      await project.write('box/src/kept~', 'kept\n');
      await watch.waitFor('built', () => true, 20_000);
      assert.equal(await readFromLayout(project.path(boxImage), 'src/kept~'), 'kept\n');
    } finally {
      await watch.interrupt();
    }
  });

  test('links that kaniko loses files over are refused: in the context, and made by RUN', async () => {
    await using project = await boxProject(everything, { 'src/zz': 'behind it\n' });
    await symlink('self', project.path('box/src/self'));
    const context = await run(['once', '--json'], { cwd: project.root });
    assert.equal(context.code, 5);
    const failed = context.events.find((event) => event.type === 'step-failed');
    assert.match(failed?.failure.message ?? '', /^src\/self is a symbolic link that leads in a circle/);

    await project.remove('box/src/self');
    await project.write(
      'box/Dockerfile',
      `${everything}RUN busybox mkdir /q && busybox ln -s s /q/s && echo hi > /r\n`,
    );
    const made = await run(['once', '--json'], { cwd: project.root });
    assert.equal(made.code, 5, made.stdout);
    const lost = made.events.find((event) => event.type === 'step-failed');
    assert.match(lost?.failure.message ?? '', /\/q\/s is a symbolic link that cannot be resolved/);
    assert.ok(!made.events.some(({ type }) => type === 'built'));
  });
});
