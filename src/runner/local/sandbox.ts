/**
 * The local runner: the agent and the executor in namespaces of this Linux machine. The kernel ends every process in
 * it and removes every mount when its first process ends, and that one ends with the daemon.
 */
import { spawn } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock, Holder } from '../../host.ts';
import { type Result, fail, ok } from '../../result.ts';
import { agentCommand } from '../agent.ts';
import { openConnection } from '../connection.ts';
import { type PipedChild, ProcessChannel } from '../process.ts';
import type { OwnedConnection } from '../reconnecting.ts';
import { holdState } from './lock.ts';
import type { Tools } from './provision.ts';

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

const alternatives =
  "Use runner.engine 'docker' or 'podman', or a runner in a cluster: runner.type 'kubernetes'.";

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
  for (const directory of [state, workspace, root, images, cache])
    await mkdir(directory, { recursive: true });
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
  lock.value.onTakeover(async () => {
    channel.close();
    await channel.closed;
  });
  // Until the agent speaks, its error output is that of the sandbox.
  let complaint = '';
  const listen = (data: Buffer): void => {
    complaint = (complaint + data.toString()).slice(-2_000);
  };
  child.stderr.on('data', listen);
  const connection = await openConnection(
    channel,
    clock,
    { name: 'local', workspace: '/workspace', release: async () => lock.value.release() },
    options.holder,
  );
  child.stderr.off('data', listen);
  if (!connection.ok) {
    channel.close();
    await channel.closed;
    await lock.value.release();
    return explain(connection, complaint.trim(), options.rootless);
  }
  return ok(connection.value);
}

function explain(result: Result<never>, complaint: string, rootless: boolean): Result<never> {
  if (result.ok || (result.failure.code !== 'runner-lost' && result.failure.code !== 'runner-protocol'))
    return result;
  const lines = complaint === '' ? [result.failure.message] : complaint.split('\n').slice(-5);
  if (/ENOENT/.test(result.failure.message)) {
    return fail(
      'local-unsupported',
      'there is no `unshare` on the path',
      `Install util-linux. ${alternatives}`,
      lines,
    );
  }
  const missing = rootless
    ? 'an unprivileged user may not make the namespaces it needs here (user namespaces, newuidmap, /etc/subuid)'
    : 'this user may not make mount and pid namespaces here';
  return fail('local-unsupported', `the sandbox could not be made: ${missing}`, alternatives, lines);
}

async function readable(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    await access(file);
    return file;
  } catch {
    return undefined;
  }
}
