import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateConfig } from '../../../src/config/load.ts';
import { failureOf, value } from './project.ts';

const file = '/project/kaniko.config.ts';
const api = { context: 'api', image: 'ghcr.io/owner/api' };

/** A configuration that is right but for `part`. */
function withPart(part: Record<string, unknown>): Record<string, unknown> {
  return { targets: { api }, ...part };
}

function withTarget(part: Record<string, unknown>): Record<string, unknown> {
  return { targets: { api: { ...api, ...part } } };
}

const duration = 'expected a duration such as 500, "100ms", "2s", "5m" or "336h"';
const repository = 'expected a repository such as "ghcr.io/owner/name"';

const cases: readonly (readonly [title: string, config: unknown, ...lines: string[]])[] = [
  ['not an object', 42, 'expected an object with targets, got 42'],
  ['a list', [], 'expected an object with targets, got a list'],
  ['no targets', {}, 'targets: missing; expected an object from name to target'],
  ['empty targets', { targets: {} }, 'targets: expected at least one target'],
  ['unknown key', withPart({ target: {} }), 'target: unknown key; did you mean "targets"?'],
  [
    'unknown key of a target',
    withTarget({ contxt: 'x' }),
    'targets.api.contxt: unknown key; did you mean "context"?',
  ],
  [
    'unknown key that is like no other',
    withPart({ build: { zzzzzz: 1 } }),
    'build.zzzzzz: unknown key; the keys here are settle, onChange, timeout',
  ],
  [
    'import of another tool',
    withPart({ cluster: { $import: 'x' } }),
    'cluster.$import: unknown key; the keys here are context, kubeconfig, namespace',
  ],
  ['image of the wrong type', withTarget({ image: 42 }), `targets.api.image: ${repository}, got 42`],
  ['image missing', { targets: { api: { context: 'api' } } }, 'targets.api.image: missing; ' + repository],
  [
    'image with a tag',
    withTarget({ image: 'ghcr.io/owner/api:v1' }),
    'targets.api.image: expected a repository without a tag or digest, got "ghcr.io/owner/api:v1": remove ":v1", every build gets a tag from the option "tag"',
  ],
  [
    'image with a digest',
    withTarget({ image: 'host:5000/api@sha256:abc' }),
    'targets.api.image: expected a repository without a tag or digest, got "host:5000/api@sha256:abc": remove "@sha256:abc", every build gets a tag from the option "tag"',
  ],
  [
    'image in capitals',
    withTarget({ image: 'ghcr.io/Owner/api' }),
    `targets.api.image: ${repository}, got "ghcr.io/Owner/api"`,
  ],
  [
    'image with a scheme',
    withTarget({ image: 'https://ghcr.io/api' }),
    `targets.api.image: ${repository}, got "https://ghcr.io/api"`,
  ],
  [
    'context from home',
    withTarget({ context: '~/api' }),
    'targets.api.context: expected a path, got "~/api"',
  ],
  ['context empty', withTarget({ context: '' }), 'targets.api.context: expected a path, got ""'],
  [
    'target name',
    { targets: { 'My Api': api } },
    'targets["My Api"]: the key must be at most 63 lower-case letters, digits and inner "-"',
  ],
  [
    'target name and content',
    { targets: { Api: { ...api, image: 1 } } },
    `targets.Api.image: ${repository}, got 1`,
    'targets.Api: the key must be at most 63 lower-case letters, digits and inner "-"',
  ],
  [
    'build argument of the wrong type',
    withTarget({ buildArgs: { PORT: 80 } }),
    'targets.api.buildArgs.PORT: expected a value as text, got 80',
  ],
  [
    'build argument name',
    withTarget({ buildArgs: { 'A-B': '' } }),
    'targets.api.buildArgs.A-B: the key must be a name of letters, digits and "_"',
  ],
  [
    'platform',
    withTarget({ platform: 'arm64' }),
    'targets.api.platform: expected a platform such as "linux/amd64", got "arm64"',
  ],
  [
    'deploy true',
    withTarget({ deploy: true }),
    'targets.api.deploy: expected false or an object with kind and name, got true',
  ],
  [
    'deploy of another kind',
    withTarget({ deploy: { kind: 'StatefulSet', name: 'api' } }),
    'targets.api.deploy.kind: expected "Deployment", got "StatefulSet"',
  ],
  [
    'deploy with several problems',
    withTarget({ deploy: { kind: 'Deployment', nam: 'api', by: 'label' } }),
    'targets.api.deploy.name: missing; expected a Kubernetes name of lower-case letters, digits, "-" and "."',
    'targets.api.deploy.by: expected "digest" or "tag", got "label"',
    'targets.api.deploy.nam: unknown key; did you mean "name"?',
  ],
  [
    'runner type',
    withPart({ runner: { type: 'docker' } }),
    'runner.type: expected "kubernetes" or "local", got "docker"',
  ],
  [
    'runner no object',
    withPart({ runner: 'local' }),
    'runner: expected an object with options of the runner, got "local"',
  ],
  [
    'runner key of the other type',
    withPart({ runner: { executor: '/x' } }),
    'runner.executor: unknown key; the keys here are type, deployment, namespace, container, workspace, timeout',
  ],
  [
    'runner engine',
    withPart({ runner: { type: 'local', engine: 'lxc' } }),
    'runner.engine: expected "sandbox", "docker" or "podman", got "lxc"',
  ],
  [
    'arguments without an engine',
    withPart({ runner: { type: 'local', engineArgs: ['-v'] } }),
    'runner.engineArgs: only the engines "docker" and "podman" take arguments',
  ],
  [
    'workspace relative',
    withPart({ runner: { workspace: 'ws' } }),
    'runner.workspace: expected an absolute directory of its own in the runner, such as "/workspace", got "ws"',
  ],
  [
    'workspace root',
    withPart({ runner: { workspace: '/' } }),
    'runner.workspace: expected an absolute directory of its own in the runner, such as "/workspace", got "/"',
  ],
  [
    'workspace with dots',
    withPart({ runner: { workspace: '/a/../b' } }),
    'runner.workspace: expected an absolute directory of its own in the runner, such as "/workspace", got "/a/../b"',
  ],
  [
    'workspace of the executor',
    withPart({ runner: { workspace: '/kaniko/ws' } }),
    'runner.workspace: expected a directory outside of /kaniko, /busybox, /proc, /sys and /dev, got "/kaniko/ws"',
  ],
  [
    'namespace',
    withPart({ cluster: { namespace: 'My_NS' } }),
    'cluster.namespace: expected a namespace: at most 63 lower-case letters, digits and inner "-", got "My_NS"',
  ],
  [
    'duration with a space',
    withPart({ build: { settle: '100 ms' } }),
    `build.settle: ${duration}, got "100 ms"`,
  ],
  ['duration negative', withPart({ build: { timeout: -1 } }), `build.timeout: ${duration}, got -1`],
  [
    'duration too long',
    withPart({ build: { timeout: '25h' } }),
    'build.timeout: expected a duration from 1ms to 24h',
  ],
  [
    'duration zero',
    withPart({ build: { timeout: 0 } }),
    'build.timeout: expected a duration from 1ms to 24h',
  ],
  [
    'on change',
    withPart({ build: { onChange: 'stop' } }),
    'build.onChange: expected "cancel" or "queue", got "stop"',
  ],
  [
    'boolean',
    withPart({ kaniko: { reproducible: 'yes' } }),
    'kaniko.reproducible: expected true or false, got "yes"',
  ],
  [
    'cache',
    withPart({ kaniko: { cache: { repo: 'oci:cache', ttl: null } } }),
    'kaniko.cache.repo: expected a repository such as "ghcr.io/owner/name/cache" or a directory such as "oci:/cache/layers", got "oci:cache"',
    `kaniko.cache.ttl: ${duration}, got null`,
  ],
  [
    'kaniko image',
    withPart({ kaniko: { image: 'a b' } }),
    'kaniko.image: expected an image such as "gcr.io/kaniko-project/executor:v1.24.0-debug", got "a b"',
  ],
  [
    'flags',
    withPart({
      kaniko: { flags: ['--context=/x', '-f', 'label=x', '--cache', '--cleanup', '--label=a=b', 7] },
    }),
    'kaniko.flags[0]: --context cannot be set here: use targets.<name>.context',
    'kaniko.flags[1]: expected one whole flag such as "--label=team=web", got "-f"',
    'kaniko.flags[2]: expected one whole flag such as "--label=team=web", got "label=x"',
    'kaniko.flags[3]: --cache cannot be set here: use kaniko.cache.enabled',
    'kaniko.flags[4]: --cleanup cannot be set here: every build sets it itself',
    'kaniko.flags[6]: expected a flag such as "--label=team=web", got 7',
  ],
  [
    'flags no list',
    withPart({ kaniko: { flags: '--force' } }),
    'kaniko.flags: expected a list of flags, got "--force"',
  ],
  [
    'insecure with a scheme',
    withPart({ registry: { insecure: ['http://r:5000'] } }),
    'registry.insecure[0]: expected a registry as host or host:port, got "http://r:5000"',
  ],
  [
    'certificates',
    withPart({ registry: { certificates: { 'r/x': 1 } } }),
    'registry.certificates["r/x"]: expected a path, got 1',
    'registry.certificates["r/x"]: the key must be host or host:port',
  ],
  ['tag latest', withPart({ tag: 'latest' }), 'tag: "latest" is refused: every image needs a tag of its own'],
  [
    'tag without a placeholder',
    withPart({ tag: 'dev' }),
    'tag: expected "content", "timestamp" or a template with {hash} or {time}, got "dev"',
  ],
  [
    'tag with the target alone',
    withPart({ tag: '{target}' }),
    'tag: expected "content", "timestamp" or a template with {hash} or {time}, got "{target}"',
  ],
  [
    'tag placeholder',
    withPart({ tag: '{hash}-{sha}' }),
    'tag: unknown placeholder "{sha}"; there are {hash}, {time} and {target}',
  ],
  [
    'tag grammar',
    withPart({ tag: '-{hash}' }),
    'tag: tags would be invalid, such as "-0123456789ab"; only letters, digits, "_", "." and "-" are allowed, and no "." or "-" first',
  ],
  [
    'tag length',
    { tag: `${'x'.repeat(120)}{hash}`, targets: { api } },
    `tag: tags would be 132 characters long, such as "${'x'.repeat(77)}..."; 128 are allowed`,
  ],
  [
    'tag length with the name',
    { tag: `${'x'.repeat(100)}{hash}{target}`, targets: { api, ['a'.repeat(20)]: api } },
    `tag: tags would be 132 characters long, such as "${'x'.repeat(77)}..."; 128 are allowed`,
  ],
  [
    'everything at once',
    { tag: 1, build: { tmeout: 1 }, targets: { api: { image: 42, contxt: '' } } },
    'tag: expected "content", "timestamp" or a template with {hash} or {time}, got 1',
    'build.tmeout: unknown key; did you mean "timeout"?',
    'targets.api.context: missing; expected a path',
    `targets.api.image: ${repository}, got 42`,
    'targets.api.contxt: unknown key; did you mean "context"?',
  ],
];

for (const [title, config, ...lines] of cases) {
  test(`refused: ${title}`, () => {
    const failure = failureOf(validateConfig(config, file));
    assert.equal(failure.code, 'config-invalid');
    assert.equal(
      failure.message,
      `${lines.length === 1 ? '1 problem' : `${lines.length} problems`} in ${file}`,
    );
    assert.deepEqual(failure.detail, lines);
  });
}

test('accepted: values at the edge', () => {
  const config = value(
    validateConfig(
      {
        cluster: { namespace: undefined },
        runner: {
          type: 'local',
          engine: 'podman',
          engineArgs: ['--network=host'],
          executor: 'bin/executor',
          timeout: '1.5s',
        },
        registry: {
          insecure: ['[::1]:5000', 'r'],
          certificates: { 'r:5000': 'ca.pem' },
          mirrors: { 'docker.io': 'm/p' },
        },
        kaniko: { cache: { repo: 'oci:/cache', ttl: '8760h' }, flags: ['--force', '--label=a=b=c'] },
        build: { settle: 0 },
        tag: '{target}_{time}.{hash}',
        targets: {
          b: { context: '/abs', dockerfile: '../docker/b', image: 'host:5000/a__b/c--d', deploy: false },
          a: { ...api, deploy: { kind: 'Deployment', name: 'a.b' } },
        },
      },
      file,
    ),
  );
  assert.deepEqual(config.runner, {
    type: 'local',
    executor: '/project/bin/executor',
    busybox: undefined,
    certificates: undefined,
    push: false,
    rootless: undefined,
    engine: 'podman',
    engineArgs: ['--network=host'],
    timeout: 1500,
  });
  assert.deepEqual(config.registry.certificates, { 'r:5000': '/project/ca.pem' });
  assert.deepEqual(Object.keys(config.targets), ['b', 'a']);
  assert.equal(config.targets['b']?.dockerfile, '/docker/b');
  assert.equal(config.targets['b']?.cacheRepo, 'oci:/cache');
  assert.equal(config.targets['b']?.deploy, undefined);
  assert.equal(config.targets['a']?.deploy?.namespace, undefined);
});
