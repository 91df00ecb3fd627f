/**
 * Finds the runner's pod: the newest Ready one of its Deployment, waiting for it with a reason to show.
 */
import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, failure, ok, type Failure, type Result } from '../result.ts';
import type { Kube } from './client.ts';
import { namespaceMissing, type Doing } from './errors.ts';
import { podTrouble, troubleFromEvents } from './trouble.ts';

export interface RunnerPodRequest {
  readonly namespace: string;
  readonly deployment: string;
  /** The container with the executor; the first one when absent. */
  readonly container?: string | undefined;
}

export interface RunnerPod {
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
  /** `containerd://…`: changes when the container restarts. */
  readonly containerId: string;
  readonly restartCount: number;
}

const pollInterval = 1000;

/**
 * Waits until a pod of the Deployment is Ready. `onWaiting` gets one line whenever the reason changes.
 * Fails with `runner-missing`, `namespace-missing`, `forbidden`, `interrupted`, with `runner-not-ready` at the deadline,
 * and with what `Kube.call` says.
 * @param deadline milliseconds from now
 */
export async function findRunnerPod(
  kube: Kube,
  request: RunnerPodRequest,
  signal: AbortSignal,
  onWaiting: (reason: string) => void,
  deadline: number,
): Promise<Result<RunnerPod>> {
  const until = performance.now() + deadline;
  let last: string | undefined;
  for (;;) {
    const look = await lookOnce(kube, request, signal);
    let reason: string;
    let remedy: string | undefined;
    if (look.ok) {
      if (look.value.kind === 'ready') return ok(look.value.pod);
      ({ reason, remedy } = look.value);
    } else {
      // Once the Deployment was seen, a short outage of the API server is waited for like anything else.
      const outage = look.failure.code === 'cluster-unreachable' && last !== undefined;
      if (!outage || performance.now() >= until) return look;
      reason = look.failure.message;
    }
    if (reason !== last) onWaiting(reason);
    last = reason;
    if (performance.now() + pollInterval > until) {
      return fail(
        'runner-not-ready',
        `no pod of deployment "${request.deployment}" became ready in ${Math.round(deadline / 1000)} s: ${reason}`,
        remedy ?? `look at \`kubectl -n ${request.namespace} describe pods\` and correct what it names`,
      );
    }
    await sleep(pollInterval, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return fail('interrupted', 'stopped while waiting for the runner', 'nothing to do');
  }
}

type Seen =
  | { readonly kind: 'ready'; readonly pod: RunnerPod }
  | { readonly kind: 'waiting'; readonly reason: string; readonly remedy?: string };

async function lookOnce(kube: Kube, request: RunnerPodRequest, signal: AbortSignal): Promise<Result<Seen>> {
  const deployment = await readDeployment(kube, request, signal);
  if (!deployment.ok) return deployment;
  const container = containerOf(deployment.value, request);
  if (!container.ok) return container;
  if (deployment.value.spec?.replicas === 0) {
    return ok({
      kind: 'waiting',
      reason: `deployment "${request.deployment}" is scaled to 0 replicas`,
      remedy: `\`kubectl -n ${request.namespace} scale deployment ${request.deployment} --replicas=1\``,
    });
  }
  const selected = await listPods(kube, request.namespace, deployment.value, signal);
  if (!selected.ok) return selected;
  const pods = selected.value
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined && !isFinished(pod))
    .toSorted((a, b) => created(b) - created(a));
  for (const pod of pods) {
    const found = readyContainer(pod, container.value);
    if (found !== undefined) return ok({ kind: 'ready', pod: found });
  }
  const reason = await reasonOf(kube, request, deployment.value, pods[0], signal);
  const secret = /waiting for secret "([^"]+)"/.exec(reason)?.[1];
  if (secret === undefined) return ok({ kind: 'waiting', reason });
  const remedy = `\`kubectl -n ${request.namespace} create secret docker-registry ${secret} …\`, or templates/ghcr-credentials-template.yml`;
  return ok({ kind: 'waiting', reason, remedy });
}

async function readDeployment(
  kube: Kube,
  request: RunnerPodRequest,
  signal: AbortSignal,
): Promise<Result<V1Deployment>> {
  const { namespace, deployment: name } = request;
  const missing = failure(
    'runner-missing',
    `there is no deployment "${name}" in namespace "${namespace}"`,
    'create the runner with `kubectl apply -f k8s/`',
  );
  const doing: Doing = { verb: 'get', resource: 'deployments', group: 'apps', namespace, name, missing };
  const read = await kube.call(
    doing,
    ({ apps }, options) => apps.readNamespacedDeployment({ name, namespace }, options),
    signal,
  );
  if (read.ok || read.failure !== missing) return read;
  return { ok: false, failure: (await missingNamespace(kube, namespace, signal)) ?? missing };
}

/** A missing namespace also answers 404 for the Deployment. Most Roles may not ask: then nothing is known. */
export async function missingNamespace(
  kube: Kube,
  namespace: string,
  signal: AbortSignal,
): Promise<Failure | undefined> {
  const missing = namespaceMissing(namespace);
  const read = await kube.call(
    { verb: 'get', resource: 'namespaces', name: namespace, missing },
    ({ core }, options) => core.readNamespace({ name: namespace }, options),
    signal,
  );
  return !read.ok && read.failure.code === 'namespace-missing' ? missing : undefined;
}

function containerOf(deployment: V1Deployment, request: RunnerPodRequest): Result<string> {
  const names = deployment.spec?.template.spec?.containers.map((one) => one.name) ?? [];
  const name = request.container ?? names[0];
  if (name !== undefined && names.includes(name)) return ok(name);
  return fail(
    'runner-missing',
    `deployment "${request.deployment}" has no container "${request.container}"; it has ${names.join(', ')}`,
    'correct the container name of the runner in the configuration',
  );
}

/** Pods that the Deployment's selector matches, in no order. */
export async function listPods(
  kube: Kube,
  namespace: string,
  deployment: V1Deployment,
  signal: AbortSignal,
): Promise<Result<V1Pod[]>> {
  const labelSelector = selectorText(deployment);
  const listed = await kube.call(
    { verb: 'list', resource: 'pods', namespace },
    ({ core }, options) => core.listNamespacedPod({ namespace, labelSelector }, options),
    signal,
  );
  return listed.ok ? ok(listed.value.items) : listed;
}

/** `a=b,c in (d,e),f,!g` */
export function selectorText(deployment: V1Deployment): string {
  const selector = deployment.spec?.selector;
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    switch (operator) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return `${key} ${operator === 'NotIn' ? 'notin' : 'in'} (${(values ?? []).join(',')})`;
    }
  });
  return [...labels, ...expressions].join(',');
}

function isFinished(pod: V1Pod): boolean {
  return pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
}

function created(pod: V1Pod): number {
  return pod.metadata?.creationTimestamp?.getTime() ?? 0;
}

function readyContainer(pod: V1Pod, container: string): RunnerPod | undefined {
  const ready = pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
  const status = pod.status?.containerStatuses?.find((one) => one.name === container);
  const { name, uid } = pod.metadata ?? {};
  if (!ready || status?.state?.running === undefined || status.containerID === undefined) return undefined;
  if (name === undefined || uid === undefined) return undefined;
  return { pod: name, uid, container, containerId: status.containerID, restartCount: status.restartCount };
}

/** One line: what the newest pod says, what its events add, or what keeps the Deployment from making one. */
async function reasonOf(
  kube: Kube,
  request: RunnerPodRequest,
  deployment: V1Deployment,
  pod: V1Pod | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (pod === undefined) {
    const failed = deployment.status?.conditions?.find(
      (one) => one.type === 'ReplicaFailure' && one.status === 'True',
    );
    return failed?.message ?? `deployment "${request.deployment}" has no pod yet`;
  }
  const name = pod.metadata?.name ?? '?';
  const trouble = podTrouble(pod);
  if (trouble !== undefined && trouble.kind !== 'starting') return `pod ${name}: ${trouble.message}`;
  const event = await troubleFromEvents(kube, pod, signal);
  return `pod ${name}: ${event ?? trouble?.message ?? 'not ready yet'}`;
}
