/** Reading Deployments and pods: which containers use an image, which pods are of the new revision. */
import type { V1Container, V1Deployment, V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import { sameRepository } from '../image.ts';

/** The containers of a Deployment that use a repository. */
export interface Uses {
  readonly containers: readonly string[];
  readonly initContainers: readonly string[];
  /** Both, init containers first. */
  readonly names: readonly string[];
  /** Images of `names`, in the same order. */
  readonly current: readonly string[];
  /** Every image of the Deployment, for messages. */
  readonly images: readonly string[];
}

export function containersUsing(deployment: V1Deployment, image: string): Uses {
  const spec = deployment.spec?.template.spec;
  const using = (all: readonly V1Container[] | undefined): V1Container[] =>
    (all ?? []).filter((one) => one.image !== undefined && sameRepository(one.image, image));
  const init = using(spec?.initContainers);
  const main = using(spec?.containers);
  return {
    initContainers: init.map((one) => one.name),
    containers: main.map((one) => one.name),
    names: [...init, ...main].map((one) => one.name),
    current: [...init, ...main].map((one) => one.image ?? ''),
    images: [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(
      (one) => one.image ?? '(none)',
    ),
  };
}

const revision = 'deployment.kubernetes.io/revision';

/** The ReplicaSet of the Deployment's current revision, undefined until the controller has made it. */
export function newReplicaSet(
  deployment: V1Deployment,
  replicaSets: readonly V1ReplicaSet[],
): V1ReplicaSet | undefined {
  const current = deployment.metadata?.annotations?.[revision];
  return replicaSets.find(
    (one) =>
      one.metadata?.annotations?.[revision] === current &&
      one.metadata?.ownerReferences?.some((owner) => owner.uid === deployment.metadata?.uid),
  );
}

/** The rule of `kubectl rollout status`: all pods are of the new revision, and as many as wanted are available. */
export function isComplete({ status }: V1Deployment, desired: number): boolean {
  const updated = status?.updatedReplicas ?? 0;
  return (
    updated >= desired && (status?.replicas ?? 0) <= updated && (status?.availableReplicas ?? 0) >= desired
  );
}

export function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
}

export function ownedBy(pod: V1Pod, owner: V1ReplicaSet): boolean {
  return pod.metadata?.ownerReferences?.some((one) => one.uid === owner.metadata?.uid) ?? false;
}

export function imageOf(pod: V1Pod, container: string): string | undefined {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return all.find((one) => one.name === container)?.image;
}
