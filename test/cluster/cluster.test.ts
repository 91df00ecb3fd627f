// The cluster is what the other tests take it for. Every expectation names a value that only a
// working part can give: a version, a digest, a refusal by name.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { kanikoVersion } from './cache.ts';
import { testCluster, type TestCluster } from './cluster.ts';
import { CommandError } from './command.ts';

describe('the test cluster', { timeout: 240_000 }, () => {
  let cluster: TestCluster;
  let namespace: string;
  const inNamespace = (...args: string[]) => cluster.kubectl(['--namespace', namespace, ...args]);
  const apply = (resource: object) =>
    cluster.kubectl(['apply', '-n', namespace, '-f', '-'], { input: JSON.stringify(resource) });
  const inRunner = (...argv: string[]) => inNamespace('exec', 'deployment/runner', '--', ...argv);

  /** Builds an image that nobody built before, and pushes it to the plain registry with tag 1. */
  const build = async (repository: string) => {
    const { registry } = cluster;
    const proof = randomBytes(8).toString('hex');
    const dockerfile = `FROM busybox:1.36\nRUN echo ${proof} > /proof\nCMD ["sh", "-c", "cat /proof; exec sleep 3600"]\n`;
    const receive = '/busybox/mkdir -p /workspace/ctx && /busybox/cat > /workspace/ctx/Dockerfile';
    await cluster.kubectl(
      ['exec', '-i', '-n', namespace, 'deployment/runner', '--', '/busybox/sh', '-c', receive],
      { input: dockerfile },
    );
    await inRunner(
      '/kaniko/executor',
      '--force',
      '--cleanup',
      '--context=dir:///workspace/ctx',
      `--destination=${registry}/${repository}:1`,
      `--registry-map=index.docker.io=${registry}`,
      `--insecure-registry=${registry}`,
      '--digest-file=/workspace/digest',
    );
    return { proof, digest: await inRunner('/busybox/cat', '/workspace/digest') };
  };

  const runImage = async (name: string, image: string) => {
    await apply(pod(name, image));
    await inNamespace('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    const path = '{.status.containerStatuses[0].imageID}';
    return {
      log: await inNamespace('logs', name),
      imageId: await inNamespace('get', 'pod', name, `--output=jsonpath=${path}`),
    };
  };

  before(async () => {
    cluster = await testCluster();
    namespace = await cluster.createNamespace('cluster-test');
    await apply(runner(cluster));
    await inNamespace('rollout', 'status', 'deployment/runner', '--timeout=60s');
  });
  after(async () => {
    if (namespace !== undefined) await cluster.deleteNamespace(namespace);
  });

  test('has one node, and it is ready', async () => {
    const nodes = await cluster.kubectl([
      'get',
      'nodes',
      '--output=jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}',
    ]);
    assert.match(nodes, /^(True )+$/);
  });

  test('runs kaniko of the pinned version in a pod', async () => {
    const output = await inRunner('/kaniko/executor', 'version');
    assert.match(output, new RegExp(`^Kaniko version : +${kanikoVersion.replaceAll('.', '\\.')}$`, 'm'));
  });

  test('passes the exit code of a command in a pod', async () => {
    await assert.rejects(inRunner('/busybox/sh', '-c', 'exit 42'), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.code, 42);
      return true;
    });
  });

  test('builds an image in a pod, and runs it', async () => {
    const repository = `test/${namespace}`;
    const { digest, proof } = await build(repository);
    assert.equal(await digestInRegistry(cluster.registry, repository), digest);
    assert.deepEqual(await runImage('built', `${cluster.registry}/${repository}:1`), {
      log: `${proof}\n`,
      imageId: `${cluster.registry}/${repository}@${digest}`,
    });
  });

  test('finds a pushed image under its ghcr.io name too', async () => {
    const repository = `ardenone/${namespace}`;
    // Content of its own: for a digest it already has, containerd need not ask any registry.
    const { digest, proof } = await build(repository);
    const image = `ghcr.io/${repository}@${digest}`;
    assert.deepEqual(await runImage('ghcr', image), { log: `${proof}\n`, imageId: image });
  });

  test('asks for credentials over TLS', async () => {
    const ca = await readFile(cluster.tlsRegistryCa);
    const ask = (auth?: string) => statusOf(`https://${cluster.tlsRegistry}/v2/`, ca, auth);
    assert.equal(await ask(), 401);
    assert.equal(await ask('writer:wrong'), 401);
    assert.equal(await ask('writer:writer-password'), 200);
    assert.equal(await ask('reader:reader-password'), 200);
    await assert.rejects(statusOf(`https://${cluster.tlsRegistry}/v2/`, undefined), /certificate/);
  });

  test('kills a container for its memory', async () => {
    const hungry = pod('hungry', cluster.runnerImage, [
      '/busybox/sh',
      '-c',
      'x=aaaaaaaa; while :; do x=$x$x; done',
    ]);
    const [container] = hungry.spec.containers;
    await apply({
      ...hungry,
      spec: {
        restartPolicy: 'Never',
        containers: [{ ...container, resources: { limits: { memory: '32Mi' } } }],
      },
    });
    const path = '{.status.containerStatuses[0].state.terminated.reason}';
    await inNamespace('wait', 'pod/hungry', `--for=jsonpath=${path}=OOMKilled`, '--timeout=60s');
  });

  test('serves the API to a pod at the address its environment names', async () => {
    const answer = await inRunner(
      '/busybox/sh',
      '-c',
      '/busybox/nc -w 3 "$KUBERNETES_SERVICE_HOST" "$KUBERNETES_SERVICE_PORT" < /dev/null && echo open',
    );
    assert.equal(answer, 'open\n');
  });

  test('starts the image without a shell, and finds none in it', async () => {
    await apply(pod('no-shell', cluster.noShellImage, ['/hold/sleep', '3600']));
    await inNamespace('wait', 'pod/no-shell', '--for=condition=Ready', '--timeout=60s');
    await assert.rejects(
      inNamespace('exec', 'no-shell', '--', '/busybox/sh', '-c', 'true'),
      /no such file or directory/,
    );
  });

  test('refuses the developer, who was given no rights, by name', async () => {
    const listing = cluster.kubectl(['get', 'pods', '--namespace', namespace], {
      kubeconfig: cluster.developerKubeconfig,
    });
    await assert.rejects(listing, /Forbidden.*User "developer" cannot list resource "pods"/);
  });

  test('gives the developer what a Role grants, and nobody else', async () => {
    await inNamespace('create', 'role', 'reader', '--verb=get,list', '--resource=pods');
    await inNamespace('create', 'rolebinding', 'reader', '--role=reader', '--user=developer');
    const list = (kubeconfig: string) =>
      cluster.kubectl(['get', 'pods', '--namespace', namespace, '--output=name'], { kubeconfig });
    assert.match(await list(cluster.developerKubeconfig), /^pod\/runner-/m);
    await assert.rejects(
      list(cluster.nobodyKubeconfig),
      /Forbidden.*User "nobody-dev" cannot list resource "pods"/,
    );
  });
});

async function digestInRegistry(registry: string, repository: string): Promise<string | null> {
  const accept =
    'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json';
  const url = `http://${registry}/v2/${repository}/manifests/1`;
  const response = await fetch(url, { method: 'HEAD', headers: { accept } });
  return response.headers.get('docker-content-digest');
}

function statusOf(url: string, ca: Buffer | undefined, auth?: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false, ...(ca && { ca }), ...(auth !== undefined && { auth }) }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once('error', reject)
      .end();
  });
}

const runner = (cluster: TestCluster) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'runner' },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'runner' } },
    template: {
      metadata: { labels: { app: 'runner' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'kaniko',
            image: cluster.runnerImage,
            imagePullPolicy: 'IfNotPresent',
            command: ['/busybox/sleep', '86400'],
            volumeMounts: [{ name: 'workspace', mountPath: '/workspace' }],
          },
        ],
        volumes: [{ name: 'workspace', emptyDir: {} }],
      },
    },
  },
});

const pod = (name: string, image: string, command?: readonly string[]) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { terminationGracePeriodSeconds: 1, containers: [{ name, image, ...(command && { command }) }] },
});
