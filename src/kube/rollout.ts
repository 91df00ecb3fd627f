/**
 * Puts a new image into a Deployment and waits until its pods run it.
 *
 *   read ─▶ patch ─▶ look ◀──150 ms──┐        (read and patch again while the API server is out of reach)
 *    │        │409     │             │
 *    │        └▶ read  ├─ waiting ───┘
 *    │                 ├─ done      every pod of the new revision is ready and runs the digest
 *    └▶ failures       └─ failed    seen on a pod of the new revision, at the deadline, or by another writer
 *
 * Polled, not watched: a watch of this client ends without a word, and two small reads every 150 ms are cheap.
 */
import { PatchStrategy, setHeaderOptions, type V1Deployment } from '@kubernetes/client-node';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, RollOutcome, RollRequest, Workload } from '../host.ts';
import { fail, failure, ok, type Failure, type Result } from '../result.ts';
import type { Kube } from './client.ts';
import { crashLog } from './logs.ts';
import { listPods, missingNamespace, selectorText } from './pods.ts';
import { Rollout, type Judgement, type Look } from './progress.ts';
import { troubleFromEvents } from './trouble.ts';
import { containersUsing, newReplicaSet, type Uses } from './workload.ts';

export const fieldManager = 'kaniko-dev';
/** On the Deployment itself: the image it was last given. Never on the pod template, which would roll by itself. */
export const imageAnnotation = 'kaniko-dev.io/image';

const fastPoll = 150;
const slowPoll = 500;
/** Milliseconds of fast polling; later nothing is won by it. */
const fastPhase = 15_000;
const patchAttempts = 5;

/** The `Cluster` port. A stopped signal gives `roll-superseded`. */
export function kubeCluster(kube: Kube): Cluster {
  return { roll: (request, onProgress, signal) => roll(kube, request, onProgress, signal) };
}

async function roll(
  kube: Kube,
  request: RollRequest,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<Result<RollOutcome>> {
  const patched = await patchImages(kube, request, onProgress, signal);
  if (signal.aborted) return superseded(request);
  if (!patched.ok) return patched;
  const { uses, changed } = patched.value;
  if (changed) onProgress(`${request.workload.name}: image set in ${uses.names.join(', ')}`);
  const waited = await waitReady(kube, request, uses, onProgress, signal);
  if (signal.aborted) return superseded(request);
  return waited.ok ? ok({ changed, containers: uses.names, pods: waited.value }) : waited;
}

function superseded({ workload }: RollRequest): Result<never> {
  return fail('roll-superseded', `stopped waiting for deployment "${workload.name}"`, 'nothing to do');
}

async function readDeployment(
  kube: Kube,
  workload: Workload,
  signal: AbortSignal,
): Promise<Result<V1Deployment>> {
  const { name, namespace } = workload;
  const missing = failure(
    'workload-missing',
    `there is no deployment "${name}" in namespace "${namespace}"`,
    'create it once with kubectl, or correct `deploy` of the target',
  );
  const read = await kube.call(
    { verb: 'get', resource: 'deployments', group: 'apps', namespace, name, missing },
    ({ apps }, options) => apps.readNamespacedDeployment({ name, namespace }, options),
    signal,
  );
  if (read.ok || read.failure !== missing) return read;
  return { ok: false, failure: (await missingNamespace(kube, namespace, signal)) ?? missing };
}

/**
 * Answers true after a pause, when the failure is an outage that may still be over before the deadline: what was built
 * must not stay unused because a network broke for some seconds.
 */
function outages(
  request: RollRequest,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): (failure: Failure) => Promise<boolean> {
  const until = performance.now() + request.timeout;
  let told: string | undefined;
  return async ({ code, message }) => {
    if (code !== 'cluster-unreachable' || performance.now() + slowPoll > until) return false;
    if (message !== told) onProgress(message);
    told = message;
    await sleep(slowPoll, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  };
}

/**
 * Patches with the resourceVersion that was read: a strategic merge patch would otherwise add a container that was
 * renamed in between. `changed` is true as soon as a patch was sent, since a lost answer may hide that it was applied.
 */
async function patchImages(
  kube: Kube,
  request: RollRequest,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<Result<{ uses: Uses; changed: boolean }>> {
  const { name, namespace } = request.workload;
  const mayPass = outages(request, onProgress, signal);
  let attempt = 1;
  let changed = false;
  for (;;) {
    const read = await readDeployment(kube, request.workload, signal);
    if (!read.ok) {
      if (await mayPass(read.failure)) continue;
      return read;
    }
    const uses = containersUsing(read.value, request.image);
    if (uses.names.length === 0) return imageUnused(request, uses.images);
    if (uses.current.every((image) => image === request.reference)) return ok({ uses, changed });
    if (read.value.spec?.paused === true) {
      return fail(
        'roll-failed',
        `deployment "${name}" is paused: a new image would not start`,
        `resume it with \`kubectl -n ${namespace} rollout resume deployment ${name}\``,
      );
    }
    const conflict = failure(
      'roll-conflict',
      `deployment "${name}" is changed faster than it can be patched`,
      'try again',
    );
    const sent = await kube.call(
      { verb: 'patch', resource: 'deployments', group: 'apps', namespace, name, refused: 'roll-conflict' },
      ({ apps }, options) =>
        apps.patchNamespacedDeployment(
          { name, namespace, body: patchBody(read.value, uses, request), fieldManager },
          setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch, options),
        ),
      signal,
    );
    changed = true;
    if (sent.ok) return ok({ uses, changed });
    if (await mayPass(sent.failure)) continue;
    if (sent.failure.code !== 'roll-conflict') return sent;
    // 409 names the modified object; anything else (422, a policy) will not get better.
    if (!/modified|conflict/i.test(sent.failure.message)) {
      return fail('roll-failed', sent.failure.message, sent.failure.remedy);
    }
    if (attempt === patchAttempts) return { ok: false, failure: conflict };
    attempt += 1;
  }
}

function patchBody(deployment: V1Deployment, uses: Uses, request: RollRequest): object {
  const image = (name: string): { name: string; image: string } => ({ name, image: request.reference });
  return {
    metadata: {
      resourceVersion: deployment.metadata?.resourceVersion,
      annotations: { [imageAnnotation]: request.reference },
    },
    spec: {
      template: {
        spec: {
          ...(uses.containers.length > 0 ? { containers: uses.containers.map(image) } : {}),
          ...(uses.initContainers.length > 0 ? { initContainers: uses.initContainers.map(image) } : {}),
        },
      },
    },
  };
}

function imageUnused(request: RollRequest, images: readonly string[]): Result<never> {
  return fail(
    'roll-image-unused',
    `no container of deployment "${request.workload.name}" uses ${request.image}; its images are ${images.join(', ')}`,
    'correct `image` or `deploy` of the target, or the image in the Deployment',
  );
}

/** Names of the ready pods of the new revision. */
async function waitReady(
  kube: Kube,
  request: RollRequest,
  uses: Uses,
  onProgress: (message: string) => void,
  signal: AbortSignal,
): Promise<Result<readonly string[]>> {
  const started = performance.now();
  const rollout = new Rollout(request, uses);
  let lastProgress = '';
  const report = (message: string): void => {
    if (message !== lastProgress) onProgress(message);
    lastProgress = message;
  };
  let state: Look | undefined;
  while (!signal.aborted) {
    const seen = await look(kube, request.workload, signal);
    if (signal.aborted) break;
    if (seen.ok) {
      state = seen.value;
      const judgement = rollout.judge({ ...state, now: performance.now() });
      if (judgement.kind === 'done') return ok(judgement.pods);
      if (judgement.kind === 'failed') return withEvidence(kube, judgement, signal);
      report(judgement.message);
    } else if (seen.failure.code === 'cluster-unreachable') {
      report(seen.failure.message);
    } else {
      return seen;
    }
    const elapsed = performance.now() - started;
    if (elapsed >= request.timeout) return timedOut(kube, rollout, state, signal);
    const pause = Math.min(elapsed < fastPhase ? fastPoll : slowPoll, request.timeout - elapsed);
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }
  return superseded(request);
}

async function look(kube: Kube, workload: Workload, signal: AbortSignal): Promise<Result<Look>> {
  const read = await readDeployment(kube, workload, signal);
  if (!read.ok) return read;
  const deployment = read.value;
  const [pods, replicaSets] = await Promise.all([
    listPods(kube, workload.namespace, deployment, signal),
    kube.call(
      { verb: 'list', resource: 'replicasets', group: 'apps', namespace: workload.namespace },
      ({ apps }, options) =>
        apps.listNamespacedReplicaSet(
          { namespace: workload.namespace, labelSelector: selectorText(deployment) },
          options,
        ),
      signal,
    ),
  ]);
  if (!pods.ok) return pods;
  if (!replicaSets.ok && replicaSets.failure.code !== 'forbidden') return replicaSets;
  const replicaSet = replicaSets.ok ? newReplicaSet(deployment, replicaSets.value.items) : null;
  return ok({ deployment, pods: pods.value, replicaSet });
}

async function withEvidence(
  kube: Kube,
  judgement: Extract<Judgement, { kind: 'failed' }>,
  signal: AbortSignal,
): Promise<Result<never>> {
  const { failure: cause, crashed } = judgement;
  if (crashed === undefined) return { ok: false, failure: cause };
  const detail = await crashLog(kube, crashed, signal);
  if (detail.length > 0) return { ok: false, failure: { ...cause, detail } };
  const { namespace, pod, container } = crashed;
  const remedy = `read its log with \`kubectl -n ${namespace} logs ${pod} -c ${container} --previous\` and correct the program`;
  return { ok: false, failure: { ...cause, remedy } };
}

async function timedOut(
  kube: Kube,
  rollout: Rollout,
  state: Look | undefined,
  signal: AbortSignal,
): Promise<Result<never>> {
  const cause = rollout.timeout(state);
  const unready = state === undefined ? undefined : rollout.firstUnready(state);
  const event = unready === undefined ? undefined : await troubleFromEvents(kube, unready, signal);
  if (event === undefined) return { ok: false, failure: cause };
  return { ok: false, failure: { ...cause, detail: [...(cause.detail ?? []), event] } };
}
