/** A build during which the context is watched: newer content cancels it, or waits for its end. */
import type { Emit } from '../event.ts';
import { diffManifests, manifestsEqual } from '../files/manifest.ts';
import type { Hints } from '../hints.ts';
import type { Host, RunnerConnection } from '../host.ts';
import type { Result } from '../result.ts';
import { type Built, build } from './build.ts';
import { type Tagged, type TargetPlan, eventOf, referenceOf, shownPaths } from './plan.ts';

export interface WatchedBuild {
  readonly plan: TargetPlan;
  readonly connection: RunnerConnection;
  readonly content: Tagged;
  readonly generation: number;
  /** Where changes are announced; undefined when nothing may interrupt the build. */
  readonly watched:
    | {
        readonly hints: Hints;
        readonly scan: (signal: AbortSignal, hints: readonly string[]) => Promise<Result<Tagged>>;
        /** The build before this one was cancelled: this one is let finish. */
        readonly letFinish: boolean;
      }
    | undefined;
}

export async function watchedBuild(
  host: Host,
  input: WatchedBuild,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<Built> | 'cancelled'> {
  const { plan, content, generation } = input;
  const of = eventOf(plan, generation, content);
  const image = referenceOf(plan, content);
  const started = host.clock.monotonic();
  const cancel = new AbortController();
  const ended = new AbortController();
  emit({ type: 'build-started', ...of, image });
  const watching = cancelWhenChanged(input, emit, cancel, ended.signal);
  const built = await build(
    host,
    {
      target: plan.name,
      connection: input.connection,
      workspace: plan.workspace,
      image: plan.image,
      tag: content.tag,
      contentHash: content.hash,
      manifest: content.scan.manifest,
      dockerfile: content.scan.dockerfile,
      options: plan.options,
      certificates: plan.certificates,
      output: plan.output,
      verifyTimeout: plan.verifyTimeout,
      timeout: plan.timeout,
    },
    {
      onLine: (line) => emit({ type: 'build-output', ...of, line }),
      onProgress: (text) => emit({ type: 'build-progress', ...of, text }),
    },
    AbortSignal.any([signal, cancel.signal]),
  );
  ended.abort();
  await watching;
  // Whatever it ended with: a runner that was lost meanwhile is connected to again in any case.
  if (cancel.signal.aborted && !built.ok) return 'cancelled';
  if (built.ok) emit({ type: 'built', ...of, image, ...built.value, ms: host.clock.monotonic() - started });
  return built;
}

/** Looks at every hint during a build. A hint of newer content stays pending, so that the target goes on with it. */
async function cancelWhenChanged(
  { plan, content, generation, watched }: WatchedBuild,
  emit: Emit,
  cancel: AbortController,
  ended: AbortSignal,
): Promise<void> {
  if (watched === undefined) return;
  const { hints, scan, letFinish } = watched;
  let unsynced = false;
  while (!ended.aborted) {
    await hints.wait(ended);
    if (ended.aborted) break;
    const newer = await scan(ended, hints.take());
    if (!newer.ok) {
      // In the middle of a save: another hint follows, and the end of the build looks in any case.
      unsynced = true;
      continue;
    }
    if (newer.value.hash === content.hash) {
      // Nothing that the build reads; it is synced when the build has ended.
      unsynced ||= !manifestsEqual(newer.value.scan.manifest, content.scan.manifest);
      continue;
    }
    hints.add('.');
    if (plan.onChange === 'cancel' && !letFinish) {
      const { remove, write, link } = diffManifests(content.scan.manifest, newer.value.scan.manifest);
      const paths = [...write, ...link, ...remove].slice(0, shownPaths);
      emit({ type: 'build-cancelled', ...eventOf(plan, generation, content), paths });
      cancel.abort();
    }
    return;
  }
  if (unsynced) hints.add('.');
}
