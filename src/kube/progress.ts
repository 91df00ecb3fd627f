/** Judges one look at a roll-out. No I/O: what was read goes in, waiting, done or failed comes out. */
import type { V1Deployment, V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import type { RollRequest } from '../host.ts';
import { parseReference } from '../image.ts';
import { failure, type Failure, type FailureCode } from '../result.ts';
import type { Crashed } from './logs.ts';
import { imageWriter } from './managers.ts';
import { podTrouble, type Trouble } from './trouble.ts';
import { imageOf, isComplete, isReady, ownedBy, type Uses } from './workload.ts';

export interface Look {
  readonly deployment: V1Deployment;
  readonly pods: readonly V1Pod[];
  /** Undefined when it is not there yet, null when ReplicaSets may not be read. */
  readonly replicaSet: V1ReplicaSet | undefined | null;
}

export type Judgement =
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'done'; readonly pods: readonly string[] }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly crashed?: Crashed };

/** Milliseconds that a state must last before it is a failure: the scheduler and quotas often mend it by themselves. */
const patience = 3000;

/** Remembers since when something is wrong; otherwise every look is judged by itself. */
export class Rollout {
  readonly #request: RollRequest;
  readonly #uses: Uses;
  readonly #since = new Map<string, number>();

  constructor(request: RollRequest, uses: Uses) {
    this.#request = request;
    this.#uses = uses;
  }

  judge(look: Look & { readonly now: number }): Judgement {
    const { deployment, now } = look;
    const conflict = this.#conflict(deployment);
    if (conflict !== undefined) return { kind: 'failed', failure: conflict };
    const desired = deployment.spec?.replicas ?? 1;
    if (desired === 0) return { kind: 'done', pods: [] };
    if ((deployment.status?.observedGeneration ?? 0) < (deployment.metadata?.generation ?? 0)) {
      return { kind: 'waiting', message: 'waiting for the deployment controller' };
    }
    const pods = this.#newPods(look);
    const ready = pods.filter((pod) => isReady(pod) && this.#proven(pod));
    if (isComplete(deployment, desired) && ready.length >= desired) {
      return { kind: 'done', pods: ready.map((pod) => pod.metadata?.name ?? '').toSorted() };
    }
    const impostor = pods.find((pod) => isReady(pod) && !this.#proven(pod));
    if (impostor !== undefined) return this.#impostor(impostor);
    for (const pod of pods) {
      const failed = this.#podFailure(pod, look, now);
      if (failed !== undefined) return failed;
    }
    return (
      this.#deploymentFailure(look, now) ?? { kind: 'waiting', message: this.#progress(look, ready.length) }
    );
  }

  /** The failure at the deadline, with the state of every new pod. */
  timeout(look: Look | undefined): Failure {
    const seconds = Math.round(this.#request.timeout / 1000);
    const { name, namespace } = this.#request.workload;
    return failure(
      'roll-timeout',
      `deployment "${name}" was not ready after ${seconds} s${look === undefined ? '' : this.#serving(look)}`,
      `look at \`kubectl -n ${namespace} describe pods\`; a readiness probe may fail, or \`deploy.timeout\` be too short`,
      look === undefined ? undefined : this.#states(look),
    );
  }

  firstUnready(look: Look): V1Pod | undefined {
    return this.#newPods(look).find((pod) => !isReady(pod));
  }

  #newPods({ pods, replicaSet }: Look): readonly V1Pod[] {
    if (replicaSet === undefined) return [];
    return pods.filter((pod) => {
      if (pod.metadata?.deletionTimestamp !== undefined) return false;
      if (replicaSet !== null) return ownedBy(pod, replicaSet);
      // Without the right to read ReplicaSets the unique image tells the new pods.
      return this.#uses.names.every((name) => imageOf(pod, name) === this.#request.reference);
    });
  }

  /**
   * The pod runs the digest: by the runtime's imageID, or because its own spec pins it (containerd names any one of
   * several manifests that share a config as imageID, so a pinned image may show another).
   */
  #proven(pod: V1Pod): boolean {
    const { digest } = this.#request;
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    return this.#uses.names.every((name) => {
      if (parseReference(imageOf(pod, name) ?? '')?.digest === digest) return true;
      return statuses.find((one) => one.name === name)?.imageID.includes(digest) ?? false;
    });
  }

  #impostor(pod: V1Pod): Judgement {
    const statuses = pod.status?.containerStatuses ?? [];
    const images = statuses.filter((one) => this.#uses.names.includes(one.name)).map((one) => one.imageID);
    return {
      kind: 'failed',
      failure: failure(
        'roll-failed',
        `pod ${pod.metadata?.name} runs ${images.join(', ')} instead of ${this.#request.digest}`,
        'the tag was used for another image before and the node kept that one: use unique tags or digests',
      ),
    };
  }

  #conflict(deployment: V1Deployment): Failure | undefined {
    const spec = deployment.spec?.template.spec;
    const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
    for (const name of this.#uses.names) {
      const image = all.find((one) => one.name === name)?.image;
      if (image === this.#request.reference) continue;
      const writer = imageWriter(deployment, name);
      const now = image === undefined ? 'is gone' : `now has image ${image}`;
      return failure(
        'roll-conflict',
        `container ${name} of deployment "${deployment.metadata?.name}" ${now}, written by ${writer ?? 'someone else'}`,
        'another program manages this Deployment (GitOps, a second kaniko-dev): let only one of them set the image',
      );
    }
    return undefined;
  }

  #podFailure(pod: V1Pod, look: Look, now: number): Judgement | undefined {
    if (isReady(pod)) return undefined;
    const trouble = podTrouble(pod);
    if (trouble === undefined || trouble.kind === 'starting') return undefined;
    if (trouble.kind === 'unschedulable') {
      // Old pods that are ending may still free what is missing.
      const ending = look.pods.some((one) => one.metadata?.deletionTimestamp !== undefined);
      if (ending || !this.#lasts(`pod ${pod.metadata?.uid}`, now)) return undefined;
    }
    const code = troubleCodes[trouble.kind];
    const message = `pod ${pod.metadata?.name}: ${trouble.message}${this.#serving(look)}`;
    const failed: Judgement = {
      kind: 'failed',
      failure: failure(code, message, remedies[code] ?? 'correct it'),
    };
    const crashed = crashOf(pod, trouble);
    return crashed === undefined ? failed : { ...failed, crashed };
  }

  #deploymentFailure(look: Look, now: number): Judgement | undefined {
    const { deployment, replicaSet } = look;
    const conditions = (replicaSet ?? deployment).status?.conditions ?? [];
    const refused = conditions.find((one) => one.type === 'ReplicaFailure' && one.status === 'True');
    if (refused !== undefined && this.#lasts('replica-failure', now)) {
      const message = `pods cannot be created: ${refused.message ?? refused.reason ?? 'no reason given'}`;
      return {
        kind: 'failed',
        failure: failure(
          'roll-failed',
          `${message}${this.#serving(look)}`,
          'raise the quota or correct the pod template',
        ),
      };
    }
    const progressing = deployment.status?.conditions?.find((one) => one.type === 'Progressing');
    // Going back to an earlier image, the condition of the roll-out before stays until the first progress.
    if (progressing?.reason === 'ProgressDeadlineExceeded' && this.#lasts('progress-deadline', now)) {
      const message = `deployment "${deployment.metadata?.name}" exceeded its progress deadline`;
      return {
        kind: 'failed',
        failure: failure(
          'roll-timeout',
          `${message}${this.#serving(look)}`,
          'look at the pods: a readiness probe may fail, or `progressDeadlineSeconds` be too short',
          this.#states(look),
        ),
      };
    }
    return undefined;
  }

  /** True once the state has been reported for `patience` milliseconds in a row of looks. */
  #lasts(key: string, now: number): boolean {
    const since = this.#since.get(key);
    if (since === undefined) this.#since.set(key, now);
    return since !== undefined && now - since >= patience;
  }

  #serving(look: Look): string {
    const fresh = new Set(this.#newPods(look));
    const old = look.pods.filter(
      (pod) => !fresh.has(pod) && pod.metadata?.deletionTimestamp === undefined && isReady(pod),
    );
    if (old.length === 0) return '';
    return old.length === 1 ? '; the old pod keeps serving' : `; ${old.length} old pods keep serving`;
  }

  #progress(look: Look, ready: number): string {
    const desired = look.deployment.spec?.replicas ?? 1;
    const unready = this.firstUnready(look);
    const why = unready === undefined ? undefined : podTrouble(unready)?.message;
    return `${ready} of ${desired} new pods ready${why === undefined ? '' : ` (${why})`}`;
  }

  #states(look: Look): readonly string[] {
    return this.#newPods(look).map(
      (pod) =>
        `pod ${pod.metadata?.name}: ${isReady(pod) ? 'ready' : (podTrouble(pod)?.message ?? 'not ready')}`,
    );
  }
}

const troubleCodes: Readonly<Record<Exclude<Trouble['kind'], 'starting'>, FailureCode>> = {
  'image-pull': 'roll-image-pull',
  config: 'roll-config',
  crash: 'roll-crash',
  unschedulable: 'roll-unschedulable',
  failed: 'roll-failed',
};

const remedies: Readonly<Partial<Record<FailureCode, string>>> = {
  'roll-image-pull':
    'check that the nodes reach the registry and that the pod has an `imagePullSecrets` for it',
  'roll-config':
    'create the secret or config map the pod asks for, or correct its command in the pod template',
  'roll-crash': 'read its log, correct the program and save: the next image is rolled out by itself',
  'roll-unschedulable': 'free or add capacity, or lower the requests of the pod',
  'roll-failed': 'look at the pod with `kubectl describe pod`',
};

function crashOf(pod: V1Pod, trouble: Trouble): Crashed | undefined {
  const { name, namespace } = pod.metadata ?? {};
  if (trouble.kind !== 'crash' || trouble.container === undefined) return undefined;
  if (name === undefined || namespace === undefined) return undefined;
  return { namespace, pod: name, container: trouble.container, restarted: trouble.restarted ?? false };
}
