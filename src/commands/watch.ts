/**
 * `kaniko-dev watch [targets…]`: keeps targets up to date until it is ended, and starts over when its configuration
 * changes to another valid one.
 */
import { isDeepStrictEqual } from 'node:util';
import debounce from 'debounce';
import { type ExitCode, exitCodes } from '../result.ts';
import { runWatch } from '../session.ts';
import { type Prepared, type SessionInput, loadSession, prepare, refuse } from './session.ts';

/** Milliseconds of quiet before a changed configuration is read: editors write in several steps. */
const reloadPause = 150;

export async function watch(input: SessionInput): Promise<ExitCode> {
  let exitCode: ExitCode | undefined;
  while (exitCode === undefined) {
    const prepared = await prepare(input);
    exitCode = prepared.ok
      ? await runUntilChanged(input, prepared.value)
      : refuse(input.emit, prepared.failure);
  }
  if (input.signal.aborted) exitCode = exitCodes.interrupted;
  input.emit({ type: 'session-ended', exitCode });
  return exitCode;
}

/** The exit code, or undefined when there is another configuration to go on with. */
async function runUntilChanged(
  input: SessionInput,
  { host, plan, loaded }: Prepared,
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
  const exitCode = await runWatch(host, plan, input.emit, AbortSignal.any([input.signal, changed.signal]));
  ended.abort();
  look.clear();
  if (!changed.signal.aborted || input.signal.aborted) return exitCode;
  input.emit({ type: 'config-changed', config: loaded.file });
  return undefined;
}
