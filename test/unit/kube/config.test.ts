import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { loadConfig, type KubeOptions, type LoadedConfig } from '../../../src/kube/config.ts';
import type { Result } from '../../../src/result.ts';

interface Room {
  readonly directory: string;
  write(name: string, text: string): string;
  load(options: Partial<KubeOptions>): Result<LoadedConfig>;
}

async function inRoom(run: (room: Room) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  try {
    await run({
      directory,
      write(name, text) {
        const path = join(directory, name);
        mkdirSync(join(path, '..'), { recursive: true });
        writeFileSync(path, text);
        return path;
      },
      load: (options) => loadConfig({ env: {}, serviceAccount: join(directory, 'account'), ...options }),
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function config(name: string, extra = '', user = 'token: secret'): string {
  return `apiVersion: v1
kind: Config
current-context: ${name}
clusters: [{name: ${name}, cluster: {server: "https://${name}.example:6443"}}]
users: [{name: ${name}, user: {${user}}}]
contexts: [{name: ${name}, context: {cluster: ${name}, user: ${name}${extra}}}]
`;
}

test('the order is explicit path, $KUBECONFIG, home, service account', async () => {
  await inRoom((room) => {
    const explicit = room.write('explicit', config('explicit'));
    const listed = room.write('listed', config('listed'));
    room.write('.kube/config', config('home', ', namespace: from-context'));
    room.write('account/token', 't');
    room.write('account/namespace', 'from-account\n');
    const env = {
      KUBECONFIG: `${join(room.directory, 'not-there')}${delimiter}${listed}`,
      HOME: room.directory,
      KUBERNETES_SERVICE_HOST: '10.0.0.1',
      KUBERNETES_SERVICE_PORT: '443',
    };
    const server = (options: Partial<KubeOptions>): unknown => {
      const loaded = room.load(options);
      return loaded.ok ? [loaded.value.server, loaded.value.namespace] : loaded.failure;
    };
    assert.deepEqual(server({ kubeconfig: explicit, env }), ['https://explicit.example:6443', 'default']);
    assert.deepEqual(server({ env }), ['https://listed.example:6443', 'default']);
    assert.deepEqual(server({ env: { ...env, KUBECONFIG: '' } }), [
      'https://home.example:6443',
      'from-context',
    ]);
    assert.deepEqual(server({ env: { ...env, KUBECONFIG: '' }, namespace: 'mine' }), [
      'https://home.example:6443',
      'mine',
    ]);
    const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = env;
    assert.deepEqual(server({ env: { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } }), [
      'https://10.0.0.1:443',
      'from-account',
    ]);
    assert.deepEqual(server({ env: { KUBERNETES_SERVICE_HOST: 'fd00::1' } }), [
      'https://[fd00::1]:443',
      'from-account',
    ]);
  });
});

test('several files merge, the first wins, as with kubectl', async () => {
  await inRoom((room) => {
    const one = room.write('one', config('one'));
    const two = room.write('two', config('one', ', namespace: other').replace('6443', '1'));
    const three = room.write('three', config('three'));
    const env = { KUBECONFIG: [one, two, three].join(delimiter) };
    const first = room.load({ env });
    assert.ok(
      first.ok && first.value.server === 'https://one.example:6443' && first.value.namespace === 'default',
    );
    const other = room.load({ env, context: 'three' });
    assert.ok(other.ok && other.value.server === 'https://three.example:6443');
  });
});

test('nothing found names what was looked at', async () => {
  await inRoom((room) => {
    const nothing = room.load({ env: { HOME: room.directory } });
    assert.ok(!nothing.ok && nothing.failure.code === 'kubeconfig-missing');
    assert.match(nothing.failure.message, /\.kube\/config, .*account\/token/);
    const explicit = room.load({ kubeconfig: join(room.directory, 'nope') });
    assert.ok(!explicit.ok && explicit.failure.code === 'kubeconfig-missing');
    assert.match(explicit.failure.message, /nope$/);
  });
});

test('unreadable files and unknown contexts name the contexts there are', async () => {
  await inRoom((room) => {
    const good = config('good');
    for (const [text, options, pattern] of [
      ['{', {}, /cannot read kubeconfig/],
      ['just text', {}, /not a mapping/],
      ['', {}, /is empty/],
      ['users:\n- name: x\n  user: {token: hunter2\nx: [', {}, /line \d/],
      ['apiVersion: v1\nkind: Config\n', {}, /no current context/],
      [good, { context: 'wrong' }, /"wrong" is not in .*known contexts: good/],
      [good.replace('clusters: [{name: good', 'clusters: [{name: bad'), {}, /names cluster "good"/],
      [good.replace('users: [{name: good', 'users: [{name: bad'), {}, /names user "good"/],
      [good.replace('https://good.example:6443', 'nowhere'), {}, /no valid server URL/],
    ] as const) {
      const loaded = room.load({ kubeconfig: room.write('config', text), ...options });
      assert.ok(!loaded.ok, text);
      assert.equal(loaded.failure.code, 'kubeconfig-invalid', loaded.failure.message);
      assert.match(`${loaded.failure.message} ${loaded.failure.remedy}`, pattern);
      assert.doesNotMatch(JSON.stringify(loaded.failure), /hunter2/);
    }
  });
});

test('a token file next to the kubeconfig is used', async () => {
  await inRoom(async (room) => {
    room.write('token', 'from-file');
    const loaded = room.load({ kubeconfig: room.write('config', config('c', '', 'tokenFile: token')) });
    assert.ok(loaded.ok);
    const options: { headers?: Record<string, string> } = {};
    await loaded.value.kc.applyToHTTPSOptions(options);
    assert.equal(options.headers?.['Authorization'], 'Bearer from-file');
  });
});
