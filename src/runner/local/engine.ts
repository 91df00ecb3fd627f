/** The local runner in a container engine: the kaniko image itself, the agent over `run -i`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Clock, Holder } from '../../host.ts';
import { type Failure, type Result, failure } from '../../result.ts';
import { agentCommand } from '../agent.ts';
import { type PipedChild, ProcessChannel } from '../process.ts';
import type { OwnedConnection } from '../reconnecting.ts';
import { openAgentProcess } from './agentprocess.ts';
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
  const explain = (said: readonly string[], cause: Failure): Failure =>
    cause.message.includes('ENOENT')
      ? failure(
          'local-unsupported',
          `there is no ${engine} on the path`,
          `Install ${engine}, or leave runner.engine out to use the sandbox.`,
        )
      : failure(
          'local-unsupported',
          `${engine} could not run ${options.image}`,
          `Try \`${engine} run --rm ${options.image} version\`, or leave runner.engine out to use the sandbox.`,
          said.slice(-5),
        );
  return openAgentProcess(
    { child, channel, lock: lock.value, name: engine, holder: options.holder, explain },
    clock,
  );
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
