import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenge, parseToken, tokenCall } from '../../../src/registry/auth.ts';

test('challenges of real registries are understood', () => {
  assert.deepEqual(
    parseChallenge(
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
    ),
    {
      scheme: 'bearer',
      realm: 'https://auth.docker.io/token',
      service: 'registry.docker.io',
      scope: 'repository:a/b:pull,push',
    },
  );
  assert.deepEqual(parseChallenge('bearer realm=https://x/t , service = "s"'), {
    scheme: 'bearer',
    realm: 'https://x/t',
    service: 's',
    scope: undefined,
  });
  assert.deepEqual(parseChallenge('Basic realm="Registry Realm"'), { scheme: 'basic' });
  assert.equal(parseChallenge('Negotiate'), undefined);
  assert.equal(parseChallenge('Bearer service="x"'), undefined);
  assert.equal(parseChallenge(undefined), undefined);
});

test('the token is asked for where the challenge says, never in the clear for a registry over TLS', () => {
  const challenge = {
    scheme: 'bearer',
    realm: 'https://t.example/token?a=1',
    service: 's',
    scope: undefined,
  } as const;
  const call = tokenCall(
    challenge,
    'repository:x:pull',
    { username: 'u', password: 'p' },
    { name: 'r', secure: true },
  );
  assert.ok(call.ok);
  assert.equal(call.value.url.href, 'https://t.example/token?a=1&service=s&scope=repository%3Ax%3Apull');
  assert.equal(call.value.headers['authorization'], 'Basic dTpw');
  const clear = { ...challenge, realm: 'http://t.example/token' };
  const refused = tokenCall(clear, 'x', undefined, { name: 'r', secure: true });
  assert.ok(!refused.ok && refused.failure.code === 'registry-protocol');
  assert.ok(tokenCall(clear, 'x', undefined, { name: 'r', secure: false }).ok);
});

test('a token lives as long as it says, less a margin', () => {
  assert.deepEqual(parseToken('{"token":"a","expires_in":300}', 1000, 'r'), {
    ok: true,
    value: { header: 'Bearer a', expires: 271_000 },
  });
  assert.deepEqual(parseToken('{"access_token":"b"}', 0, 'r'), {
    ok: true,
    value: { header: 'Bearer b', expires: 54_000 },
  });
  for (const body of ['{}', 'null', '<html>', '{"token":""}']) assert.ok(!parseToken(body, 0, 'r').ok, body);
});
