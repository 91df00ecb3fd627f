/** The daemon's run: connects the runner, brings every target up to date, and ends everything it began. */
import type { Emit } from './event.ts';
import type { Host } from './host.ts';
import { type ExitCode, type Failure, type Result, exitCodes, failureExits, ok } from './result.ts';
import { Slot } from './slot.ts';
import type { TargetPlan } from './steps/plan.ts';
import { Target } from './target.ts';

export interface SessionPlan {
  /** Path of the configuration file, for people. */
  readonly config: string;
  /** In the order of the configuration. */
  readonly targets: readonly TargetPlan[];
  /** Go on although most files of a context are gone since the runner last had them. */
  readonly force: boolean;
}

/** Brings every target up to date once. With several failures the first in target order decides the exit code. */
export async function runOnce(
  host: Host,
  plan: SessionPlan,
  emit: Emit,
  signal: AbortSignal,
): Promise<ExitCode> {
  return runEach(host, plan, emit, signal, (target) => target.once(signal));
}

/** Makes every mirror equal to its context, with `verify` read again by content, and builds nothing. */
export async function runSync(
  host: Host,
  plan: SessionPlan,
  emit: Emit,
  signal: AbortSignal,
  verify: boolean,
): Promise<ExitCode> {
  return runEach(host, plan, emit, signal, (target) => target.sync(verify, signal));
}

/**
 * Watches until the signal aborts. A directory that took the place of a file is not always noticed as one: then a new
 * watch is begun before the old one ends, and everything is looked at once more.
 */
async function watchContext(host: Host, target: Target, signal: AbortSignal): Promise<Result<void>> {
  const { source, watch } = target.plan;
  const begin = async (): Promise<{ readonly watching: Result<void>; readonly stop: AbortController }> => {
    const stop = new AbortController();
    const until = AbortSignal.any([signal, stop.signal]);
    const watching = await host.watcher.watch(source, watch, (path) => target.hints.add(path), until);
    return { watching, stop };
  };
  let current = await begin();
  let renewing = false;
  target.onReplaced = () => {
    if (renewing || signal.aborted) return;
    renewing = true;
    void begin().then((next) => {
      current.stop.abort();
      current = next;
      renewing = false;
      target.hints.add('.');
    });
  };
  return current.watching;
}

async function runEach(
  host: Host,
  plan: SessionPlan,
  emit: Emit,
  signal: AbortSignal,
  run: (target: Target) => Promise<Result<void>>,
): Promise<ExitCode> {
  const begun = await begin(host, plan, emit, signal);
  if (!begun.ok) return end(host, signal.aborted ? exitCodes.interrupted : exitCodeOf(begun.failure));
  const results = await Promise.all(begun.value.map(run));
  const failed = results.find((result) => !result.ok);
  if (signal.aborted) return end(host, exitCodes.interrupted);
  return end(host, failed === undefined ? exitCodes.ok : exitCodeOf(failed.failure));
}

/**
 * Keeps every target up to date until the signal aborts. A failed step never ends it; a runner that cannot be reached
 * at the start, or a context that cannot be watched, does.
 */
export async function runWatch(
  host: Host,
  plan: SessionPlan,
  emit: Emit,
  signal: AbortSignal,
  onTargets: (targets: readonly Target[]) => void = () => {},
): Promise<ExitCode> {
  const begun = await begin(host, plan, emit, signal);
  if (!begun.ok) return end(host, signal.aborted ? exitCodes.ok : exitCodeOf(begun.failure));
  onTargets(begun.value);
  const stop = new AbortController();
  const watched = AbortSignal.any([signal, stop.signal]);
  for (const target of begun.value) {
    const watching = await watchContext(host, target, watched);
    if (!watching.ok) {
      stop.abort();
      emit({ type: 'session-failed', failure: watching.failure });
      return end(host, exitCodeOf(watching.failure));
    }
  }
  emit({ type: 'watching', targets: plan.targets.map(({ name }) => name) });
  await Promise.all(begun.value.map((target) => target.watch(signal)));
  return end(host, exitCodes.ok);
}

async function begin(
  host: Host,
  plan: SessionPlan,
  emit: Emit,
  signal: AbortSignal,
): Promise<Result<Target[]>> {
  emit({ type: 'session-started', config: plan.config, targets: plan.targets.map(({ name }) => name) });
  const slot = new Slot();
  const targets = plan.targets.map((target) => new Target(host, target, slot, emit));
  if (plan.force) for (const target of targets) target.force();
  // Reading files needs no runner: when it is there, they are read.
  const looking = targets.map(async (target) => target.lookAhead(signal));
  const connected = await host.runner.connect(signal);
  await Promise.all(looking);
  if (!connected.ok) {
    if (!signal.aborted) emit({ type: 'session-failed', failure: connected.failure });
    return connected;
  }
  return ok(targets);
}

async function end(host: Host, exitCode: ExitCode): Promise<ExitCode> {
  await Promise.all([host.runner.close(), host.files.flush()]);
  return exitCode;
}

function exitCodeOf(failure: Failure): ExitCode {
  return failureExits[failure.code];
}
