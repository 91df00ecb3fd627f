/** `kaniko-dev watch [targets…]`: keeps targets up to date until it is ended. */
import { type ExitCode, exitCodes } from '../result.ts';
import { runWatch } from '../session.ts';
import { type SessionInput, withSession } from './session.ts';

export async function watch(input: SessionInput): Promise<ExitCode> {
  const exitCode = await withSession(input, runWatch);
  return input.signal.aborted ? exitCodes.interrupted : exitCode;
}
