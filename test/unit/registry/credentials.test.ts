import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dockerCredentials, firstCredentials, type HelperRunner } from '../../../src/registry/credentials.ts';

const basic = Buffer.from('jane:s3cret:with:colons').toString('base64');

function provider(config: unknown, run?: HelperRunner): (host: string) => Promise<unknown> {
  const made = dockerCredentials(JSON.stringify(config), 'config.json', run);
  assert.ok(made.ok);
  return made.value;
}

test('entries are found by host, however their key is written', async () => {
  for (const [key, host] of [
    ['ghcr.io', 'ghcr.io'],
    ['https://ghcr.io', 'ghcr.io'],
    ['https://ghcr.io/v2/', 'ghcr.io'],
    ['https://index.docker.io/v1/', 'docker.io'],
    ['docker.io', 'docker.io'],
    ['registry-1.docker.io', 'docker.io'],
    ['198.51.100.7:5000', '198.51.100.7:5000'],
  ] as const) {
    const find = provider({ auths: { [key]: { auth: basic } } });
    assert.deepEqual(await find(host), { username: 'jane', password: 's3cret:with:colons' }, key);
    assert.equal(await find('other.example'), undefined);
  }
});

test('user name and password, and identity tokens, are read', async () => {
  const pair = Buffer.from('<token>:refresh').toString('base64');
  const find = provider({
    auths: {
      'a.example': { username: 'jane', password: 'pw' },
      'b.example': { auth: basic, identitytoken: 'refresh' },
      'c.example': { auth: pair },
      'd.example': {},
    },
  });
  assert.deepEqual(await find('a.example'), { username: 'jane', password: 'pw' });
  assert.deepEqual(await find('b.example'), { identityToken: 'refresh' });
  assert.deepEqual(await find('c.example'), { identityToken: 'refresh' });
  assert.equal(await find('d.example'), undefined);
});

test('a helper is asked on standard input and wins over the file', async () => {
  const asked: [string, readonly string[], string][] = [];
  const run: HelperRunner = (command, argv, input) => {
    asked.push([command, argv, input]);
    if (command.endsWith('-broken')) return Promise.reject(new Error('ENOENT'));
    const found = input === 'ghcr.io' || input === 'https://index.docker.io/v1/';
    return Promise.resolve(
      found ? { exitCode: 0, stdout: '{"Username":"h","Secret":"x"}' } : { exitCode: 1, stdout: 'not found' },
    );
  };
  const config = {
    auths: { 'ghcr.io': { auth: basic }, 'b.example': { auth: basic }, 'c.example': { auth: basic } },
    credHelpers: { 'b.example': 'broken', 'ghcr.io': 'pass' },
    credsStore: 'desktop',
  };
  const find = provider(config, run);
  assert.deepEqual(await find('ghcr.io'), { username: 'h', password: 'x' });
  assert.deepEqual(await find('docker.io'), { username: 'h', password: 'x' });
  assert.deepEqual(await find('b.example'), { username: 'jane', password: 's3cret:with:colons' });
  assert.deepEqual(await find('c.example'), { username: 'jane', password: 's3cret:with:colons' });
  assert.deepEqual(asked[0], ['docker-credential-pass', ['get'], 'ghcr.io']);
  assert.deepEqual(asked[1], ['docker-credential-desktop', ['get'], 'https://index.docker.io/v1/']);
  const without = provider(config);
  assert.deepEqual(await without('ghcr.io'), { username: 'jane', password: 's3cret:with:colons' });
});

test('a helper name that is a path is not run', async () => {
  const find = provider({ credsStore: '../../bin/sh' }, () => assert.fail('ran'));
  assert.equal(await find('ghcr.io'), undefined);
});

test('a malformed file is a clear failure without its secrets', () => {
  for (const text of [
    '{"auths": {"ghcr.io": {"auth": "aHVudGVyMg"',
    '[]',
    '{"auths": "hunter2"}',
    '{"auths": {"ghcr.io": "hunter2"}}',
    '{"auths": {"ghcr.io": {"auth": "%%hunter2%%"}}}',
    `{"auths": {"ghcr.io": {"auth": "${Buffer.from('hunter2').toString('base64')}"}}}`,
  ]) {
    const made = dockerCredentials(text, 'config.json');
    assert.ok(!made.ok, text);
    assert.equal(made.failure.code, 'registry-unauthorized');
    assert.match(made.failure.message, /config\.json/);
    assert.doesNotMatch(JSON.stringify(made.failure), /hunter2|aHVu/);
  }
});

test('several sources are asked in order', async () => {
  const find = firstCredentials([
    () => Promise.resolve(undefined),
    (host) => Promise.resolve({ username: 'first', password: host }),
    () => assert.fail('not needed'),
  ]);
  assert.deepEqual(await find('ghcr.io'), { username: 'first', password: 'ghcr.io' });
});
