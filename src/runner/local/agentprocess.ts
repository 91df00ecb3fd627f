/** What the sandbox and the engines share: the agent in a child process that holds the state's lock. */
import type { Clock, Holder } from '../../host.ts';
import type { Failure, Result } from '../../result.ts';
import { openConnection } from '../connection.ts';
import type { PipedChild, ProcessChannel } from '../process.ts';
import type { OwnedConnection } from '../reconnecting.ts';
import type { Lock } from './lock.ts';

export interface AgentProcess {
  readonly child: PipedChild;
  readonly channel: ProcessChannel;
  readonly lock: Lock;
  /** Shown to people. */
  readonly name: string;
  readonly holder: Holder;
  /** Says why no agent could be reached, from what the process printed. */
  readonly explain: (said: readonly string[], cause: Failure) => Failure;
}

/** Opens the agent. Whatever fails, the process is ended and the lock released before it is told. */
export async function openAgentProcess(
  { child, channel, lock, name, holder, explain }: AgentProcess,
  clock: Clock,
): Promise<Result<OwnedConnection>> {
  lock.onTakeover(async () => {
    channel.close();
    await channel.closed;
  });
  // Until the agent speaks, what is printed there is not its own.
  let said = '';
  const listen = (data: Buffer): void => {
    said = (said + data.toString()).slice(-2_000);
  };
  child.stderr.on('data', listen);
  const place = { name, workspace: '/workspace', release: async () => lock.release() };
  const connection = await openConnection(channel, clock, place, holder);
  child.stderr.off('data', listen);
  if (connection.ok) return connection;
  channel.close();
  await channel.closed;
  await lock.release();
  const { failure } = connection;
  if (failure.code !== 'runner-lost' && failure.code !== 'runner-protocol') return connection;
  const lines = said.trim() === '' ? [failure.message] : said.trim().split('\n');
  return { ok: false, failure: explain(lines, failure) };
}
