import { systemClock } from '../../src/clock.ts';
import { loadKube } from '../../src/kube/client.ts';
import { openKubernetes } from '../../src/runner/kubernetes.ts';
import { runnerContract } from '../rig/contract.ts';
import { Moltbook } from '../rig/moltbook.ts';

const never = new AbortController().signal;

runnerContract('pod', async () => {
  const moltbook = await Moltbook.create({ workloads: false });
  const kube = loadKube({ kubeconfig: moltbook.cluster.developerKubeconfig, env: {} });
  if (!kube.ok) throw new Error(kube.failure.message);
  return {
    open: async (holder) =>
      openKubernetes(
        kube.value,
        systemClock,
        {
          namespace: moltbook.namespace,
          deployment: 'kaniko-build-runner',
          container: undefined,
          workspace: '/workspace',
          timeout: 60_000,
          holder,
          onWaiting: () => {},
        },
        never,
      ),
    tearDown: async () => moltbook[Symbol.asyncDispose](),
  };
});
