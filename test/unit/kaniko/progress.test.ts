import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LogLine } from '../../../src/kaniko/log.ts';
import { ProgressTeller, progressText } from '../../../src/kaniko/progress.ts';
import { progressOf } from './replay.ts';

const kaniko = (message: string, level = 'info'): LogLine => ({ type: 'kaniko', level, message });
const output = (text: string): LogLine => ({ type: 'output', text });

describe('the fold', () => {
  test('keeps the last lines of a command that prints much', () => {
    const lines = Array.from({ length: 1_000 }, (_, index) => output(`line ${index}`));
    const { output: kept } = progressOf([kaniko('RUN loud'), ...lines]);
    assert.equal(kept.length, 40);
    assert.equal(kept.at(-1), 'line 999');
  });

  test('forgets the errors that an earlier command printed', () => {
    const progress = progressOf([
      kaniko('RUN npm audit || true'),
      output('error TOOMANYREQUESTS'),
      kaniko('COPY . /app'),
      output('error building image: disk on fire'),
    ]);
    assert.deepEqual(progress.errors, ['error building image: disk on fire']);
  });

  test('finds the last words of kaniko behind an unfinished line', () => {
    const progress = progressOf([kaniko('RUN x'), output('downloading 7%error building image: no')]);
    assert.deepEqual(progress.output, ['downloading 7%']);
    assert.deepEqual(progress.errors, ['error building image: no']);
  });

  test('keeps warnings about the cache, and errors of kaniko', () => {
    const refused = 'Error uploading layer to cache: failed to push to destination r/cache:k: DENIED';
    const progress = progressOf([kaniko('RUN x'), kaniko(refused, 'warning'), kaniko('bad', 'error')]);
    assert.deepEqual(progress.warnings, [refused]);
    assert.deepEqual(progress.errors, ['bad']);
  });

  test('takes instructions in either case, and no message of kaniko for one', () => {
    const messages = [
      'RUN a',
      'run b',
      'Cmd: /bin/sh',
      'Args: [-c a]',
      'Running: [/bin/sh -c a]',
      'ADDED',
      'COPY',
    ];
    assert.equal(progressOf(messages.map((message) => kaniko(message))).commands, 2);
  });
});

describe('the progress for people', () => {
  const texts: readonly [string, string | undefined][] = [
    ['RUN npm ci', 'RUN npm ci'],
    ['Using caching version of cmd: RUN npm ci', 'cached  RUN npm ci'],
    ['No cached layer found for cmd RUN npm ci', 'not cached  RUN npm ci'],
    ['Unpacking rootfs as cmd COPY . /app requires it.', 'unpacking the base image'],
    ['Retrieving image node:20-alpine from registry index.docker.io', 'fetching node:20-alpine'],
    ['Taking snapshot of full filesystem...', 'taking a snapshot'],
    ['Pushing layer ghcr.io/a/b/cache:1234 to cache now', 'pushing a layer to the cache'],
    ['Pushing image to ghcr.io/a/b:dev-1', 'pushing ghcr.io/a/b:dev-1'],
    ['Pushing image to ghcr.io/a/b/cache:1234', undefined],
    ['Error uploading layer to cache: DENIED', 'the layer cache refused a layer: DENIED'],
    ['No base image, nothing to extract', undefined],
    ['ARG KANIKO_DEV_NAMES=0123456789abcdef', undefined],
  ];
  for (const [message, text] of texts) {
    test(message, () => assert.equal(progressText(kaniko(message)), text));
  }

  test('is never the output of a command', () => {
    assert.equal(progressText(output('RUN npm ci')), undefined);
  });

  test('is shortened', () => {
    assert.equal(progressText(kaniko(`RUN ${'a'.repeat(9_000)}`))?.length, 301);
  });
});

test('a cached instruction is told once, one that runs after it as it runs', () => {
  const teller = new ProgressTeller();
  const told = ['Using caching version of cmd: RUN a', 'RUN a', 'RUN b', 'RUN a'].map((message) =>
    teller.tell(kaniko(message)),
  );
  assert.deepEqual(told, ['cached  RUN a', undefined, 'RUN b', 'RUN a']);
});
