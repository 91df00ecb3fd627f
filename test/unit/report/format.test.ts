import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatCount, formatDuration } from '../../../src/report/format.ts';

const durations: readonly [number, string][] = [
  [0, '0 ms'],
  [8.6, '9 ms'],
  [999.4, '999 ms'],
  [999.6, '1.0 s'],
  [1_000, '1.0 s'],
  [2_349, '2.3 s'],
  [59_949, '59.9 s'],
  [59_960, '1 min 0 s'],
  [60_000, '1 min 0 s'],
  [185_400, '3 min 5 s'],
  [119_700, '2 min 0 s'],
  [3_600_000, '60 min 0 s'],
];
for (const [ms, text] of durations)
  test(`${ms} ms are ${text}`, () => assert.equal(formatDuration(ms), text));

const sizes: readonly [number, string][] = [
  [0, '0 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [2_149, '2.1 kB'],
  [999_949, '999.9 kB'],
  [999_950, '1.0 MB'],
  [40_000_000, '40.0 MB'],
  [999_960_000, '1.0 GB'],
  [5_250_000_000, '5.3 GB'],
];
for (const [bytes, text] of sizes)
  test(`${bytes} bytes are ${text}`, () => assert.equal(formatBytes(bytes), text));

test('one is one', () => {
  assert.equal(formatCount(1, 'file'), '1 file');
  assert.equal(formatCount(0, 'file'), '0 files');
  assert.equal(formatCount(2, 'entry', 'entries'), '2 entries');
});
