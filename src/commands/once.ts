/** `kaniko-dev once [targets…]`: sync, build, push and roll once. */
import type { ExitCode } from '../result.ts';
import { runOnce } from '../session.ts';
import { type SessionInput, withSession } from './session.ts';

export async function once(input: SessionInput): Promise<ExitCode> {
  return withSession(input, runOnce);
}
