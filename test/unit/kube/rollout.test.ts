/** The requests of a roll-out and their faults, against a fake API server. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { RollOutcome, RollRequest } from '../../../src/host.ts';
import { kubeCluster } from '../../../src/kube/rollout.ts';
import type { Result } from '../../../src/result.ts';
import { answer, fakeServer, statusBody, until } from './rig.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const image = 'ghcr.io/ardenone/moltbook-api';
const reference = `${image}:v2@${digest}`;
const request: RollRequest = {
  workload: { kind: 'Deployment', namespace: 'moltbook', name: 'api' },
  image,
  reference,
  digest,
  timeout: 5000,
};

/** A little of a Deployment controller: a patch is rolled out at once. */
class Moltbook {
  image = `${image}:v1`;
  paused = false;
  /** Whether a new pod ever becomes ready. */
  ready = true;
  version = 1;
  readonly patches: { body: Record<string, unknown>; type: string | undefined; url: URL }[] = [];
  /** Asked before each answer; true when it has answered itself. */
  fault: (request: IncomingMessage, response: ServerResponse, apply: () => void) => boolean = () => false;

  readonly onRequest = (incoming: IncomingMessage, response: ServerResponse, body: string): void => {
    const url = new URL(incoming.url ?? '', 'http://x');
    const apply = (): void => {
      this.image = JSON.parse(body).spec.template.spec.containers[0].image;
      this.version += 1;
    };
    if (incoming.method === 'PATCH') {
      this.patches.push({ body: JSON.parse(body), type: incoming.headers['content-type'], url });
    }
    if (this.fault(incoming, response, apply)) return;
    if (url.pathname.endsWith('/deployments/api')) {
      if (incoming.method === 'PATCH') apply();
      answer(response, 200, this.deployment());
    } else if (url.pathname.endsWith('/replicasets')) {
      answer(response, 200, { items: [this.replicaSet()] });
    } else if (url.pathname.endsWith('/pods')) {
      answer(response, 200, { items: [this.pod()] });
    } else if (url.pathname.endsWith('/namespaces/moltbook')) {
      answer(response, 200, { metadata: { name: 'moltbook' } });
    } else {
      answer(response, 404, statusBody(404, `nothing at ${url.pathname}`));
    }
  };

  deployment(): object {
    const replicas = this.ready
      ? { replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
      : { replicas: 2, updatedReplicas: 1 };
    return {
      metadata: {
        name: 'api',
        uid: 'd',
        generation: this.version,
        resourceVersion: String(this.version),
        annotations: { 'deployment.kubernetes.io/revision': String(this.version) },
      },
      spec: {
        replicas: 1,
        paused: this.paused,
        selector: {
          matchLabels: { app: 'api' },
          matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }],
        },
        template: {
          spec: {
            containers: [
              { name: 'api', image: this.image },
              { name: 'proxy', image: 'nginx' },
            ],
          },
        },
      },
      status: { observedGeneration: this.version, ...replicas },
    };
  }

  replicaSet(): object {
    const annotations = { 'deployment.kubernetes.io/revision': String(this.version) };
    return { metadata: { name: 'api-2', uid: 'rs', annotations, ownerReferences: [{ uid: 'd' }] } };
  }

  pod(): object {
    return {
      metadata: { name: 'api-2-x', namespace: 'moltbook', uid: 'p', ownerReferences: [{ uid: 'rs' }] },
      spec: { containers: [{ name: 'api', image: this.image }] },
      status: {
        phase: 'Running',
        conditions: [{ type: 'Ready', status: this.ready ? 'True' : 'False' }],
        containerStatuses: [
          { name: 'api', ready: this.ready, state: { running: {} }, imageID: `x@${digest}` },
        ],
      },
    };
  }
}

async function roll(
  moltbook: Moltbook,
  change: Partial<RollRequest> = {},
  onProgress: (message: string) => void = () => undefined,
  signal = new AbortController().signal,
): Promise<Result<RollOutcome>> {
  const server = await fakeServer({ onRequest: moltbook.onRequest });
  try {
    return await kubeCluster(server.kube).roll({ ...request, ...change }, onProgress, signal);
  } finally {
    await server.stop();
  }
}

test('only the containers of the image are patched, with the version that was read', async () => {
  const moltbook = new Moltbook();
  const result = await roll(moltbook);
  assert.deepEqual(result, { ok: true, value: { changed: true, containers: ['api'], pods: ['api-2-x'] } });
  assert.equal(moltbook.patches.length, 1);
  const { body, type, url } = moltbook.patches[0]!;
  assert.equal(type, 'application/strategic-merge-patch+json');
  assert.equal(url.searchParams.get('fieldManager'), 'kaniko-dev');
  assert.deepEqual(body, {
    metadata: { resourceVersion: '1', annotations: { 'kaniko-dev.io/image': reference } },
    spec: { template: { spec: { containers: [{ name: 'api', image: reference }] } } },
  });
});

test('an image that is already there is not patched', async () => {
  const moltbook = new Moltbook();
  moltbook.image = reference;
  const result = await roll(moltbook);
  assert.ok(result.ok && !result.value.changed);
  assert.deepEqual(moltbook.patches, []);
});

test('a patch that lost a race is made again from what is there now', async () => {
  const moltbook = new Moltbook();
  moltbook.fault = (incoming, response) => {
    if (incoming.method !== 'PATCH' || moltbook.patches.length > 2) return false;
    moltbook.version += 1;
    answer(
      response,
      409,
      statusBody(409, 'the object has been modified; please apply your changes to the latest version'),
    );
    return true;
  };
  const result = await roll(moltbook);
  assert.ok(result.ok && result.value.changed, JSON.stringify(result));
  const versions = moltbook.patches.map(
    ({ body }) => (body['metadata'] as { resourceVersion: string }).resourceVersion,
  );
  assert.deepEqual(versions, ['1', '2', '3']);
});

test('a patch whose answer was lost counts as a change', async () => {
  const moltbook = new Moltbook();
  moltbook.fault = (incoming, response, apply) => {
    if (incoming.method !== 'PATCH') return false;
    if (moltbook.patches.length === 1) {
      apply();
      response.socket?.destroy();
    } else {
      answer(response, 409, statusBody(409, 'the object has been modified'));
    }
    return true;
  };
  const result = await roll(moltbook);
  assert.ok(result.ok && result.value.changed, JSON.stringify(result));
});

test('an outage before and during the patch is waited out; what was there already is no change', async () => {
  for (const [before, changed] of [
    [`${image}:v1`, true],
    [reference, false],
  ] as const) {
    const moltbook = new Moltbook();
    moltbook.image = before;
    let cut = 0;
    moltbook.fault = (_incoming, response) => {
      // More than the repetitions of one call.
      cut += 1;
      if (cut > 4) return false;
      response.socket?.destroy();
      return true;
    };
    const progress: string[] = [];
    const result = await roll(moltbook, {}, (message) => progress.push(message));
    assert.ok(result.ok, JSON.stringify(result));
    assert.equal(result.value.changed, changed);
    assert.equal(progress.filter((message) => message.includes('cut')).length, 1, 'told once');
  }
});

test('an outage that outlasts the timeout is the failure', async () => {
  const moltbook = new Moltbook();
  moltbook.fault = (_incoming, response) => {
    response.socket?.destroy();
    return true;
  };
  const result = await roll(moltbook, { timeout: 1500 });
  assert.ok(!result.ok && result.failure.code === 'cluster-unreachable', JSON.stringify(result));
});

test('a patch that the cluster refuses is a failed roll-out', async () => {
  const moltbook = new Moltbook();
  moltbook.fault = (incoming, response) => {
    if (incoming.method !== 'PATCH') return false;
    answer(response, 422, statusBody(422, 'Deployment.apps "api" is invalid: spec'));
    return true;
  };
  const result = await roll(moltbook);
  assert.ok(!result.ok && result.failure.code === 'roll-failed', JSON.stringify(result));
  assert.match(result.failure.message, /is invalid: spec/);
});

test('cut connections and 500s while waiting are waited out', async () => {
  const moltbook = new Moltbook();
  let looks = 0;
  moltbook.fault = (incoming, response) => {
    if (moltbook.patches.length === 0 || incoming.method === 'PATCH') return false;
    looks += 1;
    if (looks > 8) return false;
    if (looks % 2 === 0) response.socket?.destroy();
    else answer(response, 500, statusBody(500, 'etcdserver: leader changed'));
    return true;
  };
  const progress: string[] = [];
  const result = await roll(moltbook, { timeout: 20_000 }, (message) => progress.push(message));
  assert.ok(result.ok, JSON.stringify(result));
  assert.ok(
    progress.some((message) => /cut|answered 500/.test(message)),
    progress.join('\n'),
  );
});

test('ReplicaSets that may not be read are done without', async () => {
  const moltbook = new Moltbook();
  moltbook.fault = (incoming, response) => {
    if (incoming.url?.includes('/replicasets') !== true) return false;
    const message =
      'replicasets.apps is forbidden: User "dev" cannot list resource "replicasets" in API group "apps"';
    answer(response, 403, statusBody(403, message));
    return true;
  };
  assert.ok((await roll(moltbook)).ok);
});

test('pods are chosen by the whole selector', async () => {
  const moltbook = new Moltbook();
  let selector: string | null = null;
  moltbook.fault = (incoming) => {
    const url = new URL(incoming.url ?? '', 'http://x');
    if (url.pathname.endsWith('/pods')) selector = url.searchParams.get('labelSelector');
    return false;
  };
  assert.ok((await roll(moltbook)).ok);
  assert.equal(selector, 'app=api,tier in (a,b)');
});

test('what cannot be rolled is said before anything is patched', async () => {
  const unused = new Moltbook();
  const other = await roll(unused, { image: 'ghcr.io/ardenone/other' });
  assert.ok(!other.ok && other.failure.code === 'roll-image-unused');
  assert.match(other.failure.message, /its images are ghcr\.io\/ardenone\/moltbook-api:v1, nginx/);
  const paused = new Moltbook();
  paused.paused = true;
  const held = await roll(paused);
  assert.ok(!held.ok && held.failure.code === 'roll-failed' && /paused/.test(held.failure.message));
  assert.deepEqual([...unused.patches, ...paused.patches], []);
});

test('a Deployment that is deleted while it is waited for is missing', async () => {
  const moltbook = new Moltbook();
  moltbook.ready = false;
  moltbook.fault = (incoming, response) => {
    if (moltbook.patches.length === 0 || incoming.url?.endsWith('/deployments/api') !== true) return false;
    if (incoming.method !== 'GET') return false;
    answer(response, 404, statusBody(404, 'deployments.apps "api" not found'));
    return true;
  };
  const result = await roll(moltbook);
  assert.ok(!result.ok && result.failure.code === 'workload-missing', JSON.stringify(result));
});

test('the timeout tells the state of the pods, a stopped signal ends the wait', async () => {
  const moltbook = new Moltbook();
  moltbook.ready = false;
  const late = await roll(moltbook, { timeout: 100 });
  assert.ok(!late.ok && late.failure.code === 'roll-timeout');
  assert.deepEqual(late.failure.detail, ['pod api-2-x: container api: running, not ready yet']);
  const controller = new AbortController();
  const stopped = await roll(
    moltbook,
    { timeout: 60_000 },
    (message) => {
      if (/0 of 1/.test(message)) controller.abort();
    },
    controller.signal,
  );
  assert.ok(!stopped.ok && stopped.failure.code === 'roll-superseded');
});

test('on 401 the kubeconfig is read again; requests share a connection', async () => {
  const moltbook = new Moltbook();
  const ports = new Set<number | undefined>();
  const server = await fakeServer({
    onRequest(incoming, response, body) {
      ports.add(incoming.socket.remotePort);
      if (incoming.headers.authorization === 'Bearer second')
        return moltbook.onRequest(incoming, response, body);
      server.writeToken('second');
      return answer(response, 401, statusBody(401, 'Unauthorized'));
    },
  });
  try {
    const result = await kubeCluster(server.kube).roll(
      request,
      () => undefined,
      new AbortController().signal,
    );
    assert.ok(result.ok, JSON.stringify(result));
    // Two requests at once need two connections; the first credentials had their own.
    await until(
      () => ports.size <= 4,
      () => `${ports.size} connections`,
    );
  } finally {
    await server.stop();
  }
});
