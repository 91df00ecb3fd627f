/** What one look at a roll-out means, as pure data. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { V1ContainerStatus, V1Deployment, V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import type { RollRequest } from '../../../src/host.ts';
import { Rollout, type Judgement, type Look } from '../../../src/kube/progress.ts';
import { containersUsing, newReplicaSet } from '../../../src/kube/workload.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const image = 'ghcr.io/ardenone/moltbook-api';
const reference = `${image}:v2`;
const request: RollRequest = {
  workload: { kind: 'Deployment', namespace: 'moltbook', name: 'api' },
  image,
  reference,
  digest,
  timeout: 60_000,
};

function deployment(
  change: { replicas?: number; status?: object; image?: string; annotations?: object } = {},
): V1Deployment {
  const replicas = change.replicas ?? 1;
  return {
    metadata: {
      name: 'api',
      uid: 'd',
      generation: 2,
      annotations: { 'deployment.kubernetes.io/revision': '2' },
    },
    spec: {
      replicas,
      selector: {},
      template: { spec: { containers: [{ name: 'api', image: change.image ?? reference }] } },
    },
    status: { observedGeneration: 2, ...change.status },
  };
}

const replicaSet: V1ReplicaSet = { metadata: { name: 'api-2', uid: 'rs2' } };
const complete = { replicas: 1, updatedReplicas: 1, availableReplicas: 1 };

function pod(
  name: string,
  status: Partial<V1ContainerStatus> | undefined,
  change: Partial<V1Pod> = {},
): V1Pod {
  const ready = status?.ready ?? false;
  const full: V1ContainerStatus = {
    name: 'api',
    image: reference,
    imageID: '',
    ready,
    restartCount: 0,
    ...status,
  };
  return {
    metadata: { name, namespace: 'moltbook', uid: name, ownerReferences: [{ uid: 'rs2' } as never] },
    spec: { containers: [{ name: 'api', image: reference }] },
    status: {
      phase: ready ? 'Running' : 'Pending',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      ...(status === undefined ? {} : { containerStatuses: [full] }),
    },
    ...change,
  };
}

const running = { state: { running: {} }, ready: true, imageID: `${image}@${digest}` };
const old = pod('old', running, {
  metadata: { name: 'old', uid: 'old', ownerReferences: [{ uid: 'rs1' } as never] },
});

function judge(look: Partial<Look>, now = 0, rollout = new Rollout(request, uses())): Judgement {
  return rollout.judge({ deployment: deployment(), pods: [], replicaSet, now, ...look });
}

function uses(): ReturnType<typeof containersUsing> {
  return containersUsing(deployment(), image);
}

function failedAs(judgement: Judgement, code: string, pattern: RegExp): void {
  assert.ok(judgement.kind === 'failed', JSON.stringify(judgement));
  assert.equal(judgement.failure.code, code);
  assert.match(judgement.failure.message, pattern);
}

test('done means all pods are new, ready, available and run the digest', () => {
  const done = { deployment: deployment({ status: complete }), pods: [old, pod('new', running)] };
  assert.deepEqual(judge(done), { kind: 'done', pods: ['new'] });
  const unproven = pod('new', { ...running, imageID: '' });
  unproven.spec = { containers: [{ name: 'api', image: `${reference}@${digest}` }] };
  assert.equal(judge({ ...done, pods: [unproven] }).kind, 'done');
  for (const status of [
    { ...complete, replicas: 2 },
    { ...complete, updatedReplicas: 0 },
    { ...complete, availableReplicas: 0 },
    { ...complete, observedGeneration: 1 },
  ]) {
    assert.equal(
      judge({ ...done, deployment: deployment({ status }) }).kind,
      'waiting',
      JSON.stringify(status),
    );
  }
  assert.equal(judge({ ...done, replicaSet: undefined }).kind, 'waiting');
  assert.equal(judge({ ...done, pods: [old] }).kind, 'waiting');
  assert.deepEqual(judge({ deployment: deployment({ replicas: 0 }) }), { kind: 'done', pods: [] });
});

test('a ready pod with another digest is a failure, never a success', () => {
  const other = pod('new', { ...running, imageID: `${image}@sha256:${'b'.repeat(64)}` });
  failedAs(
    judge({ deployment: deployment({ status: complete }), pods: [other] }),
    'roll-failed',
    /sha256:bbb.* instead of sha256:aaa/,
  );
});

const waiting = (reason: string, message?: string): Partial<V1ContainerStatus> => ({
  state: { waiting: message === undefined ? { reason } : { reason, message } },
});

test('trouble of a new pod is told at once, with the words of the kubelet', () => {
  for (const [status, code, pattern] of [
    [
      waiting('ErrImagePull', 'not found'),
      'roll-image-pull',
      /pod new: container api: ErrImagePull: not found/,
    ],
    [waiting('ImagePullBackOff', 'Back-off'), 'roll-image-pull', /Back-off/],
    [waiting('InvalidImageName'), 'roll-image-pull', /InvalidImageName/],
    [waiting('CreateContainerConfigError', 'secret "x" not found'), 'roll-config', /secret "x" not found/],
    [waiting('RunContainerError', 'no such file'), 'roll-config', /no such file/],
    [
      { state: { terminated: { exitCode: 3, reason: 'Error' } } },
      'roll-crash',
      /exited with 3; the old pod keeps serving/,
    ],
    [{ state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } }, 'roll-crash', /137 \(OOMKilled\)/],
    [
      {
        ...waiting('CrashLoopBackOff'),
        lastState: { terminated: { exitCode: 128, reason: 'StartError', message: 'no /nope' } },
      },
      'roll-config',
      /StartError: no \/nope/,
    ],
    [{ state: { terminated: { exitCode: 0, reason: 'Completed' } } }, 'roll-crash', /exited with 0/],
    [
      { ...waiting('CrashLoopBackOff'), lastState: { terminated: { exitCode: 1 } } },
      'roll-crash',
      /exited with 1/,
    ],
    [{ state: { running: {} }, lastState: { terminated: { exitCode: 2 } } }, 'roll-crash', /exited with 2/],
  ] as const) {
    failedAs(judge({ pods: [old, pod('new', status)] }), code, pattern);
    // The same on a pod of the old revision, or on one that is going away, is nothing to this roll-out.
    const ownerReferences = [{ uid: 'rs1' } as never];
    const elsewhere = pod('x', status, { metadata: { name: 'x', uid: 'x', ownerReferences } });
    assert.equal(judge({ pods: [elsewhere] }).kind, 'waiting');
    const ending = pod('new', status);
    ending.metadata = { ...ending.metadata, deletionTimestamp: new Date() };
    assert.equal(judge({ pods: [ending] }).kind, 'waiting');
  }
});

test('what is only starting, or works again, is waited for', () => {
  for (const status of [
    undefined,
    waiting('ContainerCreating'),
    { state: { running: {} } },
    { state: { running: {} }, ready: true, imageID: digest, lastState: { terminated: { exitCode: 1 } } },
  ] as const) {
    assert.equal(judge({ pods: [pod('new', status)] }).kind, 'waiting', JSON.stringify(status));
  }
});

test('a failing init container is a crash, one that ended well is not', () => {
  const init = (exitCode: number): V1Pod => {
    const made = pod('new', waiting('PodInitializing'));
    const status = {
      name: 'migrate',
      ready: false,
      state: { terminated: { exitCode } },
    } as V1ContainerStatus;
    made.status = { ...made.status, initContainerStatuses: [status] };
    return made;
  };
  const failed = judge({ pods: [init(5)] });
  failedAs(failed, 'roll-crash', /container migrate exited with 5/);
  assert.ok(failed.kind === 'failed');
  assert.deepEqual(failed.crashed, {
    namespace: 'moltbook',
    pod: 'new',
    container: 'migrate',
    restarted: false,
  });
  assert.equal(judge({ pods: [init(0)] }).kind, 'waiting');
});

test('unschedulable counts after three seconds, and not while old pods are ending', () => {
  const unschedulable = pod('new', undefined);
  unschedulable.status = {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }],
  };
  const ending = pod('old', running, {
    metadata: { name: 'old', uid: 'old', deletionTimestamp: new Date() },
  });
  const rollout = new Rollout(request, uses());
  assert.equal(judge({ pods: [unschedulable, ending] }, 0, rollout).kind, 'waiting');
  assert.equal(judge({ pods: [unschedulable] }, 10_000, rollout).kind, 'waiting');
  assert.equal(judge({ pods: [unschedulable] }, 12_999, rollout).kind, 'waiting');
  failedAs(judge({ pods: [unschedulable] }, 13_000, rollout), 'roll-unschedulable', /0\/1 nodes/);
});

test('quota, progress deadline and the timeout', () => {
  const condition = { type: 'ReplicaFailure', status: 'True', message: 'exceeded quota: q' };
  const refused = { ...replicaSet, status: { replicas: 0, conditions: [condition] } };
  const rollout = new Rollout(request, uses());
  assert.equal(judge({ replicaSet: refused }, 0, rollout).kind, 'waiting');
  failedAs(
    judge({ replicaSet: refused, pods: [old] }, 3000, rollout),
    'roll-failed',
    /exceeded quota: q; the old pod keeps serving/,
  );
  const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }];
  const late = {
    deployment: deployment({ status: { conditions } }),
    pods: [pod('new', { state: { running: {} } })],
  };
  assert.equal(judge(late, 4000, rollout).kind, 'waiting');
  failedAs(judge(late, 7000, rollout), 'roll-timeout', /progress deadline/);
  const timeout = rollout.timeout({ deployment: deployment(), replicaSet, pods: [old, ...late.pods] });
  assert.equal(timeout.code, 'roll-timeout');
  assert.match(timeout.message, /not ready after 60 s; the old pod keeps serving/);
  assert.deepEqual(timeout.detail, ['pod new: container api: running, not ready yet']);
});

test('an image changed by someone else is a conflict that names the writer', () => {
  const changed = deployment({ image: `${image}:v9`, status: complete });
  const fields = (name: string): object => ({
    'f:spec': {
      'f:template': { 'f:spec': { 'f:containers': { [`k:{"name":"${name}"}`]: { 'f:image': {} } } } },
    },
  });
  changed.metadata = {
    ...changed.metadata,
    managedFields: [
      { manager: 'kaniko-dev', time: new Date(1), fieldsV1: fields('api') },
      { manager: 'argocd', time: new Date(2), fieldsV1: fields('api') },
      { manager: 'newer-but-other', time: new Date(3), fieldsV1: fields('sidecar') },
    ],
  };
  failedAs(
    judge({ deployment: changed, pods: [pod('new', running)] }),
    'roll-conflict',
    /moltbook-api:v9, written by argocd/,
  );
});

test('without the right to read ReplicaSets the image tells the new pods', () => {
  const older = pod('old', running);
  older.spec = { containers: [{ name: 'api', image: `${image}:v1` }] };
  const look = {
    deployment: deployment({ status: complete }),
    replicaSet: null,
    pods: [older, pod('new', running)],
  };
  assert.deepEqual(judge(look), { kind: 'done', pods: ['new'] });
});

test('containers and the ReplicaSet of the revision are found', () => {
  const made = deployment();
  made.spec!.template.spec = {
    initContainers: [{ name: 'migrate', image: `${image}@${digest}` }],
    containers: [
      { name: 'api', image: `${image}:v1` },
      { name: 'proxy', image: 'nginx:1' },
    ],
  };
  const found = containersUsing(made, image);
  assert.deepEqual(
    [found.initContainers, found.containers, found.names],
    [['migrate'], ['api'], ['migrate', 'api']],
  );
  assert.deepEqual(containersUsing(made, 'docker.io/library/nginx').names, ['proxy']);
  const owned = (uid: string, revision: string): V1ReplicaSet => ({
    metadata: {
      uid: `${uid}-${revision}`,
      annotations: { 'deployment.kubernetes.io/revision': revision },
      ownerReferences: [{ uid } as never],
    },
  });
  const sets = [owned('d', '1'), owned('other', '2'), owned('d', '2')];
  assert.equal(newReplicaSet(made, sets)?.metadata?.uid, 'd-2');
  assert.equal(newReplicaSet(made, sets.slice(0, 2)), undefined);
});
