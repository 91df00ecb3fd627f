import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { fromPaths, parseHashes, parseStats, toPaths } from '../../../src/runner/listing.ts';
import { digestOf } from '../fakes/files.ts';

/** Names as file systems allow them: newlines, spaces, dashes and all. */
const name = fc
  .oneof(
    fc.stringMatching(/^[^/\0\uD800-\uDFFF]{1,8}$/),
    fc.constantFrom('-rf', 'a\nb', '\n', ' ', '  ./a', `${'0'.repeat(64)}  .`, '日本', '*'),
  )
  .filter((text) => text !== '.' && text !== '..');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

describe('paths', () => {
  test('come back as they went, each with a dot in front', () => {
    fc.assert(
      fc.property(fc.array(path), (paths) => {
        assert.deepEqual(
          fromPaths(toPaths(paths)),
          paths.map((item) => `./${item}`),
        );
      }),
    );
  });

  test('that lead out of the mirror are a bug', () => {
    for (const item of ['..', '../a', 'a/../b', 'a/..', '/a', '', 'a\0b'])
      assert.throws(() => toPaths([item]), /not a path in a context/, item);
    for (const item of ['..a', 'a..', '...', 'a/..b', '-', '~']) assert.doesNotThrow(() => toPaths([item]));
  });

  test('of nothing are none', () => {
    assert.deepEqual(fromPaths(undefined), []);
    assert.deepEqual(fromPaths(new Uint8Array()), []);
  });
});

describe('the output of stat', () => {
  test('tells kinds, modes and sizes', () => {
    const lines = [
      '81a4 12 1700000000 99 2023-11-14 22:13:20.000000000',
      '81ed 0 1700000001 98 2023-11-14 22:13:21.000000000',
      '41ed 4096 1700000002 97 2023-11-14 22:13:22.000000000',
      'a1ff 6 1700000003 96 2023-11-14 22:13:23.000000000',
      '11a4 0 1700000004 95 2023-11-14 22:13:24.000000000',
      '89ed 3 1700000005 94 2023-11-14 22:13:25.000000000',
    ];
    const stats = parseStats(Buffer.from(`${lines.join('\n')}\n`));
    assert.deepEqual(
      stats.map(({ kind, mode, size, changed }) => [kind, mode.toString(8), size, changed]),
      [
        ['file', '644', 12, 1_700_000_000],
        ['file', '755', 0, 1_700_000_001],
        ['dir', '755', 4096, 1_700_000_002],
        ['link', '777', 6, 1_700_000_003],
        ['other', '644', 0, 1_700_000_004],
        ['file', '4755', 3, 1_700_000_005],
      ],
    );
    assert.deepEqual(
      stats.map(({ stat }) => stat),
      lines,
    );
  });

  test('of nothing is none', () => assert.deepEqual(parseStats(undefined), []));
});

describe('the output of sha256sum', () => {
  test('is matched with its names; a file that is gone is left out', () => {
    fc.assert(
      fc.property(fc.uniqueArray(path), fc.array(fc.boolean()), (paths, gone) => {
        const there = paths.filter((_, index) => gone[index] !== true);
        const output = there.map((item) => `${digestOf(item)}  ./${item}\n`).join('');
        assert.deepEqual(
          [...parseHashes(Buffer.from(output), paths)],
          there.map((item) => [item, digestOf(item)]),
        );
      }),
    );
  });

  test('that breaks off gives what it has', () => {
    const whole = Buffer.from(`${digestOf('a')}  ./a\n${digestOf('b')}  ./b\n`);
    for (let length = 0; length < whole.length; length += 1) {
      const names = [...parseHashes(whole.subarray(0, length), ['a', 'b']).keys()];
      assert.deepEqual(names, length < 70 ? [] : ['a'], `${length} bytes`);
    }
  });
});
