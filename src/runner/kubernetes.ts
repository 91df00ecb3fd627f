/** The runner in the cluster: a pod of the runner Deployment, reached by one exec. */
import type { Clock, Holder } from '../host.ts';
import type { Kube } from '../kube/client.ts';
import { type ExecEnd, openExec } from '../kube/exec.ts';
import { findRunnerPod } from '../kube/pods.ts';
import { type Result, fail } from '../result.ts';
import { agentCommand } from './agent.ts';
import type { Channel } from './channel.ts';
import { openConnection } from './connection.ts';
import type { OwnedConnection } from './reconnecting.ts';

export interface KubernetesRunnerOptions {
  readonly namespace: string;
  readonly deployment: string;
  readonly container: string | undefined;
  /** Absolute path of the workspace in the pod. */
  readonly workspace: string;
  /** Milliseconds to wait for a ready pod. */
  readonly timeout: number;
  readonly holder: Holder;
  readonly onWaiting: (reason: string) => void;
}

/** One attempt to connect: waits for a ready pod, opens the exec and the agent. */
export async function openKubernetes(
  kube: Kube,
  clock: Clock,
  options: KubernetesRunnerOptions,
  signal: AbortSignal,
): Promise<Result<OwnedConnection>> {
  const { namespace, deployment, container } = options;
  const found = await findRunnerPod(
    kube,
    { namespace, deployment, container },
    signal,
    options.onWaiting,
    options.timeout,
  );
  if (!found.ok) return found;
  const { pod } = found.value;
  // Handlers exist before the first frame can arrive; the channel takes them over.
  const channel: { -readonly [K in keyof Channel]: Channel[K] } = {
    onStdout: () => {},
    onStderr: () => {},
    write: async () => {},
    closed: new Promise(() => {}),
    close: () => {},
  };
  const opened = await openExec(
    kube,
    { namespace, pod, container: found.value.container, command: agentCommand },
    { onStdout: (data) => channel.onStdout(data), onStderr: (data) => channel.onStderr(data) },
    { signal },
  );
  if (!opened.ok) return opened;
  const exec = opened.value;
  let end: ExecEnd | undefined;
  channel.write = (data) => exec.write(data);
  channel.close = () => exec.close();
  channel.closed = exec.closed.then((closed) => {
    end = closed;
    return closed.kind === 'dropped'
      ? closed.reason
      : `the agent ended: ${closed.message || `exit code ${closed.exitCode}`}`;
  });
  const connection = await openConnection(
    channel,
    clock,
    { name: `pod/${pod}`, workspace: options.workspace },
    options.holder,
  );
  if (!connection.ok && end !== undefined && isShellMissing(end)) {
    return fail(
      'runner-no-shell',
      `the container ${found.value.container} of pod/${pod} has no /busybox/sh`,
      'The runner needs a kaniko debug image: gcr.io/kaniko-project/executor:v1.24.0-debug.',
      [end.message],
    );
  }
  return connection;
}

function isShellMissing(end: ExecEnd): end is ExecEnd & { readonly kind: 'status' } {
  return (
    end.kind === 'status' &&
    /no such file or directory|executable file not found|stat \/busybox/.test(end.message)
  );
}
