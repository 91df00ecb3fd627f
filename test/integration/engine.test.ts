/** The local runner in a container engine: only where podman is installed and can run a container. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { readFromLayout } from '../rig/image.ts';
import { kanikoImage, writeKanikoImage } from '../rig/kanikoimage.ts';
import { Program, run } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';
import { withoutTraces } from '../rig/traces.ts';

const execute = promisify(execFile);

describe('the engine podman', () => {
  let home: Project;
  /** Why it cannot be tried. */
  let reason: string | undefined;
  let env: Record<string, string>;
  const podman = async (...argv: string[]): Promise<string> =>
    (await execute('podman', argv, { env: { ...process.env, ...env }, timeout: 60_000 })).stdout.trim();

  before(async () => {
    home = await Project.empty();
    // Images and containers of its own, and no limits that a container without CAP_SYS_RESOURCE may not set.
    await home.write(
      'bin/podman',
      `#!/bin/sh\nPATH=\${PATH#*:}\nexec podman --root ${home.path('root')} --runroot ${home.path('run')} --storage-driver=vfs "$@"\n`,
    );
    await chmod(home.path('bin/podman'), 0o755);
    await home.write(
      'containers.conf',
      `[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\nnetns = "host"\n${await runtime()}`,
    );
    env = {
      PATH: `${home.path('bin')}:${process.env['PATH'] ?? ''}`,
      CONTAINERS_CONF: home.path('containers.conf'),
    };
    try {
      await execute('podman', ['--version']);
      await mkdir(home.path('image'));
      await writeKanikoImage(home.path('image'), home.path('image.tar'));
      await podman('load', '--quiet', `--input=${home.path('image.tar')}`);
      await podman('run', '--rm', kanikoImage, 'version');
    } catch (error) {
      reason = `podman cannot run a container here: ${error instanceof Error ? error.message : String(error)}`;
    }
  });
  after(async () => {
    if (reason === undefined) await podman('rm', '--all', '--force');
    await home?.[Symbol.asyncDispose]();
  });

  const setUp = async (dockerfile: string): Promise<Project> =>
    boxProject(dockerfile, { file: 'content\n' }, `kaniko:\n  image: ${kanikoImage}\n`).then(
      async (project) => {
        await project.edit('kaniko.config.yaml', (text) =>
          text.replace('type: local\n', 'type: local\n  engine: podman\n'),
        );
        return project;
      },
    );

  test('builds, and builds again from the cache after an edit', async (context) => {
    if (reason !== undefined) return context.skip(reason);
    await using project = await setUp(`${shell}RUN echo made > /made\nCOPY file /file\n`);
    const watch = new Program(['watch', '--json'], { cwd: project.root, env });
    try {
      const { runner, executor } = await watch.waitFor('runner-connected');
      assert.deepEqual([runner, executor], ['podman', 'v1.24.0']);
      await watch.waitFor('settled', ({ ok }) => ok);
      assert.equal(await readFromLayout(project.path(boxImage), 'made'), 'made\n');
      await project.write('box/file', 'edited\n');
      assert.equal((await watch.waitFor('built')).cacheHits, 1);
      assert.equal(await readFromLayout(project.path(boxImage), 'file'), 'edited\n');
    } finally {
      assert.equal((await watch.interrupt()).code, 130);
    }
    assert.equal(await podman('ps', '--all', '--quiet'), '', 'a container is left');
    assert.equal(await podman('volume', 'ls', '--quiet'), '', 'a volume is left');
    await withoutTraces(project.root);
  });

  test('a daemon that is killed leaves no container, and the next one works', async (context) => {
    if (reason !== undefined) return context.skip(reason);
    await using project = await setUp(`${shell}RUN echo begun; busybox sleep 60\n`);
    const watch = new Program(['watch', '--json'], { cwd: project.root, env });
    await watch.waitFor('build-output', ({ line }) => line === 'begun');
    watch.signal('SIGKILL');
    await watch.finished;
    await withoutTraces(project.root);
    assert.equal(await podman('ps', '--all', '--quiet'), '', 'a container is left');
    await project.write('box/Dockerfile', `${shell}COPY file /file\n`);
    const next = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(next.code, 0, next.stdout);
  });

  test('an image that is not there: what the engine said', async (context) => {
    if (reason !== undefined) return context.skip(reason);
    await using project = await setUp('FROM scratch\n');
    await project.edit('kaniko.config.yaml', (text) =>
      text.replace(kanikoImage, '127.0.0.1:1/missing:debug'),
    );
    const { code, events } = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(code, 3);
    const failed = events.find((event) => event.type === 'session-failed');
    assert.equal(failed?.failure.code, 'local-unsupported');
    assert.match(failed.failure.message, /podman could not run 127\.0\.0\.1:1\/missing:debug/);
    assert.match(failed.failure.detail?.join('\n') ?? '', /127\.0\.0\.1:1/);
  });
});

/** runc works with every kind of cgroups, which podman's first choice does not. */
async function runtime(): Promise<string> {
  const found = await execute('runc', ['--version']).then(
    () => true,
    () => false,
  );
  return found ? '[engine]\nruntime = "runc"\n' : '';
}

test('an engine that is not installed is named', async () => {
  await using project = await boxProject('FROM scratch\n');
  await project.edit('kaniko.config.yaml', (text) =>
    text.replace('type: local\n', 'type: local\n  engine: podman\n'),
  );
  const { code, events } = await run(['once', '--json'], { cwd: project.root, env: { PATH: project.root } });
  assert.equal(code, 3);
  const failed = events.find((event) => event.type === 'session-failed');
  assert.equal(failed?.failure.code, 'local-unsupported');
  assert.match(failed.failure.message, /no podman on the path/);
});
