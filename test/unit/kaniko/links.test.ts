import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry } from '../../../src/host.ts';
import { linkTrouble, lostByLink } from '../../../src/kaniko/links.ts';

const link = (target: string): Entry => ({ kind: 'link', target });
const manifest = new Map<string, Entry>([
  ['dir', { kind: 'dir' }],
  ['dir/file', { kind: 'file', mode: 0o644, size: 1, digest: '' }],
  ['dir/self', link('self')],
  ['a', link('b')],
  ['b', link('./a')],
  ['through', link('dir/file/x')],
  ['long', link('n'.repeat(256))],
  ['good', link('dir/file')],
  ['up', link('../outside')],
  ['dangling', link('dir/nothing/at/all')],
  ['absolute', link('/etc')],
  ['parent', link('.')],
  ['dir/parent', link('..')],
]);

test('links that the executor cannot resolve are told from those that do no harm', () => {
  assert.equal(linkTrouble(manifest, 'dir/self'), 'leads in a circle');
  assert.equal(linkTrouble(manifest, 'a'), 'leads in a circle');
  assert.equal(linkTrouble(manifest, 'through'), 'leads through a file');
  assert.equal(linkTrouble(manifest, 'long'), 'leads to a name that no file can have');
  for (const path of ['good', 'up', 'dangling', 'absolute', 'parent', 'dir/parent']) {
    assert.equal(linkTrouble(manifest, path), undefined, path);
  }
});

test("the executor's own line about such a link", () => {
  assert.equal(lostByLink("Couldn't eval /src/m/self with link /src/m/self"), '/src/m/self');
  assert.equal(lostByLink('RUN echo'), undefined);
});
