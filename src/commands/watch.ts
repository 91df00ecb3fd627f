/**
 * `kaniko-dev watch [targets…]`: keeps targets up to date until it is ended, and starts over when its configuration
 * changes to another valid one.
 */
import { isDeepStrictEqual } from 'node:util';
import debounce from 'debounce';
import type { Controls } from '../controls.ts';
import { type ExitCode, exitCodes } from '../result.ts';
import { runWatch } from '../session.ts';
import type { Target } from '../target.ts';
import { type Prepared, type SessionInput, loadSession, prepare, refuse } from './session.ts';

/** Milliseconds of quiet before a changed configuration is read: editors write in several steps. */
const reloadPause = 150;

export interface WatchInput extends SessionInput {
  /** Hands out the controls of the session; the result takes them back. */
  readonly onControls: (controls: Controls) => () => void;
}

export async function watch(input: WatchInput): Promise<ExitCode> {
  const quit = new AbortController();
  let targets: readonly Target[] = [];
  const release = input.onControls({
    quit: () => quit.abort(),
    rebuild: () => {
      for (const target of targets) target.rebuild();
    },
    force: () => {
      for (const target of targets) target.force();
    },
  });
  const signal = AbortSignal.any([input.signal, quit.signal]);
  let exitCode: ExitCode | undefined;
  while (exitCode === undefined) {
    const prepared = await prepare(input);
    exitCode = prepared.ok
      ? await runUntilChanged(input, prepared.value, signal, (begun) => (targets = begun))
      : refuse(input.emit, prepared.failure);
  }
  release();
  if (quit.signal.aborted) exitCode = exitCodes.ok;
  if (input.signal.aborted) exitCode = exitCodes.interrupted;
  input.emit({ type: 'session-ended', exitCode });
  return exitCode;
}

/** The exit code, or undefined when there is another configuration to go on with. */
async function runUntilChanged(
  input: WatchInput,
  { host, plan, loaded }: Prepared,
  signal: AbortSignal,
  onTargets: (targets: readonly Target[]) => void,
): Promise<ExitCode | undefined> {
  const changed = new AbortController();
  const ended = new AbortController();
  const look = debounce(() => {
    void loadSession(input).then((next) => {
      if (ended.signal.aborted) return;
      if (!next.ok) input.emit({ type: 'config-rejected', failure: next.failure });
      else if (!isDeepStrictEqual(next.value.config, loaded.config)) changed.abort();
    });
  }, reloadPause);
  host.watcher.watchFiles(loaded.dependencies, look, ended.signal);
  const exitCode = await runWatch(
    host,
    plan,
    input.emit,
    AbortSignal.any([signal, changed.signal]),
    onTargets,
  );
  ended.abort();
  look.clear();
  if (!changed.signal.aborted || signal.aborted) return exitCode;
  input.emit({ type: 'config-changed', config: loaded.file });
  return undefined;
}
