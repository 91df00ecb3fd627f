import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  diffManifests,
  entriesEqual,
  hashManifest,
  linkFitsTar,
  manifestsEqual,
} from '../../../src/files/manifest.ts';
import type { Entry, Manifest } from '../../../src/host.ts';
import { file } from './place.ts';

const dir: Entry = { kind: 'dir' };
const link = (target: string): Entry => ({ kind: 'link', target });
const manifest = (entries: Readonly<Record<string, Entry>>): Manifest => new Map(Object.entries(entries));

test('nothing changed, nothing to do', () => {
  const same = manifest({ a: dir, 'a/b': file('x'), l: link('a') });
  assert.deepEqual(diffManifests(same, manifest({ l: link('a'), 'a/b': file('x'), a: dir })), {
    remove: [],
    write: [],
    link: [],
  });
});

test('an empty mirror gets everything, parents first', () => {
  const change = diffManifests(
    new Map(),
    manifest({ 'a/b/c': file('x'), 'a-b': file('y'), 'a/b': dir, a: dir }),
  );
  assert.deepEqual(change, { remove: [], write: ['a', 'a-b', 'a/b', 'a/b/c'], link: [] });
});

test('content, mode and target changes are rewrites', () => {
  const change = diffManifests(
    manifest({ a: file('x'), b: file('x'), c: link('a'), d: file('same') }),
    manifest({ a: file('y'), b: file('x', 0o755), c: link('b'), d: file('same') }),
  );
  assert.deepEqual(change, { remove: [], write: ['a', 'b', 'c'], link: [] });
});

test('a removed directory takes everything below it, deepest first', () => {
  const change = diffManifests(
    manifest({ a: dir, 'a/b': dir, 'a/b/c': file('x'), 'a/d': file('x'), e: dir }),
    manifest({ e: dir }),
  );
  assert.deepEqual(change, { remove: ['a/b/c', 'a/b', 'a/d', 'a'], write: [], link: [] });
});

test('a path that changes kind is removed and written', () => {
  const change = diffManifests(
    manifest({ a: dir, 'a/b': file('x'), c: file('x'), d: link('a') }),
    manifest({ a: file('x'), c: dir, 'c/n': file('x'), d: dir }),
  );
  assert.deepEqual(change, { remove: ['a/b', 'a', 'c', 'd'], write: ['a', 'c', 'c/n', 'd'], link: [] });
});

test('what no manifest describes is removed', () => {
  const mirror = new Map<string, Entry | { readonly kind: 'other' }>([
    ['fifo', { kind: 'other' }],
    ['now-a-file', { kind: 'other' }],
  ]);
  assert.deepEqual(diffManifests(mirror, manifest({ 'now-a-file': file('x') })), {
    remove: ['fifo', 'now-a-file'],
    write: ['now-a-file'],
    link: [],
  });
});

test('links that tar headers cannot hold are linked one by one', () => {
  const long = 'é'.repeat(51);
  const change = diffManifests(
    manifest({ moved: link('old'), kind: file('x') }),
    manifest({
      fits: link('x'.repeat(100)),
      long: link('x'.repeat(101)),
      bytes: link(long),
      moved: link(long),
      kind: link(long),
      naïve: link('short'),
    }),
  );
  assert.deepEqual(change, {
    remove: ['kind', 'moved'],
    write: ['fits'],
    link: ['bytes', 'kind', 'long', 'moved', 'naïve'],
  });
});

test('the names a tar header holds', () => {
  assert.equal(linkFitsTar('x'.repeat(100), 't'), true);
  assert.equal(linkFitsTar('x'.repeat(101), 't'), false);
  assert.equal(linkFitsTar(`${'d'.repeat(155)}/${'x'.repeat(100)}`, 't'), true);
  assert.equal(linkFitsTar(`${'d'.repeat(156)}/${'x'.repeat(100)}`, 't'), false);
  assert.equal(linkFitsTar('a b', 't'), true);
  assert.equal(linkFitsTar('a', 'zï'.repeat(33)), true);
});

test('entries are equal by kind and value', () => {
  assert.ok(entriesEqual(file('x'), file('x')));
  assert.ok(!entriesEqual(file('x'), file('x', 0o755)));
  assert.ok(!entriesEqual(file('x'), dir));
  assert.ok(entriesEqual(link('a'), link('a')));
  assert.ok(!entriesEqual(link('a'), link('b')));
  assert.ok(manifestsEqual(manifest({ a: dir }), manifest({ a: dir })));
  assert.ok(!manifestsEqual(manifest({ a: dir }), manifest({ b: dir })));
  assert.ok(!manifestsEqual(manifest({ a: dir }), manifest({ a: dir, b: dir })));
});

test('the hash does not depend on order, and on everything else', () => {
  const base = hashManifest(manifest({ a: dir, 'a/b': file('x'), l: link('t') }));
  assert.match(base, /^[0-9a-f]{64}$/);
  assert.equal(hashManifest(manifest({ l: link('t'), 'a/b': file('x'), a: dir })), base);
  const others = [
    manifest({}),
    manifest({ a: dir, 'a/b': file('x', 0o755), l: link('t') }),
    manifest({ a: dir, 'a/b': file('y'), l: link('t') }),
    manifest({ a: dir, 'a/b': file('x'), l: link('u') }),
    manifest({ a: dir, 'a/b': file('x'), m: link('t') }),
    manifest({ a: dir, 'a/b': file('x'), l: file('t') }),
    manifest({ a: dir, 'a/b': file('x') }),
    // Names that would read as another entry if entries were only joined.
    manifest({ 'a"]\n["b': dir }),
    manifest({ a: dir, b: dir }),
    manifest({ 'a\n': dir, b: dir }),
    manifest({ a: link('x","y') }),
    manifest({ 'a","link': dir }),
    manifest({ '\ud800': dir }),
    manifest({ '\ufffd': dir }),
  ].map(hashManifest);
  assert.equal(new Set([base, ...others]).size, others.length + 1);
});
