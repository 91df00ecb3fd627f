/** Waits until nobody writes any more: building half of a save, or half of a checkout, helps nobody. */
import type { Hints } from '../hints.ts';
import type { Host } from '../host.ts';
import type { TargetPlan } from './plan.ts';

/** Milliseconds between looks at a git command that is at work. */
const gitPause = 100;

/**
 * True after `plan.settle` milliseconds without a hint, or when `plan.settleCap` have passed since `started`; false as
 * soon as there is a hint, so that the files must be looked at again.
 */
export async function settle(
  { clock, files }: Host,
  plan: TargetPlan,
  hints: Hints,
  started: number,
  signal: AbortSignal,
): Promise<boolean> {
  const left = started + plan.settleCap - clock.monotonic();
  if (left <= 0) return true;
  const woken = new AbortController();
  const stop = AbortSignal.any([signal, woken.signal]);
  await Promise.race([clock.sleep(Math.min(plan.settle, left), stop), hints.wait(stop)]);
  woken.abort();
  // A checkout passes through states that nobody meant to build.
  while (!signal.aborted && (await files.busy(plan.source.root))) await clock.sleep(gitPause, signal);
  return !hints.pending && !signal.aborted;
}
