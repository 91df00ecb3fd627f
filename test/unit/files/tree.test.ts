import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { hashManifest, Selection } from '../../../src/files/hash.ts';
import { emptyTree, makeTree, type Tree, TreeManifest } from '../../../src/files/tree.ts';
import type { Entry, Manifest } from '../../../src/host.ts';
import { file } from './place.ts';

const name = fc.constantFrom('a', 'b', 'a-b', 'a b', 'z', 'é', '__proto__');
const leaf: fc.Arbitrary<Entry> = fc.oneof(
  fc.constantFrom('', 'x', 'y').map((content) => file(content)),
  fc.constantFrom('a', 'b').map((target): Entry => ({ kind: 'link', target })),
);
const { tree } = fc.letrec<{ tree: Tree; child: Entry | Tree }>((tie) => ({
  tree: fc
    .tuple(fc.array(fc.tuple(name, tie('child')), { maxLength: 4 }), fc.boolean())
    .map(([children, ignored]) => makeTree({ ...emptyTree, ignored, children: new Map(children) })),
  child: fc.oneof({ maxDepth: 3 }, leaf, tie('tree')),
}));

suite('a tree', () => {
  test('is a manifest like any other', () => {
    fc.assert(
      fc.property(tree, (tree) => {
        const manifest = new TreeManifest(tree);
        const flat: Manifest = new Map(manifest);
        assert.equal(manifest.size, flat.size);
        assert.deepEqual([...manifest.keys()], [...flat.keys()]);
        assert.deepEqual([...manifest.values()], [...flat.values()]);
        const visited: [string, Entry][] = [];
        manifest.forEach((entry, path, all) => {
          assert.equal(all, manifest);
          visited.push([path, entry]);
        });
        assert.deepEqual(visited, [...flat]);
        for (const [path, entry] of flat) {
          assert.equal(manifest.get(path), entry);
          const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
          assert.ok(parent === '' || flat.get(parent)?.kind === 'dir', `${path} has no directory`);
          for (const other of [`${path}/a`, `${path}/`, `${path}x`, `/${path}`]) {
            assert.equal(manifest.has(other), flat.has(other), other);
          }
        }
        assert.equal(manifest.get(''), undefined);
        assert.equal(hashManifest(manifest), hashManifest(flat));
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  test('that is no different is the one before', () => {
    const child = makeTree({ ...emptyTree, children: new Map([['f', file('x')]]) });
    const before = makeTree({
      ...emptyTree,
      children: new Map<string, Entry | Tree>([
        ['d', child],
        ['l', file('y')],
      ]),
    });
    const copy = (content: string, inner: Tree = child): Tree =>
      makeTree(
        {
          ...emptyTree,
          children: new Map<string, Entry | Tree>([
            ['l', file(content)],
            ['d', inner],
          ]),
        },
        before,
      );
    assert.equal(copy('y'), before);
    assert.notEqual(copy('z'), before);
    assert.equal(copy('z').children.get('d'), child);
    assert.notEqual(copy('y', makeTree({ ...emptyTree, children: new Map() })), before);
    assert.notEqual(makeTree({ ...emptyTree, children: new Map() }, before), before);
    assert.notEqual(makeTree({ ...before, identity: 'another' }, before), before);
    assert.notEqual(
      makeTree({ ...before, skips: new Map([['s', { kind: 'special', reason: '' }]]) }, before),
      before,
    );
  });
});

suite('a selection', () => {
  const manifest: Manifest = new Map<string, Entry>([
    ['docs', { kind: 'dir' }],
    ['docs/a.md', file('a')],
    ['empty', { kind: 'dir' }],
    ['src', { kind: 'dir' }],
    ['src/a.ts', file('a')],
  ]);
  const changed = (path: string, entry?: Entry): Manifest => {
    const copy = new Map(manifest);
    if (entry === undefined) copy.delete(path);
    else copy.set(path, entry);
    return copy;
  };
  const source = (path: string): boolean => path === 'src' || path.startsWith('src/');

  test('is hashed as if there were nothing else', () => {
    const selection = new Selection(source);
    const hash = selection.hash(manifest);
    assert.match(hash, /^[0-9a-f]{64}$/);
    const alone: Manifest = new Map([...manifest].filter(([path]) => source(path)));
    assert.equal(hashManifest(alone), hash);
    assert.equal(selection.hash(changed('docs/a.md', file('b'))), hash);
    assert.equal(selection.hash(changed('empty')), hash);
    assert.notEqual(selection.hash(changed('src/a.ts', file('b'))), hash);
    assert.notEqual(selection.hash(changed('src/a.ts')), hash);
    assert.notEqual(selection.hash(changed('src/new', { kind: 'dir' })), hash);
  });

  test('of nothing is one hash, and all is the whole', () => {
    const none = new Selection(() => false);
    assert.equal(none.hash(manifest), none.hash(new Map()));
    assert.equal(new Selection(() => true).hash(manifest), hashManifest(manifest));
  });

  test('asks about a path again only where something changed', () => {
    const inner = makeTree({ ...emptyTree, children: new Map([['f', file('x')]]) });
    const other = makeTree({ ...emptyTree, children: new Map([['g', file('x')]]) });
    const asked: string[] = [];
    const selection = new Selection((path) => {
      asked.push(path);
      return true;
    });
    const of = (children: readonly (readonly [string, Tree])[]): string =>
      selection.hash(new TreeManifest(makeTree({ ...emptyTree, children: new Map(children) })));
    const first = of([
      ['a', inner],
      ['b', other],
    ]);
    assert.deepEqual(asked.splice(0), ['a', 'a/f', 'b', 'b/g']);
    assert.equal(
      of([
        ['a', inner],
        ['b', other],
      ]),
      first,
    );
    assert.deepEqual(asked.splice(0), ['a', 'b']);
    // The same directory under another name is another path.
    assert.notEqual(
      of([
        ['c', inner],
        ['b', other],
      ]),
      first,
    );
    assert.deepEqual(asked.splice(0).sort(), ['b', 'c', 'c/f']);
  });
});
