import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffManifests, manifestsEqual } from '../../../src/files/manifest.ts';
import { pack } from '../../../src/files/pack.ts';
import { createFiles } from '../../../src/files/scan.ts';
import { extract, holding, Place, valueOf } from './place.ts';

/** A tree as it is drawn: names to content, directories nested. */
type Tree = Readonly<Record<string, Node>>;
type Node =
  | { readonly kind: 'file'; readonly content: string; readonly mode: number }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'dir'; readonly tree: Tree };

/** Few names, so that two trees meet in them. */
const name = fc.constantFrom(
  'a',
  'b',
  'a-b',
  '-rf',
  'x y',
  'new\nline',
  '(g)',
  '[p]',
  'é',
  '😀',
  'l'.repeat(120),
  '__proto__',
);
const content = fc.oneof(
  fc.constantFrom('', 'same', 'x'.repeat(513)),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const linkTarget = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    '..',
    '../a',
    '/',
    '/tmp',
    './a/../b',
    'x y',
    'é',
    't'.repeat(100),
    't'.repeat(101),
    `é${'t'.repeat(150)}`,
  ),
);

const { tree } = fc.letrec<{ tree: Tree; node: Node }>((tie) => ({
  tree: fc.dictionary(name, tie('node'), { maxKeys: 5, noNullPrototype: false }),
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constant('file' as const), content, mode: fc.constantFrom(0o644, 0o755) }),
    fc.record({ kind: fc.constant('link' as const), target: linkTarget }),
    fc.record({ kind: fc.constant('dir' as const), tree: tie('tree') }),
  ),
}));

function plant(tree: Tree, into: string): void {
  fs.mkdirSync(into, { recursive: true });
  for (const [name, node] of Object.entries(tree)) {
    const path = join(into, name);
    if (node.kind === 'dir') plant(node.tree, path);
    else if (node.kind === 'link') fs.symlinkSync(node.target, path);
    else fs.writeFileSync(path, node.content, { mode: node.mode });
  }
}

function removeOne(path: string): void {
  if (fs.lstatSync(path).isDirectory()) fs.rmdirSync(path);
  else fs.unlinkSync(path);
}

test('a change turns any mirror into any context', async () => {
  await fc.assert(
    fc.asyncProperty(tree, tree, async (before, after) => {
      using place = new Place();
      const mirror = place.beside('mirror');
      plant(before, mirror);
      plant(after, place.root);
      const from = holding(mirror);
      const to = valueOf(await createFiles().scan(place.source, new AbortController().signal)).manifest;
      assert.deepEqual(new Map(to), holding(place.root), 'the scan sees the context');

      const change = diffManifests(from, to);
      for (const path of change.remove) removeOne(join(mirror, path));
      if (change.write.length > 0) await extract(pack(place.root, to, change.write), mirror);
      for (const path of change.link) {
        const entry = to.get(path);
        assert.equal(entry?.kind, 'link');
        if (entry?.kind === 'link') fs.symlinkSync(entry.target, join(mirror, path));
      }

      assert.deepEqual(holding(mirror), holding(place.root));
      assert.ok(manifestsEqual(holding(mirror), to));
      assert.deepEqual(diffManifests(holding(mirror), to), { remove: [], write: [], link: [] });
    }),
    { numRuns: 150, seed: 42 },
  );
});
