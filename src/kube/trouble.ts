/** What keeps a pod from being ready, read from its status: shared by the runner's pod and by roll-outs. */
import type { CoreV1Event, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { Kube } from './client.ts';
import { oneLine } from './errors.ts';

export type TroubleKind = 'image-pull' | 'config' | 'crash' | 'unschedulable' | 'failed' | 'starting';

export interface Trouble {
  readonly kind: TroubleKind;
  /** One line with the kubelet's or scheduler's own words. */
  readonly message: string;
  readonly container?: string;
  /** For a crash: the last exit code. */
  readonly exitCode?: number;
  /** For a crash: the container has been started again, so its log is the previous one. */
  readonly restarted?: boolean;
}

const pullReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'ImageInspectError',
  'SignatureValidationFailed',
]);
const configReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PostStartHookError',
]);

/** The worst trouble of a pod that is not ready; undefined when there is nothing to report. */
export function podTrouble(pod: V1Pod): Trouble | undefined {
  const status = pod.status;
  if (status?.phase === 'Failed') {
    return {
      kind: 'failed',
      message: oneLine(`${status.reason ?? 'Failed'}: ${status.message ?? 'the pod failed'}`),
    };
  }
  const init = status?.initContainerStatuses ?? [];
  const containers = [...init, ...(status?.containerStatuses ?? [])];
  for (const container of containers) {
    const trouble = containerTrouble(container, init.includes(container));
    if (trouble !== undefined) return trouble;
  }
  const scheduled = status?.conditions?.find((one) => one.type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    return {
      kind: 'unschedulable',
      message: oneLine(`${scheduled.reason ?? 'Pending'}: ${scheduled.message ?? ''}`),
    };
  }
  const waiting = containers.find((one) => !one.ready && one.state?.terminated === undefined);
  if (waiting !== undefined)
    return { kind: 'starting', container: waiting.name, message: startingText(waiting) };
  return status?.phase === 'Pending' ? { kind: 'starting', message: 'Pending' } : undefined;
}

function startingText(container: V1ContainerStatus): string {
  const state = container.state;
  if (state?.waiting !== undefined)
    return `container ${container.name}: ${state.waiting.reason ?? 'waiting'}`;
  return `container ${container.name}: running, not ready yet`;
}

function containerTrouble(container: V1ContainerStatus, isInit: boolean): Trouble | undefined {
  const { name, state, lastState } = container;
  const reason = state?.waiting?.reason ?? '';
  const text = oneLine(`container ${name}: ${reason}: ${state?.waiting?.message ?? ''}`).replace(/: $/, '');
  if (pullReasons.has(reason)) return { kind: 'image-pull', container: name, message: text };
  if (configReasons.has(reason)) return { kind: 'config', container: name, message: text };
  const ended = state?.terminated ?? lastState?.terminated;
  if (ended === undefined) return undefined;
  // A container that works again after a crash is no trouble: started (its start probe passed) and ready.
  if (state?.running !== undefined && container.ready) return undefined;
  // Exit code 0 is how an init container ends well; a main container of a Deployment must not end at all.
  if (ended.exitCode === 0 && (isInit || state?.running !== undefined)) return undefined;
  if (ended.reason === 'StartError' || ended.reason === 'ContainerCannotRun') {
    return {
      kind: 'config',
      container: name,
      message: oneLine(`container ${name}: ${ended.reason}: ${ended.message}`),
    };
  }
  const how = ended.reason === undefined || ended.reason === 'Error' ? '' : ` (${ended.reason})`;
  const detail = ended.message === undefined || ended.message === '' ? '' : `: ${ended.message}`;
  return {
    kind: 'crash',
    container: name,
    exitCode: ended.exitCode,
    restarted: state?.terminated === undefined,
    message: oneLine(`container ${name} exited with ${ended.exitCode}${how}${detail}`),
  };
}

/**
 * The newest warning about a pod, for what its status does not say (a secret or volume that is missing). Undefined when
 * there is none or events may not be read: they are a help, never a need.
 */
export async function troubleFromEvents(
  kube: Kube,
  pod: V1Pod,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace, uid } = pod.metadata ?? {};
  if (namespace === undefined || uid === undefined) return undefined;
  const listed = await kube.call(
    { verb: 'list', resource: 'events', namespace },
    ({ core }, options) =>
      core.listNamespacedEvent(
        { namespace, fieldSelector: `involvedObject.uid=${uid},type=Warning` },
        options,
      ),
    signal,
  );
  if (!listed.ok) return undefined;
  const newest = listed.value.items.toSorted((a, b) => eventTime(b) - eventTime(a))[0];
  if (newest === undefined) return undefined;
  const message = oneLine(newest.message ?? '');
  const secret = /(secret|configmap) "([^"]+)" not found/.exec(message);
  if (secret !== null) return `waiting for ${secret[1]} "${secret[2]}" (${newest.reason}: ${message})`;
  return `${newest.reason}: ${message}`;
}

function eventTime(event: CoreV1Event): number {
  return (
    (
      event.lastTimestamp ??
      event.eventTime ??
      event.firstTimestamp ??
      event.metadata.creationTimestamp
    )?.getTime() ?? 0
  );
}
