import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { redact } from '../../../src/kaniko/redact.ts';

const once = (text: string): string => redact([text])[0] ?? '';

describe('secrets', () => {
  const taken: readonly [string, string][] = [
    ['git clone https://ci:hunter22@git.example/a.git', 'git clone https://***@git.example/a.git'],
    ['Authorization: Bearer eyJhbGciOi.JIUzI1NiJ9', 'Authorization: Bearer ***'],
    ['authorization: basic dXNlcjpwYXNzd29yZA==', 'authorization: basic ***'],
    [`token is ghp_${'a1'.repeat(18)}!`, 'token is ***!'],
    [`github_pat_${'A'.repeat(30)}`, '***'],
    [`npm_${'b'.repeat(36)}`, '***'],
    ['glpat-abcdefghij0123456789', '***'],
    ['NPM_TOKEN=abcd1234', 'NPM_TOKEN=***'],
    ['export DB_PASSWORD="p4ssw0rd"', 'export DB_PASSWORD="***"'],
    ['//registry.npmjs.org/:_authToken=abcd1234', '//registry.npmjs.org/:_authToken=***'],
    ['{"password": "p4ssw0rd"}', '{"password": "***"}'],
    ['{"auths":{"ghcr.io":{"auth":"dXNlcjpw"}}}', '{"auths":{"ghcr.io":{"auth":"***"}}}'],
    ['--build-arg=API_KEY=abcdef', '--build-arg=API_KEY=***'],
  ];
  for (const [text, wanted] of taken) test(text, () => assert.equal(once(text), wanted));
});

describe('what is left alone', () => {
  for (const text of [
    'lstat /workspace/ctx/secret: no such file',
    'COPY token.ts /app/src/token.ts',
    'https://ghcr.io/v2/ardenone/api/manifests/dev-1',
    'added 120 packages, and audited 121 packages in 3s',
    'ghcr.io/ardenone/moltbook-api@sha256:0123456789abcdef',
    'tokens: 120000',
  ])
    test(text, () => assert.equal(once(text), text));
});

test('redacting twice changes nothing more', () => {
  const word = fc.constantFrom(
    'token',
    'password=',
    '://',
    'a:b@',
    'Bearer ',
    'x'.repeat(20),
    ' ',
    '"',
    '***',
    'ghp_',
  );
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const first = once(words.join(''));
      assert.equal(once(first), first);
    }),
  );
});
