import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suspiciousLoss } from '../../../src/files/guard.ts';
import type { Entry, Manifest } from '../../../src/host.ts';
import { file } from './place.ts';

/** So many files, numbered from `first`, in a directory of this name. */
function holding(count: number, { first = 0, directory = 'd' } = {}): Manifest {
  const entries = new Map<string, Entry>([[directory, { kind: 'dir' }]]);
  for (let at = first; at < first + count; at++) entries.set(`${directory}/f${at}`, file(`${at}`));
  return entries;
}

const nothing: Manifest = new Map();

test('more than half of the files, and more than twenty', () => {
  const rows: readonly (readonly [before: number, after: number, suspicious: boolean])[] = [
    [100, 100, false],
    [100, 200, false],
    [100, 50, false],
    [100, 49, true],
    [42, 21, false],
    [42, 20, true],
    [21, 1, false],
    [22, 1, true],
    [30, 10, false],
    [1, 1, false],
    // nothing left
    [100, 0, true],
    [3, 0, true],
    [1, 0, true],
    [0, 0, false],
    [0, 5, false],
  ];
  for (const [before, after, suspicious] of rows) {
    const loss = suspiciousLoss(holding(before), holding(after));
    assert.equal(loss !== undefined, suspicious, `${before} to ${after}`);
    if (loss !== undefined) assert.deepEqual([loss.lost, loss.of], [before - after, before]);
  }
});

test('examples are names of lost files', () => {
  assert.deepEqual(suspiciousLoss(holding(30), holding(2)), {
    lost: 28,
    of: 30,
    examples: ['d/f10', 'd/f11', 'd/f12'],
  });
  assert.deepEqual(suspiciousLoss(holding(1), nothing)?.examples, ['d/f0']);
});

test('a renamed directory loses nothing', () => {
  assert.equal(suspiciousLoss(holding(100), holding(100, { directory: 'moved' })), undefined);
  assert.equal(suspiciousLoss(holding(100), holding(60, { first: 1000 })), undefined);
});

test('directories alone are nothing to lose, links are', () => {
  const directories = new Map<string, Entry>(
    Array.from({ length: 50 }, (_, at) => [`d${at}`, { kind: 'dir' }] as const),
  );
  assert.equal(suspiciousLoss(directories, nothing), undefined);
  assert.deepEqual(suspiciousLoss(new Map([['l', { kind: 'link', target: 'x' }]]), directories)?.examples, [
    'l',
  ]);
});
