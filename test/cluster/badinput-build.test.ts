/** What the files of a target can have wrong: nothing is pushed or rolled, and the runner is clean afterwards. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Moltbook } from '../rig/moltbook.ts';
import { configured, failuresOf, refuses, runnerIdle } from '../rig/refusal.ts';

const dockerfile = 'moltbook-frontend/Dockerfile';

describe('bad input to a build', { timeout: 300_000 }, () => {
  let moltbook: Moltbook;
  let original: string;
  before(async () => {
    moltbook = await Moltbook.create();
    original = await readFile(moltbook.project.path(dockerfile), 'utf8');
    // The runner is ready, and both Deployments run something that must stay.
    const first = await moltbook.run(['once']);
    assert.equal(first.code, 0, first.stderr);
  });
  beforeEach(async () => moltbook.project.write(dockerfile, original));
  after(async () => moltbook?.[Symbol.asyncDispose]());

  const withFrontend = async (change: object): Promise<readonly string[]> =>
    configured(moltbook.project, ({ targets }) => Object.assign(targets['frontend'] ?? {}, change));

  test('a context that is not there, and one that is a file', async () => {
    for (const [context, message] of [
      ['moltbook-fronted', /not found: .*\/moltbook-fronted$/],
      ['moltbook-frontend/Dockerfile', /not a directory: /],
    ] as const) {
      const argv = await withFrontend({ context });
      await refuses(moltbook, ['once', 'frontend', ...argv], {
        code: 'context-missing',
        message,
        remedy: /context/,
      });
    }
  });

  test('a Dockerfile that is not there: names the one beside it', async () => {
    const argv = await withFrontend({ dockerfile: 'dockerfile.prod' });
    await refuses(moltbook, ['once', 'frontend', ...argv], {
      code: 'dockerfile-missing',
      message: /\/dockerfile\.prod$/,
      remedy: /beside it: Dockerfile/,
    });
  });

  test('a pattern of the ignore file that is malformed: names its line', async () => {
    await moltbook.project.write('moltbook-frontend/.dockerignore', '*.log\n[a-\n');
    await refuses(moltbook, ['once', 'frontend'], {
      code: 'ignore-file-invalid',
      message: /\.dockerignore.*2/,
    });
    await moltbook.project.remove('moltbook-frontend/.dockerignore');
  });

  test('a base image that does not exist', async () => {
    await moltbook.project.write(dockerfile, original.replace('busybox:1.36', 'busybox:no-such-tag'));
    await refuses(moltbook, ['once', 'frontend'], {
      code: 'build-base-missing',
      message: /busybox:no-such-tag/,
      remedy: /FROM/,
    });
    await runnerIdle(moltbook);
  });

  test('COPY of a file that is not there', async () => {
    await moltbook.project.write(dockerfile, original.replace('COPY public', 'COPY puplic/style.css'));
    await refuses(moltbook, ['once', 'frontend'], {
      code: 'build-copy-missing',
      message: /COPY names puplic\/style\.css/,
      remedy: /\.dockerignore/,
    });
    await runnerIdle(moltbook);
  });

  test('an unknown instruction after a COPY: its line in the file as it was written', async () => {
    await moltbook.project.write(dockerfile, `${original}COPY public /twice\nRNU echo typo\n`);
    const line = original.split('\n').length + 1;
    await refuses(moltbook, ['once', 'frontend'], {
      code: 'build-dockerfile-invalid',
      message: new RegExp(`(?=.*RNU)(?=.*line ${line}\\b)`),
    });
    await runnerIdle(moltbook);
  });

  test('a Dockerfile that is empty', async () => {
    await moltbook.project.write(dockerfile, '# nothing yet\n');
    await refuses(moltbook, ['once', 'frontend'], {
      code: 'build-dockerfile-invalid',
      message: /Dockerfile/,
    });
    await runnerIdle(moltbook);
  });

  test('a stage that does not exist', async () => {
    const argv = await withFrontend({ stage: 'no-such-stage' });
    await refuses(moltbook, ['once', 'frontend', ...argv], {
      code: 'build-dockerfile-invalid',
      message: /no-such-stage/,
    });
    await runnerIdle(moltbook);
  });

  test('a flag that the executor does not know', async () => {
    const argv = await configured(moltbook.project, (config) => {
      config.kaniko = { flags: ['--no-such-flag'] };
    });
    await refuses(moltbook, ['once', 'frontend', ...argv], {
      code: 'config-invalid',
      message: /--no-such-flag/,
    });
    await runnerIdle(moltbook);
  });

  test('a Deployment that does not exist, and one that does not use the image', async () => {
    const missing = await withFrontend({ deploy: { kind: 'Deployment', name: 'no-such-app' } });
    await refuses(moltbook, ['once', 'frontend', ...missing], {
      code: 'workload-missing',
      message: /deployment "no-such-app" in namespace "moltbook-/,
      remedy: /deploy/,
    });
    const other = await withFrontend({ deploy: { kind: 'Deployment', name: 'moltbook-api' } });
    await refuses(moltbook, ['once', 'frontend', ...other], {
      code: 'roll-image-unused',
      message: /"moltbook-api" uses .*\/moltbook-frontend; its images are .*\/moltbook-api/,
    });
  });

  test('two targets fail: the first in target order decides, whichever ends first', async () => {
    const api = await readFile(moltbook.project.path('api/Dockerfile'), 'utf8');
    await moltbook.project.write('api/Dockerfile', `${api}RUN sleep 1; exit 3\n`);
    const argv = await withFrontend({ deploy: { kind: 'Deployment', name: 'no-such-app' } });
    const finished = await moltbook.run(['once', ...argv]);
    assert.deepEqual(
      failuresOf(finished).map(({ code }) => code),
      ['workload-missing', 'build-run-failed'],
    );
    assert.equal(finished.code, 5);
    await moltbook.project.write('api/Dockerfile', api);
  });

  test('one target fails: the other is built and rolled, and the exit code tells the failure', async () => {
    await moltbook.project.write(dockerfile, original.replace('COPY public', 'RUN exit 9\nCOPY public'));
    await moltbook.project.write('api/src/new.js', 'module.exports = 1;\n');
    const before = await moltbook.images('moltbook-frontend');
    const finished = await moltbook.run(['once']);
    assert.equal(finished.code, 5);
    assert.deepEqual(
      failuresOf(finished).map(({ code }) => code),
      ['build-run-failed'],
    );
    const settled = finished.events.flatMap((event) => (event.type === 'settled' ? [event] : []));
    assert.deepEqual(Object.fromEntries(settled.map(({ target, ok }) => [target, ok])), {
      api: true,
      frontend: false,
    });
    assert.equal(await moltbook.images('moltbook-frontend'), before);
    await runnerIdle(moltbook);
  });
});
