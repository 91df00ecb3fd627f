/** The last words of a crashed container. */
import type { Kube } from './client.ts';

export interface Crashed {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** The container has been started again: the log of the run before is wanted. */
  readonly restarted: boolean;
}

const lines = 10;

/** At most the last 10 lines; none when the Role does not allow `get pods/log` or the log is gone. */
export async function crashLog(
  kube: Kube,
  crashed: Crashed,
  signal: AbortSignal,
): Promise<readonly string[]> {
  // Which run is the previous one may have changed since the status was read.
  for (const previous of [crashed.restarted, !crashed.restarted]) {
    const read = await kube.call(
      { verb: 'get', resource: 'pods/log', namespace: crashed.namespace, name: crashed.pod },
      ({ core }, options) =>
        core.readNamespacedPodLog(
          {
            name: crashed.pod,
            namespace: crashed.namespace,
            container: crashed.container,
            previous,
            tailLines: lines,
            limitBytes: 16_384,
          },
          options,
        ),
      signal,
    );
    if (read.ok && typeof read.value === 'string' && read.value.trim() !== '') {
      return read.value.trimEnd().split('\n').slice(-lines);
    }
    if (!read.ok && read.failure.code === 'forbidden') return [];
  }
  return [];
}
