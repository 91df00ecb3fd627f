import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Change, Entry, Manifest } from '../../../src/host.ts';
import { chunkChange, copyChunks, parentsOf } from '../../../src/runner/chunk.ts';

const megabyte = 1 << 20;
const size = fc.oneof(fc.nat(100), fc.integer({ min: megabyte, max: 9 * megabyte }));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  size.map((bytes): Entry => ({ kind: 'file', mode: 0o644, size: bytes, digest: '' })),
  fc.constant<Entry>({ kind: 'dir' }),
  fc.constant<Entry>({ kind: 'link', target: 'x' }),
);

const change = fc
  .record({
    entries: fc.oneof(
      fc.array(entry),
      fc.nat(3_000).map((length) => Array.from({ length }, (): Entry => ({ kind: 'dir' }))),
    ),
    remove: fc.array(fc.string()),
    link: fc.array(fc.string()),
  })
  .map(({ entries, remove, link }): { change: Change; manifest: Manifest } => {
    const manifest = new Map(entries.map((item, index) => [`w${index}`, item]));
    return { change: { remove, write: [...manifest.keys()], link }, manifest };
  });

describe('chunks of a change', () => {
  test('are the change, in its order', () => {
    fc.assert(
      fc.property(change, ({ change: whole, manifest }) => {
        const chunks = [...chunkChange(whole, manifest)];
        assert.deepEqual(
          chunks.flatMap(({ remove }) => remove),
          whole.remove,
        );
        assert.deepEqual(
          chunks.flatMap(({ write }) => write),
          whole.write,
        );
        assert.deepEqual(
          chunks.flatMap(({ link }) => link),
          whole.link,
        );
      }),
    );
  });

  test('remove first, and make long links last', () => {
    fc.assert(
      fc.property(change, ({ change: whole, manifest }) => {
        const chunks = [...chunkChange(whole, manifest)];
        for (const { remove } of chunks.slice(1)) assert.deepEqual(remove, []);
        for (const { link } of chunks.slice(0, -1)) assert.deepEqual(link, []);
      }),
    );
  });

  test('are neither empty, nor too large, nor smaller than they must be', () => {
    fc.assert(
      fc.property(change, ({ change: whole, manifest }) => {
        const sizes = [...chunkChange(whole, manifest)].map(({ write, remove, link }) => ({
          count: write.length,
          all: write.length + remove.length + link.length,
          bytes: write.reduce((sum, path) => sum + bytesOf(manifest.get(path)), 0),
          first: bytesOf(manifest.get(write[0] ?? '')),
        }));
        for (const [index, { count, all, bytes }] of sizes.entries()) {
          assert.ok(all > 0);
          assert.ok(count <= 1_000);
          assert.ok(bytes <= 4 * megabyte || count === 1);
          const next = sizes[index + 1];
          if (next !== undefined) assert.ok(count === 1_000 || bytes + next.first > 4 * megabyte);
        }
      }),
    );
  });

  test('of nothing are none', () => {
    assert.deepEqual([...chunkChange({ remove: [], write: [], link: [] }, new Map())], []);
  });
});

function bytesOf(item: Entry | undefined): number {
  return item?.kind === 'file' ? item.size : 0;
}

describe('chunks of copies', () => {
  const path = fc.oneof(
    fc.string({ maxLength: 10 }),
    fc.nat(4_000).map((length) => 'ü'.repeat(length)),
  );

  test('are the copies, in their order, and fit a command', () => {
    const few = fc.array(fc.record({ from: path, to: path }), { maxLength: 20 });
    const many = fc
      .nat(700)
      .map((count) => Array.from({ length: count }, (_, at) => ({ from: 'a', to: `${at}` })));
    fc.assert(
      fc.property(fc.oneof(few, many), (copies) => {
        const chunks = copyChunks(copies);
        assert.deepEqual(
          chunks.flatMap(({ chunk }) => chunk),
          copies,
        );
        let base = 0;
        for (const chunk of chunks) {
          assert.equal(chunk.base, base);
          base += chunk.chunk.length;
          assert.ok(chunk.chunk.length <= 200);
          for (const side of ['from', 'to'] as const) {
            const bytes = chunk.chunk.reduce((sum, copy) => sum + Buffer.byteLength(copy[side]) + 3, 0);
            assert.ok(bytes <= 24_000 || chunk.chunk.length === 1);
          }
        }
      }),
    );
  });
});

describe('the directories that are passed through', () => {
  const ancestors = (path: string): string[] =>
    path.split('/').flatMap((_, index, parts) => (index === 0 ? [] : [parts.slice(0, index).join('/')]));

  test('are all above what is removed and written, but not what is replaced', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.uniqueArray(path), fc.uniqueArray(path), (remove, write) => {
        const wanted = new Set([
          ...remove.flatMap(ancestors),
          ...write.flatMap(ancestors).filter((parent) => !remove.includes(parent)),
        ]);
        const parents = parentsOf(remove, write);
        assert.deepEqual(new Set(parents), wanted);
        assert.equal(parents.length, wanted.size);
      }),
    );
  });
});
