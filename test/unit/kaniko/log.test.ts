import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter, parseLogLine, shortenLine } from '../../../src/kaniko/log.ts';
import { logLines, recordings } from './replay.ts';

const json = (message: string): string =>
  JSON.stringify({ level: 'info', msg: message, time: '2026-01-02T03:04:05Z' });

function split(pieces: readonly Uint8Array[]): string[] {
  const splitter = new LineSplitter();
  return [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()];
}

/** The bytes cut at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
    bytes.length,
  ];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

describe('a line of the log', () => {
  test('of kaniko is told apart from output', () => {
    assert.deepEqual(parseLogLine(json('RUN echo "a" > b')), [
      { type: 'kaniko', level: 'info', message: 'RUN echo "a" > b' },
    ]);
    assert.deepEqual(parseLogLine('plain'), [{ type: 'output', text: 'plain' }]);
    assert.deepEqual(parseLogLine(''), [{ type: 'output', text: '' }]);
  });

  test('of kaniko after output without a newline is two', () => {
    assert.deepEqual(parseLogLine(`half a line${json('Taking snapshot of full filesystem...')}`), [
      { type: 'output', text: 'half a line' },
      { type: 'kaniko', level: 'info', message: 'Taking snapshot of full filesystem...' },
    ]);
  });

  test('that only looks like kaniko is output', () => {
    for (const text of [
      '{"level":"info","msg":',
      '{"level":"30","msg":7}',
      '{"level":"info"}',
      'x {"level":"',
    ])
      assert.deepEqual(parseLogLine(text), [{ type: 'output', text }]);
  });

  test('of kaniko is read whole, however long', () => {
    const message = `RUN true ${'a'.repeat(50_000)}`;
    assert.deepEqual(parseLogLine(json(message)), [{ type: 'kaniko', level: 'info', message }]);
  });

  test('is shortened for people', () => {
    assert.equal(shortenLine('x'.repeat(4_000)).length, 4_000);
    assert.equal(shortenLine('x'.repeat(100_000)), `${'x'.repeat(4_000)}…`);
  });
});

describe('the line splitter', () => {
  test('keeps an unfinished line until the end', () => {
    const splitter = new LineSplitter();
    assert.deepEqual(splitter.push(Buffer.from('a\nb')), ['a']);
    assert.deepEqual(splitter.push(Buffer.from('c\n\nd')), ['bc', '']);
    assert.deepEqual(splitter.end(), ['d']);
  });

  test('gives nothing for no bytes, and for a finished last line', () => {
    assert.deepEqual(split([]), []);
    assert.deepEqual(split([Buffer.from('a\n')]), ['a']);
  });

  test('shows what a carriage return left over', () => {
    assert.deepEqual(split([Buffer.from('10%\r50%\r100%\ndos\r\nend\r')]), ['100%', 'dos', 'end']);
    assert.deepEqual(split([Buffer.from('a\r'), Buffer.from('\nb')]), ['a', 'b']);
  });

  test('gives the same lines for any cuts, through characters too', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('\n', '\r', '\r\n', '日本', '🚀'),
    );
    fc.assert(
      fc.property(fc.array(piece), fc.array(fc.nat()), (pieces, places) => {
        const bytes = Buffer.from(pieces.join(''));
        assert.deepEqual(split(cut(bytes, places)), split([bytes]));
      }),
    );
  });

  test('loses no line without carriage returns', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\r\n\uFEFF\uD800-\uDFFF]*$/)), (lines) => {
        assert.deepEqual(split([Buffer.from(lines.map((line) => `${line}\n`).join(''))]), lines);
      }),
    );
  });

  test('tells of a character that was cut off for good', () => {
    assert.deepEqual(split([Buffer.from('日').subarray(0, 2)]), ['\uFFFD']);
  });

  test('keeps the start of a line without end, and goes on after it', () => {
    const splitter = new LineSplitter();
    const lines: string[] = [];
    for (let count = 0; count < 64; count += 1) lines.push(...splitter.push(Buffer.alloc(65_536, 'x')));
    lines.push(...splitter.push(Buffer.from('\nnext\n')));
    assert.deepEqual(
      lines.map((line) => line.length),
      [256 * 1024, 4],
    );
  });

  test('keeps the last state of a progress bar without end', () => {
    const splitter = new LineSplitter();
    for (let count = 0; count < 100; count += 1) splitter.push(Buffer.from(`${'#'.repeat(9_000)}\r`));
    assert.deepEqual(splitter.push(Buffer.from('done\n')), ['done']);
  });

  test('takes a line of nothing but carriage returns in good time', () => {
    assert.deepEqual(split([Buffer.from(`${'\r'.repeat(200_000)}x\n`)]), ['x']);
  });
});

test('recorded logs read the same in pieces of any size', () => {
  for (const { name, log } of recordings()) {
    const whole = logLines(log);
    for (const size of [1, 7, 4096]) assert.deepEqual(logLines(log, size), whole, name);
  }
});
