/**
 * The local runner: the agent and the executor in namespaces of this Linux machine. The kernel ends every process in
 * it and removes every mount when its first process ends, and that one ends with the daemon.
 */
import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Holder } from '../../host.ts';
import { type Result, fail } from '../../result.ts';
import { agentCommand } from '../agent.ts';
import { type PipedChild, ProcessChannel } from '../process.ts';
import type { OwnedConnection } from '../reconnecting.ts';
import { openAgentProcess } from './agentprocess.ts';
import { holdState } from './lock.ts';
import { makeDirectories, readable } from './place.ts';
import type { Tools } from './provision.ts';
import { alternatives, sandboxTrouble } from './trouble.ts';

export interface SandboxOptions {
  /** Directory of everything that outlives the sandbox: workspace, cached layers, images. */
  readonly state: string;
  /** Directory below which finished images are written. */
  readonly images: string;
  readonly cache: string;
  /** A user namespace, for who is not root. */
  readonly rootless: boolean;
  /** Docker's credentials file of this machine, when there is one. */
  readonly dockerConfig: string | undefined;
  readonly platform: NodeJS.Platform;
  readonly holder: Holder;
}

const program = fileURLToPath(new URL('../sandbox.sh', import.meta.url));

export async function openSandbox(
  tools: Tools,
  clock: Clock,
  options: SandboxOptions,
): Promise<Result<OwnedConnection>> {
  if (options.platform !== 'linux') {
    return fail('local-unsupported', `the sandbox needs Linux; this is ${options.platform}`, alternatives);
  }
  const { state, images, cache } = options;
  const workspace = join(state, 'workspace');
  const root = join(state, 'root');
  const made = await makeDirectories([state, workspace, root, images, cache]);
  if (!made.ok) return made;
  const lock = await holdState(state, options.holder);
  if (!lock.ok) return lock;

  const docker = await readable(options.dockerConfig);
  const child = spawn(
    'unshare',
    [
      ...(options.rootless ? ['--user', '--map-root-user', '--map-auto'] : []),
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      tools.busybox,
      'sh',
      program,
      tools.busybox,
      root,
      workspace,
      cache,
      images,
      tools.executor,
      tools.certificates,
      docker ?? '-',
      ...agentCommand,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' },
  ) as PipedChild;
  const channel = new ProcessChannel(child);
  return openAgentProcess(
    {
      child,
      channel,
      lock: lock.value,
      name: 'local',
      holder: options.holder,
      explain: (said) => sandboxTrouble(said.join('\n'), options.rootless, userName()),
    },
    clock,
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'this user, whom no passwd file names,';
  }
}
