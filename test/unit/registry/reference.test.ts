import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseReference, repositoryName, sameRepository } from '../../../src/image.ts';

const digest = `sha256:${'a'.repeat(64)}`;

const readable: readonly [string, string, string | undefined, string | undefined][] = [
  ['node', 'docker.io/library/node', undefined, undefined],
  ['node:20-alpine', 'docker.io/library/node', '20-alpine', undefined],
  ['docker.io/node', 'docker.io/library/node', undefined, undefined],
  ['index.docker.io/library/node', 'docker.io/library/node', undefined, undefined],
  ['registry-1.docker.io/library/node', 'docker.io/library/node', undefined, undefined],
  ['ardenone/api', 'docker.io/ardenone/api', undefined, undefined],
  ['ghcr.io/ardenone/moltbook-api:1.2', 'ghcr.io/ardenone/moltbook-api', '1.2', undefined],
  ['GHCR.io/ardenone/moltbook-api', 'ghcr.io/ardenone/moltbook-api', undefined, undefined],
  [`ghcr.io/a/b:1@${digest}`, 'ghcr.io/a/b', '1', digest],
  [`ghcr.io/a/b@${digest}`, 'ghcr.io/a/b', undefined, digest],
  ['localhost/x', 'localhost/x', undefined, undefined],
  ['localhost:5000/x:y', 'localhost:5000/x', 'y', undefined],
  ['198.51.100.7:5000/a/b/c', '198.51.100.7:5000/a/b/c', undefined, undefined],
  ['[::1]:5000/x', '[::1]:5000/x', undefined, undefined],
  ['registry:5000/x', 'registry:5000/x', undefined, undefined],
  ['ghcr.io/a/b__c.d-e', 'ghcr.io/a/b__c.d-e', undefined, undefined],
];

test('references are read as Docker reads them', () => {
  for (const [text, name, tag, wanted] of readable) {
    const parsed = parseReference(text);
    assert.ok(parsed, text);
    assert.deepEqual([repositoryName(parsed), parsed.tag, parsed.digest], [name, tag, wanted], text);
  }
});

test('what is not a reference is refused', () => {
  for (const text of [
    '',
    ':tag',
    'a b',
    'UPPER',
    'a/B',
    'ghcr.io/',
    'ghcr.io',
    'a:',
    'a@sha256:12',
    'a//b',
    '-a',
    'a:b:c',
  ]) {
    const parsed = parseReference(text);
    if (text === 'ghcr.io') assert.equal(parsed && repositoryName(parsed), 'docker.io/library/ghcr.io');
    else assert.equal(parsed, undefined, text);
  }
});

test('the same repository in two spellings compares equal, other registries and names do not', () => {
  assert.ok(sameRepository('node:20', 'docker.io/library/node@' + digest));
  assert.ok(sameRepository('ghcr.io/a/b:1', 'ghcr.io/a/b'));
  assert.ok(!sameRepository('ghcr.io/a/b', 'docker.io/a/b'));
  assert.ok(!sameRepository('host:5000/a', 'host:5001/a'));
  assert.ok(!sameRepository('ghcr.io/a/b', 'ghcr.io/a/bc'));
  assert.ok(!sameRepository('??', '??'));
});

test('a reference put together again is read the same', () => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const host = fc.constantFrom('ghcr.io', 'localhost:5000', '198.51.100.7:5000', 'docker.io');
  const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/), { nil: undefined });
  fc.assert(
    fc.property(
      host,
      fc.array(part, { minLength: 2, maxLength: 4 }),
      tag,
      fc.boolean(),
      (registry, parts, tagged, pinned) => {
        const repository = parts.join('/');
        const text = `${registry}/${repository}${tagged === undefined ? '' : `:${tagged}`}${pinned ? `@${digest}` : ''}`;
        const expected = { registry, repository, tag: tagged, digest: pinned ? digest : undefined };
        assert.deepEqual(parseReference(text), expected);
      },
    ),
  );
});
