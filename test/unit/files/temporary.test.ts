import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTemporary } from '../../../src/files/temporary.ts';

test('names that editors and tools give to what they are about to remove or rename', () => {
  const temporary = [
    '.index.ts.swp',
    '.index.ts.swo',
    '.index.ts.swx',
    '4913',
    'index.ts~',
    '#index.ts#',
    '.#index.ts',
    'index.ts.tmp.4711.1719849600123',
    '.goutputstream-X3T5Q2',
    'index.ts___jb_tmp___',
    'index.ts___jb_old___',
    'index.ts.sb-4f2a1c3e-Xy12Zq',
  ];
  assert.deepEqual(
    temporary.filter((name) => !isTemporary(name)),
    [],
  );
});

test('are no others', () => {
  const ordinary = [
    'index.ts',
    '.env',
    '~root',
    '49130',
    'x4913',
    'movie.swf',
    'swp',
    '#hash',
    'hash#',
    'a.tmp',
    'a.tmp.1',
    '.goutputstream',
    'jb_tmp',
    'sb-x',
    '.a#b',
  ];
  assert.deepEqual(
    ordinary.filter((name) => isTemporary(name)),
    [],
  );
});
