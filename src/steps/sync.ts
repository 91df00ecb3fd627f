/** Makes a mirror equal to a content, and tells of it. */
import type { Emit } from '../event.ts';
import type { Clock, Host } from '../host.ts';
import { type Result, ok } from '../result.ts';
import type { Mirror, SyncObserver } from './mirror.ts';
import { type Tagged, type TargetPlan, eventOf, shownPaths } from './plan.ts';

/** Milliseconds between words about a transfer. */
const progressInterval = 1_000;

export interface SyncInput {
  readonly mirror: Mirror;
  readonly content: Tagged;
  readonly generation: number;
}

/** Some of the paths that were written or removed, none when there was nothing to do. */
export async function syncMirror(
  host: Host,
  plan: TargetPlan,
  { mirror, content, generation }: SyncInput,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<readonly string[]>> {
  const { clock } = host;
  const started = clock.monotonic();
  const of = eventOf(plan, generation, content);
  const { manifest } = content.scan;
  const synced = await mirror.sync(host.files, plan.source.root, manifest, observe(clock, of, emit), signal);
  if (!synced.ok) return synced;
  const { written, removed, bytes } = synced.value;
  const paths = [...written, ...removed].slice(0, shownPaths);
  if (paths.length > 0) {
    const ms = clock.monotonic() - started;
    emit({ type: 'synced', ...of, written: written.length, removed: removed.length, bytes, ms, paths });
  }
  return ok(paths);
}

/** Tells of the beginning of a transfer, and of its progress when it takes long. */
function observe(clock: Clock, of: ReturnType<typeof eventOf>, emit: Emit): SyncObserver {
  let told = clock.monotonic();
  let total = 0;
  let sent = 0;
  return {
    onStart: (write, remove, bytes) => {
      total = bytes;
      emit({ type: 'sync-started', ...of, write, remove, bytes });
    },
    onSent: (bytes) => {
      sent = Math.min(total, sent + bytes);
      if (clock.monotonic() - told < progressInterval) return;
      told = clock.monotonic();
      emit({ type: 'sync-progress', ...of, sent, bytes: total });
    },
  };
}
