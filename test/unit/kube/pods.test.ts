/** Waiting for the runner's pod, against a fake API server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerResponse } from 'node:http';
import { findRunnerPod, type RunnerPod } from '../../../src/kube/pods.ts';
import type { Result } from '../../../src/result.ts';
import { answer, fakeServer, statusBody } from './rig.ts';

const request = { namespace: 'moltbook', deployment: 'runner' };

interface Scene {
  readonly pods: readonly object[];
  readonly events?: readonly object[] | 'forbidden';
  readonly status?: object;
  readonly replicas?: number;
}

/** Shows one scene for each look at the pods, the last one for ever. */
async function find(
  scenes: readonly Scene[],
  deadline: number,
): Promise<{ result: Result<RunnerPod>; waiting: string[] }> {
  let looks = 0;
  const scene = (): Scene => scenes[Math.min(looks, scenes.length) - 1] ?? scenes[0]!;
  const server = await fakeServer({
    onRequest(incoming, response) {
      const path = new URL(incoming.url ?? '', 'http://x').pathname;
      if (path.endsWith('/pods')) {
        looks += 1;
        answer(response, 200, { items: scene().pods });
      } else if (path.endsWith('/events')) events(response, scene().events ?? []);
      else if (path.endsWith('/deployments/runner')) answer(response, 200, deployment(scene()));
      else answer(response, 404, statusBody(404, `deployments.apps not found: ${path}`));
    },
  });
  const waiting: string[] = [];
  try {
    const { signal } = new AbortController();
    const result = await findRunnerPod(
      server.kube,
      request,
      signal,
      (reason) => waiting.push(reason),
      deadline,
    );
    return { result, waiting };
  } finally {
    await server.stop();
  }
}

function events(response: ServerResponse, given: readonly object[] | 'forbidden'): void {
  if (given === 'forbidden') answer(response, 403, statusBody(403, 'events is forbidden'));
  else answer(response, 200, { items: given });
}

function deployment({ status, replicas }: Scene): object {
  return {
    metadata: { name: 'runner' },
    spec: {
      replicas: replicas ?? 1,
      selector: { matchLabels: { app: 'runner' } },
      template: { spec: { containers: [{ name: 'kaniko' }, { name: 'proxy' }] } },
    },
    status,
  };
}

function pod(
  name: string,
  state: object,
  change: { ready?: boolean; created?: string; deleted?: string } = {},
): object {
  const ready = change.ready ?? false;
  return {
    metadata: {
      name,
      namespace: 'moltbook',
      uid: `uid-${name}`,
      creationTimestamp: change.created ?? '2024-01-01T00:00:00Z',
      ...(change.deleted === undefined ? {} : { deletionTimestamp: change.deleted }),
    },
    status: {
      phase: ready ? 'Running' : 'Pending',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        { name: 'kaniko', ready, state, containerID: `containerd://${name}`, restartCount: 2 },
      ],
    },
  };
}

const running = { running: {} };

test('the newest ready pod that is not going away is taken', async () => {
  const { result } = await find(
    [
      {
        pods: [
          pod('old', running, { ready: true }),
          pod('new', running, { ready: true, created: '2024-01-03T00:00:00Z' }),
          pod('ending', running, {
            ready: true,
            created: '2024-01-04T00:00:00Z',
            deleted: '2024-01-05T00:00:00Z',
          }),
          pod('unready', running, { created: '2024-01-05T00:00:00Z' }),
        ],
      },
    ],
    0,
  );
  const value = {
    pod: 'new',
    uid: 'uid-new',
    container: 'kaniko',
    containerId: 'containerd://new',
    restartCount: 2,
  };
  assert.deepEqual(result, { ok: true, value });
});

test('every reason to wait is told once, in one line', async () => {
  const creating = { waiting: { reason: 'ContainerCreating' } };
  const mount = {
    reason: 'FailedMount',
    message: 'MountVolume.SetUp failed for volume "docker-config" : secret "ghcr-credentials" not found',
    metadata: {},
    involvedObject: {},
  };
  const { result, waiting } = await find(
    [
      {
        pods: [],
        status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] },
      },
      { pods: [pod('p', creating)], events: [mount] },
      { pods: [pod('p', creating)], events: 'forbidden' },
      { pods: [pod('p', { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling' } })] },
      { pods: [pod('p', running, { ready: true })] },
    ],
    20_000,
  );
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(waiting.length, 4, waiting.join('\n'));
  assert.match(waiting[0]!, /exceeded quota/);
  assert.match(waiting[1]!, /^pod p: waiting for secret "ghcr-credentials" \(FailedMount: MountVolume/);
  assert.match(waiting[2]!, /^pod p: container kaniko: ContainerCreating$/);
  assert.match(waiting[3]!, /^pod p: container kaniko: ImagePullBackOff: Back-off pulling$/);
});

test('at the deadline the last reason is the failure', async () => {
  const { result } = await find([{ pods: [], replicas: 0 }], 10);
  assert.ok(!result.ok && result.failure.code === 'runner-not-ready');
  assert.match(result.failure.message, /scaled to 0 replicas/);
});
