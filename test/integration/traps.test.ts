/** What a long-lived kaniko gets wrong on its own. Each of these fails without the precaution that it is named after. */
import assert from 'node:assert/strict';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { modesIn, readFromLayout } from '../rig/image.ts';
import { Program, run } from '../rig/program.ts';
import type { Project } from '../rig/project.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';

const uncached = 'kaniko:\n  cache:\n    enabled: false\n';

/** One runner for several builds: `next` makes a change and waits for its image, or for its failure. */
async function oneRunner(
  project: Project,
  use: (next: (act: () => Promise<void>, ok?: boolean) => Promise<void>, watch: Program) => Promise<void>,
): Promise<void> {
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  try {
    await use(async (act, ok = true) => {
      await act();
      const settled = await watch.waitFor('settled');
      assert.equal(settled.ok, ok);
    }, watch);
  } finally {
    await watch.interrupt();
  }
}

const once = async (project: Project): Promise<void> => {
  const { code, stdout } = await run(['once', '--json'], { cwd: project.root });
  assert.equal(code, 0, stdout);
};
const read = async (project: Project, path: string): Promise<string | undefined> =>
  readFromLayout(project.path(boxImage), path);
const nothing = async (): Promise<void> => {};

describe('traps', { concurrency: 2 }, () => {
  test('cache keys lack the names of files: RUN after COPY of a directory', async () => {
    await using project = await boxProject(`${shell}COPY src /src\nRUN busybox ls /src > /names\n`, {
      'src/before': 'same\n',
    });
    await once(project);
    assert.equal(await read(project, 'names'), 'before\n');
    await rename(project.path('box/src/before'), project.path('box/src/after'));
    await once(project);
    assert.equal(await read(project, 'names'), 'after\n');
    assert.ok(!(await modesIn(project.path(boxImage))).has('src/before'));
  });

  test('cache keys lack the names of files: RUN after COPY --from of a directory', async () => {
    await using project = await boxProject(
      `${shell}COPY src /src\nRUN busybox cp -r /src /out\n${shell}COPY --from=0 /out /out\nRUN busybox ls /out > /names\n`,
      { 'src/before': 'same\n' },
    );
    await once(project);
    assert.equal(await read(project, 'names'), 'before\n');
    await rename(project.path('box/src/before'), project.path('box/src/after'));
    await once(project);
    assert.equal(await read(project, 'names'), 'after\n');
  });

  test('leftovers of a failed build', async () => {
    await using project = await boxProject(`${shell}RUN echo left > /left; exit 1\n`);
    await oneRunner(project, async (next) => {
      await next(nothing, false);
      await next(async () =>
        project.write('box/Dockerfile', `${shell}RUN echo right > /right; busybox ls / > /all\n`),
      );
    });
    assert.doesNotMatch((await read(project, 'all')) ?? 'left', /left/);
    assert.equal(await read(project, 'right'), 'right\n');
  });

  test('leftovers of a killed build', async () => {
    await using project = await boxProject(`${shell}RUN echo left > /left; echo begun; busybox sleep 30\n`);
    await oneRunner(project, async (next, watch) => {
      await watch.waitFor('build-output', ({ line }) => line === 'begun');
      await next(async () => project.write('box/Dockerfile', `${shell}RUN busybox ls / > /all\n`));
      assert.ok(watch.events.some(({ type }) => type === 'build-cancelled'));
    });
    assert.doesNotMatch((await read(project, 'all')) ?? 'left', /left/);
  });

  test('commands of RUN survive the kill of the executor', async () => {
    // It would write into the root file system of the next build.
    const endless = `(while :; do echo alive > /alive; busybox sleep 0.02; done)`;
    await using project = await boxProject(`${shell}RUN echo begun; ${endless} & ${endless}\n`);
    await oneRunner(project, async (next, watch) => {
      await watch.waitFor('build-output', ({ line }) => line === 'begun');
      await next(async () =>
        project.write('box/Dockerfile', `${shell}RUN busybox sleep 0.2; busybox ls / > /all\n`),
      );
    });
    assert.doesNotMatch((await read(project, 'all')) ?? 'alive', /alive/);
  });

  test('a daemon that RUN started survives the build', async () => {
    const daemon = 'while :; do echo alive > /alive; busybox sleep 0.02; done';
    await using project = await boxProject(
      `${shell}RUN busybox setsid busybox sh -c '${daemon}' >/dev/null 2>&1 & busybox sleep 0.2\n`,
    );
    await oneRunner(project, async (next) => {
      await next(nothing);
      await next(async () =>
        project.write('box/Dockerfile', `${shell}RUN busybox sleep 0.2; busybox ls / > /all\n`),
      );
    });
    assert.doesNotMatch((await read(project, 'all')) ?? 'alive', /alive/);
  });

  test("the runner's own /bin and /etc in the first image", async () => {
    await using project = await boxProject(
      'FROM scratch\nCOPY bin/busybox /own/busybox\nRUN ["/own/busybox", "sh", "-c", "/own/busybox find / -xdev > /own/all"]\n',
    );
    await once(project);
    const all = (await read(project, 'own/all'))?.trim().split('\n') ?? [];
    const mounts = /^\/(busybox|cache|dev|images|kaniko|proc|workspace)(\/|$)/;
    // Mounted, or made by the executor itself.
    const others = ['/', '/etc', '/etc/hosts', '/etc/resolv.conf', '/tmp'];
    assert.deepEqual(all.filter((path) => !mounts.test(path) && !others.includes(path)).toSorted(), [
      '/own',
      '/own/all',
      '/own/busybox',
    ]);
    const names = [...(await modesIn(project.path(boxImage))).keys()];
    assert.deepEqual(names.toSorted(), ['own', 'own/all', 'own/busybox']);
  });

  test('an identical file is missing from the second image without a clean-up', async () => {
    await using project = await boxProject(
      // As every unpacker does: the time of the file is not that of the build.
      `${shell}COPY src /src\nRUN echo same > /same; busybox touch -d '2020-02-02 02:02:02' /same\n`,
      { 'src/a': 'same\n' },
      uncached,
    );
    const wanted = ['bin', 'bin/busybox', 'bin/sh', 'same', 'src', 'src/a'];
    const names = async (): Promise<string[]> =>
      [...(await modesIn(project.path(boxImage))).keys()].toSorted();
    await oneRunner(project, async (next) => {
      await next(nothing);
      assert.deepEqual(await names(), wanted);
      await next(async () => project.edit('box/Dockerfile', (text) => `${text}LABEL again=yes\n`));
      assert.deepEqual(await names(), wanted);
    });
  });

  test('files of another stage survive in /kaniko/<n>', async () => {
    await using project = await boxProject(
      `${shell}COPY src /out/src\nFROM scratch\nCOPY --from=0 /out /out\n`,
      { 'src/old': 'old\n', 'src/kept': 'kept\n' },
    );
    await oneRunner(project, async (next) => {
      await next(nothing);
      assert.equal(await read(project, 'out/src/old'), 'old\n');
      await next(async () => project.remove('box/src/old'));
    });
    const names = [...(await modesIn(project.path(boxImage))).keys()];
    assert.deepEqual(names.toSorted(), ['out', 'out/src', 'out/src/kept']);
  });

  test('the ignore file of one Dockerfile is used for the next, which has none', async () => {
    await using project = await boxProject('FROM scratch\nCOPY . /all\n', {
      'data/file': 'data\n',
      'Dockerfile.dockerignore': 'data\n',
    });
    await oneRunner(project, async (next) => {
      await next(nothing);
      assert.equal(await read(project, 'all/data/file'), undefined);
      await next(async () => project.remove('box/Dockerfile.dockerignore'));
      assert.equal(await read(project, 'all/data/file'), 'data\n');
    });
  });

  test('patterns of the ignore file leave out what another stage made', async () => {
    await using project = await boxProject(
      `${shell}RUN busybox mkdir /out; echo made > /out/file\nFROM scratch\nCOPY --from=0 /out /out\n`,
      { '.dockerignore': 'out\n' },
    );
    await once(project);
    assert.equal(await read(project, 'out/file'), 'made\n');
  });
});

test('the umask of the launcher ends up in the image', async () => {
  await using project = await boxProject(
    `${shell}COPY src /src\nRUN busybox mkdir /made; echo x > /made/file\nWORKDIR /work\n`,
  );
  await mkdir(project.path('box/src'), { recursive: true });
  await writeFile(project.path('box/src/secret'), 'x\n', { mode: 0o600 });
  const before = process.umask(0o077);
  const program = new Program(['once', '--json'], { cwd: project.root });
  process.umask(before);
  assert.equal((await program.finished).code, 0);
  const modes = await modesIn(project.path(boxImage));
  assert.equal(modes.get('made'), 'drwxr-xr-x');
  assert.equal(modes.get('made/file'), '-rw-r--r--');
  assert.equal(modes.get('src/secret'), '-rw-r--r--');
  assert.equal(modes.get('work'), 'drwxr-xr-x');
});
