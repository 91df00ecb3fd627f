import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { readFromLayout } from '../rig/image.ts';
import { Program, run } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';
import { localTools } from '../rig/tools.ts';
import { withoutTraces } from '../rig/traces.ts';

const slow = `${shell}RUN echo begun; busybox sleep 30\n`;

/** A project, and a home whose every file is known. */
interface SetUp extends AsyncDisposable {
  readonly project: Project;
  readonly home: Project;
  readonly env: Record<string, string>;
}

async function setUp(dockerfile: string): Promise<SetUp> {
  const tools = await localTools();
  const project = await boxProject(dockerfile, { file: 'content\n' });
  await project.edit('kaniko.config.yaml', (text) =>
    text.replace(
      'type: local\n',
      `type: local\n  executor: ${tools.executor}\n  busybox: ${tools.busybox}\n  certificates: ${tools.certificates}\n`,
    ),
  );
  const home = await Project.empty();
  await mkdir(home.path('tmp'));
  return {
    project,
    home,
    env: { HOME: home.root, TMPDIR: home.path('tmp'), XDG_CACHE_HOME: home.path('.cache') },
    [Symbol.asyncDispose]: async () => {
      await project[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function nothingLeft(project: Project, home: Project): Promise<void> {
  await withoutTraces(project.root);
  const outside = (await readdir(home.root, { recursive: true })).filter((name) => name !== 'tmp');
  assert.deepEqual(outside, [], 'files outside the project');
  assert.deepEqual((await readdir(project.root)).toSorted(), ['.kaniko-dev', 'box', 'kaniko.config.yaml']);
}

/** What was under way does not spoil what comes. */
async function buildsNext(project: Project, env: Record<string, string>): Promise<void> {
  await project.write('box/Dockerfile', `${shell}COPY file /file\nRUN echo good > /good\n`);
  const next = await run(['once', '--json'], { cwd: project.root, env });
  assert.equal(next.code, 0, next.stdout);
  assert.equal(await readFromLayout(project.path(boxImage), 'good'), 'good\n');
  assert.equal(await readFromLayout(project.path(boxImage), 'file'), 'content\n');
}

const moments: readonly {
  readonly name: string;
  readonly dockerfile: string;
  readonly prepare?: (project: Project) => Promise<void>;
  readonly reach: (watch: Program) => Promise<unknown>;
}[] = [
  {
    name: 'idle',
    dockerfile: 'FROM scratch\nCOPY file /file\n',
    reach: async (watch) => watch.waitFor('settled', ({ ok }) => ok),
  },
  {
    name: 'in the middle of a sync',
    dockerfile: 'FROM scratch\nCOPY file /file\n',
    prepare: async (project) => writeFile(project.path('box/large'), Buffer.alloc(200_000_000, 'large')),
    reach: async (watch) => watch.waitFor('sync-started'),
  },
  {
    name: 'in the middle of a build',
    dockerfile: slow,
    reach: async (watch) => watch.waitFor('build-output', ({ line }) => line === 'begun'),
  },
];

describe('the end', { concurrency: 2 }, () => {
  for (const { name, dockerfile, prepare, reach } of moments) {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const) {
      test(`${signal} ${name} leaves nothing, and the next run works`, async () => {
        await using set = await setUp(dockerfile);
        const { project, home, env } = set;
        await prepare?.(project);
        const watch = new Program(['watch', '--json'], { cwd: project.root, env });
        await reach(watch);
        watch.signal(signal);
        const { code, events, stderr } = await watch.finished;
        if (signal !== 'SIGKILL') {
          assert.equal(code, 130);
          assert.equal(stderr, '');
          assert.deepEqual(events.at(-1)?.type, 'session-ended');
          // An interruption is no failure.
          assert.ok(!events.some(({ type }) => type === 'step-failed'));
        }
        await nothingLeft(project, home);
        await buildsNext(project, env);
        await nothingLeft(project, home);
      });
    }
  }

  test('a second daemon in a project is refused with the name of the first, which goes on', async () => {
    await using project = await boxProject('FROM scratch\nCOPY file /file\n', { file: 'content\n' });
    const first = new Program(['watch', '--json'], { cwd: project.root });
    try {
      await first.waitFor('settled', ({ ok }) => ok);
      const second = await run(['once', '--json'], { cwd: project.root });
      assert.equal(second.code, 3);
      const failed = second.events.find((event) => event.type === 'session-failed');
      assert.equal(failed?.failure.code, 'runner-held');
      assert.match(failed.failure.message, new RegExp(`@\\S+ \\(process ${first.pid}\\)`));
      await project.write('box/file', 'edited\n');
      await first.waitFor('settled', ({ ok }) => ok);
    } finally {
      await first.interrupt();
    }
    assert.equal((await run(['once', '--json'], { cwd: project.root })).code, 0);
  });
});
