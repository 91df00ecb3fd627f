import assert from 'node:assert/strict';
import { chmod, rename, utimes, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { modesIn, readFromLayout } from '../rig/image.ts';
import { Program } from '../rig/program.ts';
import type { Project } from '../rig/project.ts';
import { causesNothing } from '../rig/quiet.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';
import { withoutTraces } from '../rig/traces.ts';

const everything = 'FROM scratch\nCOPY . /\n';

async function watching(
  project: Project,
  use: (watch: Program, change: (act: () => Promise<void>) => Promise<void>) => Promise<void>,
): Promise<void> {
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  try {
    await watch.waitFor('settled', ({ ok }) => ok);
    await use(watch, async (act) => {
      await act();
      await watch.waitFor('built');
      await watch.waitFor('settled', ({ ok }) => ok);
    });
  } finally {
    const { code } = await watch.interrupt();
    assert.equal(code, 130);
  }
}

const filesOf = async (project: Project): Promise<string[]> =>
  [...(await modesIn(project.path(boxImage))).keys()].filter((path) => path.startsWith('src')).toSorted();

describe('watch', { concurrency: 2 }, () => {
  test('builds what was saved: edited, added, deleted, renamed, made executable', async () => {
    await using project = await boxProject(everything, { 'src/a': 'one\n', 'src/b': 'b\n' });
    await watching(project, async (_watch, change) => {
      await change(async () => project.write('box/src/a', 'two\n'));
      assert.equal(await readFromLayout(project.path(boxImage), 'src/a'), 'two\n');
      await change(async () => project.write('box/src/deep/new', 'new\n'));
      assert.equal(await readFromLayout(project.path(boxImage), 'src/deep/new'), 'new\n');
      await change(async () => project.remove('box/src/deep'));
      assert.deepEqual(await filesOf(project), ['src', 'src/a', 'src/b']);
      await change(async () => rename(project.path('box/src/a'), project.path('box/src/c')));
      assert.deepEqual(await filesOf(project), ['src', 'src/b', 'src/c']);
      await change(async () => chmod(project.path('box/src/c'), 0o755));
      assert.equal((await modesIn(project.path(boxImage))).get('src/c'), '-rwxr-xr-x');
    });
  });

  test('builds a directory that was replaced by a file, and back', async () => {
    await using project = await boxProject(everything, { 'src/kind/inner': 'inner\n' });
    await watching(project, async (_watch, change) => {
      await change(async () => {
        await project.remove('box/src/kind');
        await project.write('box/src/kind', 'a file\n');
      });
      assert.equal(await readFromLayout(project.path(boxImage), 'src/kind'), 'a file\n');
      await change(async () => {
        await project.remove('box/src/kind');
        await project.write('box/src/kind/inner', 'back\n');
      });
      assert.deepEqual(await filesOf(project), ['src', 'src/kind', 'src/kind/inner']);
    });
  });

  test('does nothing for a touched or rewritten file, nor for an ignored one', async () => {
    await using project = await boxProject(everything, {
      'src/a': 'one\n',
      'notes.txt': 'ignored\n',
      '.dockerignore': 'notes.txt\n',
    });
    await watching(project, async (watch, change) => {
      await causesNothing(watch, async () => utimes(project.path('box/src/a'), new Date(), new Date()));
      await causesNothing(watch, async () => project.write('box/src/a', 'one\n'));
      await causesNothing(watch, async () => project.write('box/notes.txt', 'still ignored\n'));
      // It does look.
      await change(async () => project.write('box/src/a', 'two\n'));
    });
  });

  test('builds again when the ignore file or the Dockerfile changes', async () => {
    await using project = await boxProject(everything, { 'src/a': 'a\n', 'src/b': 'b\n' });
    await watching(project, async (_watch, change) => {
      await change(async () => project.write('box/.dockerignore', 'src/b\n'));
      assert.deepEqual(await filesOf(project), ['src', 'src/a']);
      await change(async () => project.remove('box/.dockerignore'));
      assert.deepEqual(await filesOf(project), ['src', 'src/a', 'src/b']);
      await change(async () => project.write('box/Dockerfile', 'FROM scratch\nCOPY src/a /src/only\n'));
      assert.deepEqual(await filesOf(project), ['src', 'src/only']);
    });
  });

  test('goes on after a build that failed', async () => {
    await using project = await boxProject(everything, { 'src/a': 'a\n' });
    await watching(project, async (watch, change) => {
      await project.write('box/Dockerfile', 'FROM scratch\nCOPY missing /\n');
      const { ok } = await watch.waitFor('settled');
      assert.equal(ok, false);
      await causesNothing(watch, async () => utimes(project.path('box/src/a'), new Date(), new Date()));
      await change(async () => project.write('box/Dockerfile', 'FROM scratch\nCOPY src /src\n'));
    });
  });

  test('is up to date again when the content of the last image comes back after a failure', async () => {
    await using project = await boxProject(everything, { 'src/a': 'a\n' });
    await watching(project, async (watch) => {
      await project.write('box/Dockerfile', 'FROM scratch\nCOPY missing /\n');
      await watch.waitFor('settled', ({ ok }) => !ok);
      await project.write('box/Dockerfile', everything);
      await watch.waitFor('settled', ({ ok }) => ok);
      assert.ok(watch.events.filter(({ type }) => type === 'built').length === 1, 'nothing is built again');
    });
  });

  test('an edit cancels the build under way, but not the next one; the newest content wins', async () => {
    const slow = `${shell}COPY src /src\nRUN busybox sleep 2; cat /src/a > /seen\n`;
    await using project = await boxProject(slow.replace('cat', 'busybox cat'), { 'src/a': '0\n' });
    const watch = new Program(['watch', '--json'], { cwd: project.root });
    const running = async (): Promise<void> => {
      await watch.waitFor('build-progress', ({ text }) => text.startsWith('RUN'));
    };
    try {
      await running();
      await writeFile(project.path('box/src/a'), '1\n');
      assert.deepEqual((await watch.waitFor('build-cancelled')).paths, ['src/a']);
      await running();
      await writeFile(project.path('box/src/a'), '2\n');
      const second = await watch.waitFor('built');
      assert.equal(await readFromLayout(project.path(boxImage), 'seen'), '1\n');
      const third = await watch.waitFor('built');
      assert.ok(third.generation > second.generation);
      assert.equal(await readFromLayout(project.path(boxImage), 'seen'), '2\n');
      assert.equal(watch.events.filter(({ type }) => type === 'build-cancelled').length, 1);
      await causesNothing(watch, async () => {});
    } finally {
      assert.equal((await watch.interrupt()).code, 130);
    }
    await withoutTraces(project.root);
  });
});
