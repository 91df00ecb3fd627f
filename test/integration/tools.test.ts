/** Where the executor and its company come from. */
import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Event } from '../../src/event.ts';
import { pushArchive } from '../cluster/registry.ts';
import { writeKanikoImage } from '../rig/kanikoimage.ts';
import { type Finished, run } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { boxProject } from '../rig/site.ts';
import { localTools } from '../rig/tools.ts';
import { type Running, dockerRegistry } from '../unit/registry/rig.ts';

const image = 'kaniko/executor:debug';

interface SetUp extends AsyncDisposable {
  readonly project: Project;
  readonly env: Record<string, string>;
}

/** The tools that were found: `executor from configured`. */
function found({ events }: Finished): string[] {
  return events.flatMap((event) =>
    event.type === 'tool-found' ? [`${event.tool} from ${event.source}`] : [],
  );
}

function failureOf({ events }: Finished): Extract<Event, { type: 'session-failed' }>['failure'] {
  const failed = events.find((event) => event.type === 'session-failed');
  assert.ok(failed !== undefined, 'it should have failed');
  return failed.failure;
}

describe('the tools of the sandbox', { concurrency: 2 }, () => {
  let home: Project;
  let registry: Running;
  before(async () => {
    home = await Project.empty();
    registry = await dockerRegistry();
    await mkdir(home.path('image'));
    await writeKanikoImage(home.path('image'), home.path('image.tar'));
    await pushArchive(home.path('image.tar'), registry.host, 'kaniko/executor', 'debug');
  });
  after(async () => {
    await registry?.stop();
    await home?.[Symbol.asyncDispose]();
  });

  /** A project whose kaniko image is this one, an empty cache, and a `go` of ours first on the path. */
  async function setUp(kaniko: string, go: string, runner = ''): Promise<SetUp> {
    const project = await boxProject(
      'FROM scratch\nCOPY file /file\n',
      { file: 'content\n' },
      `kaniko:\n  image: ${kaniko}\n`,
    );
    await project.edit('kaniko.config.yaml', (text) =>
      text.replace('type: local\n', `type: local\n${runner}`),
    );
    await project.write('path/go', `#!/bin/sh\n${go}\n`);
    await chmod(project.path('path/go'), 0o755);
    const env = {
      XDG_CACHE_HOME: project.path('caches'),
      PATH: `${project.path('path')}:${process.env['PATH'] ?? ''}`,
    };
    return { project, env, [Symbol.asyncDispose]: async () => project[Symbol.asyncDispose]() };
  }
  const noGo = 'exit 1';
  const nowhere = '127.0.0.1:1/kaniko/executor:debug';

  test('the configuration names them', async () => {
    const tools = await localTools();
    await using set = await setUp(
      nowhere,
      noGo,
      `  executor: ${tools.executor}\n  busybox: ${tools.busybox}\n  certificates: ${tools.certificates}\n`,
    );
    const { project, env } = set;
    const finished = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(finished.code, 0, finished.stdout);
    assert.deepEqual(
      found(finished),
      ['executor', 'busybox', 'certificates'].map((tool) => `${tool} from configured`),
    );
    assert.ok(!(await readdir(project.root)).includes('caches'), 'no cache is made for nothing');
  });

  test('the configuration names what is not there, not executable, or a directory', async () => {
    await using set = await setUp(nowhere, noGo, '  executor: ./missing\n');
    const { project, env } = set;
    await project.write('plain', 'no program\n');
    for (const name of ['missing', 'plain', 'box']) {
      await project.edit('kaniko.config.yaml', (text) => text.replace(/executor: .*/, `executor: ./${name}`));
      const finished = await run(['once', '--json'], { cwd: project.root, env });
      assert.equal(finished.code, 3);
      const { code, message, remedy } = failureOf(finished);
      assert.equal(code, 'executor-missing');
      assert.ok(message.includes(project.path(name)), message);
      assert.match(remedy, /runner\.executor/);
    }
  });

  test('pulled from the kaniko image, then cached', async () => {
    await using set = await setUp(`${registry.host}/${image}`, noGo);
    const { project, env } = set;
    const cache = project.path(
      `caches/kaniko-dev/tools/${`${registry.host}/${image}`.replaceAll(/[/:]/g, '_')}`,
    );
    // What one left who was killed while pulling goes; what somebody works in stays.
    for (const name of ['.pull-old', '.pull-new']) await mkdir(join(cache, name), { recursive: true });
    await utimes(join(cache, '.pull-old'), 0, 0);
    const first = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(first.code, 0, first.stdout);
    assert.deepEqual(
      found(first),
      ['executor', 'busybox', 'certificates'].map((tool) => `${tool} from image`),
    );
    const pulls = first.events.filter(
      (event) => event.type === 'runner-waiting' && /pulling/.test(event.reason),
    );
    assert.equal(pulls.length, 1, 'the one layer is pulled once for all of them');
    const second = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(second.code, 0, second.stdout);
    assert.deepEqual(
      found(second),
      ['executor', 'busybox', 'certificates'].map((tool) => `${tool} from cache`),
    );
    assert.deepEqual((await readdir(cache)).toSorted(), [
      '.pull-new',
      'busybox',
      'ca-certificates.crt',
      'executor',
    ]);
  });

  test('built with Go when the image cannot be had; the rest is taken from this machine', async () => {
    const { executor } = await localTools();
    const go = `case $1 in
version) echo go1.24 ;;
build) [ -f go.mod ] || exit 9
  while [ "$1" != -o ]; do shift; done
  cp ${executor} "$2" ;;
esac`;
    await using set = await setUp(nowhere, go);
    const { project, env } = set;
    const finished = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(finished.code, 0, finished.stdout);
    assert.deepEqual(found(finished), ['executor from go', 'busybox from host', 'certificates from host']);
    const waiting = finished.events
      .filter((event) => event.type === 'runner-waiting')
      .map(({ reason }) => reason);
    assert.match(waiting.join('\n'), /building the executor v1\.24\.0 from its Go module/);
  });

  test('found nowhere: every place that was looked at is told, and why', async () => {
    await using set = await setUp(nowhere, '[ "$1" = version ] || { echo the compiler is ill >&2; exit 2; }');
    const { project, env } = set;
    const finished = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(finished.code, 3);
    const { code, detail = [], remedy } = failureOf(finished);
    assert.equal(code, 'executor-missing');
    assert.equal(detail.length, 4);
    assert.match(detail[0] ?? '', /runner\.executor: not configured/);
    assert.match(detail[1] ?? '', /cache: nothing at .*caches\/kaniko-dev\/tools/);
    assert.match(detail[2] ?? '', /image: .*127\.0\.0\.1:1/);
    assert.match(detail[3] ?? '', /go: go build failed: the compiler is ill/);
    assert.match(remedy, /Go 1\.24/);
    // Nothing half made is taken for a tool the next time.
    assert.deepEqual(await filesBelow(project.path('caches')), []);
  });

  test('a cache that cannot be made is told, and is no bug', async () => {
    await using set = await setUp(`${registry.host}/${image}`, noGo);
    const { project, env } = set;
    await writeFile(project.path('caches'), 'in the way\n');
    const finished = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(finished.code, 3);
    assert.match(failureOf(finished).detail?.join('\n') ?? '', /cache: .*(ENOTDIR|EEXIST)/);
    // The executor elsewhere: what this machine has needs no cache.
    await copyFile((await localTools()).executor, project.path('executor'));
    await project.edit('kaniko.config.yaml', (text) =>
      text.replace('type: local\n', 'type: local\n  executor: ./executor\n'),
    );
    const other = await run(['once', '--json'], { cwd: project.root, env });
    assert.equal(other.code, 0, other.stdout);
    assert.deepEqual(found(other), [
      'executor from configured',
      'busybox from host',
      'certificates from host',
    ]);
  });
});

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}
