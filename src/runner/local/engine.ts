/** The local runner in a container engine: the kaniko image itself, the agent over `run -i`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Clock, Holder } from '../../host.ts';
import { type Result, fail, ok } from '../../result.ts';
import { agentCommand } from '../agent.ts';
import { openConnection } from '../connection.ts';
import { type PipedChild, ProcessChannel } from '../process.ts';
import type { OwnedConnection } from '../reconnecting.ts';
import { holdState } from './lock.ts';
import { makeDirectories, readable } from './place.ts';

export interface EngineOptions {
  readonly engine: 'docker' | 'podman';
  /** Further arguments of `run`. */
  readonly arguments: readonly string[];
  /** Image of the runner, pulled by the engine when it has none. */
  readonly image: string;
  readonly state: string;
  readonly images: string;
  readonly cache: string;
  readonly dockerConfig: string | undefined;
  readonly holder: Holder;
}

export async function openEngine(clock: Clock, options: EngineOptions): Promise<Result<OwnedConnection>> {
  const { engine, state, images, cache } = options;
  const workspace = join(state, 'workspace');
  const made = await makeDirectories([state, workspace, images, cache]);
  if (!made.ok) return made;
  const lock = await holdState(state, options.holder);
  if (!lock.ok) return lock;
  // An engine makes a directory of a file that is not there, or refuses it.
  const docker = await readable(options.dockerConfig);
  const [shell = '', ...argv] = agentCommand;
  const child = spawn(
    engine,
    [
      'run',
      '--interactive',
      '--rm',
      `--entrypoint=${shell}`,
      `--volume=${workspace}:/workspace`,
      `--volume=${cache}:/cache`,
      `--volume=${images}:/images`,
      ...(docker === undefined ? [] : [`--volume=${docker}:/kaniko/.docker/config.json:ro`]),
      ...options.arguments,
      options.image,
      ...argv,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  ) as PipedChild;
  const channel = new EngineChannel(child);
  lock.value.onTakeover(async () => {
    channel.close();
    await channel.closed;
  });
  // Until the agent speaks, what is printed there is the engine's.
  let complaint = '';
  const listen = (data: Buffer): void => {
    complaint = (complaint + data.toString()).slice(-2_000);
  };
  child.stderr.on('data', listen);
  const connection = await openConnection(
    channel,
    clock,
    { name: engine, workspace: '/workspace', release: async () => lock.value.release() },
    options.holder,
  );
  child.stderr.off('data', listen);
  if (!connection.ok) {
    channel.close();
    await channel.closed;
    await lock.value.release();
    const { failure } = connection;
    if (failure.code !== 'runner-lost' && failure.code !== 'runner-protocol') return connection;
    if (failure.message.includes('ENOENT')) {
      return fail(
        'local-unsupported',
        `there is no ${engine} on the path`,
        `Install ${engine}, or leave runner.engine out to use the sandbox.`,
      );
    }
    return fail(
      'local-unsupported',
      `${engine} could not run ${options.image}`,
      `Try \`${engine} run --rm ${options.image} version\`, or leave runner.engine out to use the sandbox.`,
      complaint.trim() === '' ? [failure.message] : complaint.trim().split('\n').slice(-5),
    );
  }
  return ok(connection.value);
}

/** Milliseconds that the engine may take to remove the container once the agent has left. */
const removal = 2_000;

/** The agent leaves at the end of its input, and the engine removes the container: killed, it might not. */
class EngineChannel extends ProcessChannel {
  readonly #engine: PipedChild;

  constructor(engine: PipedChild) {
    super(engine);
    this.#engine = engine;
  }

  override close(): void {
    this.#engine.stdin.destroy();
    const late = setTimeout(() => super.close(), removal);
    void this.closed.then(() => clearTimeout(late));
  }
}
