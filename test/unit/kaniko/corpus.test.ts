/** Every recorded log leads to what stands beside it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { logLines, outcome, progressOf, recording, recordings } from './replay.ts';

describe('recorded builds', () => {
  for (const { name, log, expected } of recordings()) {
    test(name, () => {
      assert.deepEqual(outcome(log, expected.dockerfile, expected.exitCode), expected);
    });
  }

  test('people never see the ARG that carries the names', () => {
    for (const { name, expected } of recordings())
      assert.doesNotMatch(JSON.stringify(expected), /KANIKO_DEV_NAMES/, name);
  });
});

describe('the progress of a recorded build', () => {
  const upTo = (name: string, last: string) => {
    const lines = logLines(recording(name).log);
    const end = lines.findIndex((line) => line.type === 'kaniko' && line.message.startsWith(last));
    assert.notEqual(end, -1);
    return progressOf(lines.slice(0, end + 1));
  };

  test('names the instruction under way and counts those before it', () => {
    const { instruction, commands, cacheHits } = upTo('two-stages-cold', 'COPY public');
    assert.deepEqual(
      { instruction, commands, cacheHits },
      { instruction: 'COPY public /www', commands: 4, cacheHits: 0 },
    );
  });

  test('knows the hits before the first instruction begins', () => {
    const { instruction, commands, cacheHits } = upTo(
      'two-stages-cached',
      'Using caching version of cmd: COPY public',
    );
    assert.deepEqual(
      { instruction, commands, cacheHits },
      { instruction: undefined, commands: 0, cacheHits: 4 },
    );
  });

  test('keeps the output of the instruction under way alone', () => {
    assert.deepEqual(upTo('run-multiline', 'RUN echo one').output, []);
    assert.deepEqual(progressOf(logLines(recording('run-multiline').log)).output, ['one', 'two']);
    assert.deepEqual(upTo('output-without-newline', 'No files were changed').output, ['half a line']);
    assert.deepEqual(upTo('output-without-newline', 'RUN echo next').output, []);
  });
});
