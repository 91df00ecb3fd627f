/** `kaniko-dev sync [targets…]`: makes the runner's mirrors equal to the contexts; builds nothing. */
import type { ExitCode } from '../result.ts';
import { runSync } from '../session.ts';
import { type SessionInput, withSession } from './session.ts';

export interface SyncInput extends SessionInput {
  /** Read every entry of the mirrors again, and compare. */
  readonly verify: boolean;
}

export async function sync(input: SyncInput): Promise<ExitCode> {
  return withSession(input, async (host, plan, emit, signal) =>
    runSync(host, plan, emit, signal, input.verify),
  );
}
