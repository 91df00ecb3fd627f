/** What needs the Kubernetes client, which takes a third of a second to load: imported only when it is needed. */
import { systemClock } from '../clock.ts';
import type { HostRequest } from '../commands/session.ts';
import type { ResolvedKubernetesRunner } from '../config/resolve.ts';
import type { Cluster, Runner } from '../host.ts';
import { type Kube, loadKube } from '../kube/client.ts';
import { kubeCluster } from '../kube/rollout.ts';
import { type Result, ok } from '../result.ts';
import { openKubernetes } from '../runner/kubernetes.ts';
import { ReconnectingRunner } from '../runner/reconnecting.ts';

export interface ClusterParts {
  /** Namespace of the kube context. */
  readonly namespace: string;
  readonly cluster: Cluster;
  runner(options: ResolvedKubernetesRunner): Runner;
}

/** Fails with `kubeconfig-missing` or `kubeconfig-invalid`; does not talk to the cluster. */
export function clusterParts(request: HostRequest): Result<ClusterParts> {
  const kube = loadKube({ ...request.config.cluster, env: request.env });
  if (!kube.ok) return kube;
  return ok({
    namespace: kube.value.namespace,
    cluster: kubeCluster(kube.value),
    runner: (options) => kubernetesRunner(request, kube.value, options),
  });
}

function kubernetesRunner(request: HostRequest, kube: Kube, options: ResolvedKubernetesRunner): Runner {
  const namespace = options.namespace ?? kube.namespace;
  const name = `deployment/${options.deployment} in ${namespace}`;
  const { deployment, container, workspace, timeout } = options;
  const { holder } = request;
  const onWaiting = (reason: string): void => request.emit({ type: 'runner-waiting', runner: name, reason });
  return new ReconnectingRunner(
    name,
    systemClock,
    (signal) =>
      openKubernetes(
        kube,
        systemClock,
        { namespace, deployment, container, workspace, timeout, holder, onWaiting },
        signal,
      ),
    request.emit,
  );
}
