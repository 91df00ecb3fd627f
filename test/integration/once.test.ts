import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { Event } from '../../src/event.ts';
import { blobPath, verifyLayout } from '../../src/registry/layout.ts';
import { readFromLayout } from '../rig/image.ts';
import { type Finished, run } from '../rig/program.ts';
import { boxImage, boxProject, shell, siteProject } from '../rig/site.ts';

describe('once', { concurrency: 2 }, () => {
  test('writes an image that verifies, holds the files and is labelled with their hash', async () => {
    await using project = await siteProject();
    const { code, events } = await run(['once', '--json'], { cwd: project.root });
    assert.equal(code, 0);
    const built = the('built', events);
    const image = await verifyLayout(project.path('.kaniko-dev/images/site'));
    assert.ok(image.ok, JSON.stringify(image));
    assert.equal(image.value.digest, built.digest);
    assert.equal(image.value.labels['dev.kaniko.content-hash'], built.contentHash);
    assert.equal(built.image, `localhost/site:dev-${built.contentHash.slice(0, 12)}`);
    const content = await readFromLayout(project.path('.kaniko-dev/images/site'), 'www/hello.txt');
    assert.match(content ?? '', /hello/);
  });

  test('builds nothing when the image of these files is there, and again when it is broken', async () => {
    await using project = await boxProject('FROM scratch\nCOPY file /file\n', { file: 'content\n' });
    const first = await run(['once', '--json'], { cwd: project.root });
    assert.equal(first.code, 0);
    const second = await run(['once', '--json'], { cwd: project.root });
    assert.equal(second.code, 0);
    assert.equal(the('build-unneeded', second.events).digest, the('built', first.events).digest);
    assert.ok(!second.events.some(({ type }) => type === 'build-started' || type === 'synced'));

    const image = await verifyLayout(project.path(boxImage));
    assert.ok(image.ok);
    await truncate(blobPath(project.path(boxImage), image.value.layers[0]?.digest ?? ''), 10);
    const third = await run(['once', '--json'], { cwd: project.root });
    assert.equal(third.code, 0);
    the('built', third.events);
    assert.ok((await verifyLayout(project.path(boxImage))).ok);
  });

  test('a command that fails: exit code 5 and its output; mended, the image is right', async () => {
    await using project = await boxProject(`${shell}RUN echo why it failed >&2; exit 42\n`);
    const bad = await run(['once', '--json'], { cwd: project.root });
    assert.equal(bad.code, 5);
    const { step, failure } = the('step-failed', bad.events);
    assert.equal(step, 'build');
    assert.equal(failure.code, 'build-run-failed');
    assert.match(failure.message, /42/);
    assert.match(failure.detail?.join('\n') ?? '', /why it failed/);
    assert.ok(!(await verifyLayout(project.path(boxImage))).ok, 'there is no image');

    await project.write('box/Dockerfile', `${shell}RUN echo good > /good\n`);
    assert.equal((await run(['once', '--json'], { cwd: project.root })).code, 0);
    assert.equal(await readFromLayout(project.path(boxImage), 'good'), 'good\n');
  });

  test('a failed build leaves the image of the last good one', async () => {
    await using project = await boxProject('FROM scratch\nCOPY file /file\n', { file: 'good\n' });
    await run(['once', '--json'], { cwd: project.root });
    await project.write('box/Dockerfile', 'FROM scratch\nCOPY missing /file\n');
    const { code, events } = await run(['once', '--json'], { cwd: project.root });
    assert.equal(code, 5);
    assert.equal(the('step-failed', events).failure.code, 'build-copy-missing');
    assert.equal(await readFromLayout(project.path(boxImage), 'file'), 'good\n');
  });

  const usage: readonly [
    string,
    string,
    (project: Awaited<ReturnType<typeof boxProject>>) => Promise<void>,
  ][] = [
    ['no configuration', 'config-missing', async (project) => project.remove('kaniko.config.yaml')],
    [
      'a configuration that is wrong',
      'config-invalid',
      async (project) => project.write('kaniko.config.yaml', 'targets: {}\n'),
    ],
    ['no context', 'context-missing', async (project) => project.remove('box')],
    ['no Dockerfile', 'dockerfile-missing', async (project) => project.remove('box/Dockerfile')],
  ];
  for (const [name, expected, spoil] of usage) {
    test(`exit code 2: ${name}`, async () => {
      await using project = await boxProject('FROM scratch\nCOPY . /\n');
      await spoil(project);
      const finished = await run(['once', '--json'], { cwd: project.root });
      assert.equal(finished.code, 2);
      assert.equal(failureOf(finished), expected);
    });
  }

  test('exit code 2: an unknown target, an unknown option', async () => {
    await using project = await boxProject('FROM scratch\nCOPY . /\n');
    const target = await run(['once', 'bax', '--json'], { cwd: project.root });
    assert.equal(target.code, 2);
    assert.equal(failureOf(target), 'target-unknown');
    const option = await run(['once', '--jsn'], { cwd: project.root });
    assert.equal(option.code, 2);
    assert.match(option.stderr, /unknown option '--jsn'/);
  });

  test('several targets: each is built, and the first failure in target order decides', async () => {
    await using project = await boxProject('FROM scratch\nCOPY file /file\n', { file: 'content\n' });
    await project.edit('kaniko.config.yaml', (text) =>
      text.replace('targets:\n', 'targets:\n  bad:\n    context: bad\n    image: localhost/bad\n'),
    );
    await project.write('bad/Dockerfile', 'NONSENSE\n');
    const { code, events } = await run(['once', '--json'], { cwd: project.root });
    assert.equal(code, 5);
    assert.equal(the('step-failed', events).target, 'bad');
    assert.equal(the('built', events).target, 'box');
  });
});

function the<T extends Event['type']>(type: T, events: readonly Event[]): Extract<Event, { type: T }> {
  const found = events.filter((event) => event.type === type);
  assert.equal(
    found.length,
    1,
    `${found.length} events ${type} in ${events.map((event) => event.type).join(' ')}`,
  );
  return found[0] as Extract<Event, { type: T }>;
}

function failureOf({ events }: Finished): string | undefined {
  const failed = events.find((event) => event.type === 'session-failed' || event.type === 'step-failed');
  return failed?.failure.code;
}
