/** Builds the executor from its Go module, when this machine has Go. */
import { execFile, spawn } from 'node:child_process';
import { chmod, cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Result, fail, ok } from '../../result.ts';

export interface GoBuild {
  /** Directory with the go.mod and go.sum that pin the executor and everything it is made of. */
  readonly module: string;
  /** `v1.24.0` */
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const upstream = 'github.com/GoogleContainerTools/kaniko';

export async function buildExecutor(
  build: GoBuild,
  place: string,
  signal: AbortSignal,
): Promise<Result<string>> {
  const env = { ...build.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-buildvcs=false' };
  if (!(await runs('go', ['version'], env)))
    return fail('executor-missing', 'there is no go on the path', 'Install Go.');
  // In a folder of its own: Go may want to write beside go.mod, and packages are often read-only.
  const work = await mkdtemp(join(dirname(place), '.go-'));
  try {
    await cp(build.module, work, { recursive: true });
    const binary = join(work, 'executor');
    const flags = ['-trimpath', '-ldflags', `-s -w -X ${upstream}/pkg/version.version=${build.version}`];
    const failed = await run(
      'go',
      ['build', '-mod=mod', ...flags, '-o', binary, `${upstream}/cmd/executor`],
      work,
      env,
      signal,
    );
    if (signal.aborted) return fail('interrupted', 'interrupted', 'Start it again.');
    if (failed !== undefined)
      return fail('executor-missing', 'go build failed', 'See the lines of go.', failed.slice(-3));
    await chmod(binary, 0o755);
    await rename(binary, place);
    return ok(place);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function runs(command: string, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(command, [...argv], { env }, (error) => resolve(error === null));
  });
}

/** The last lines of what it printed when it failed, undefined when it did not. */
async function run(
  command: string,
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const child = spawn(command, [...argv], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], signal });
  let printed = '';
  child.stderr.on('data', (data: Buffer) => {
    printed = (printed + data.toString()).slice(-10_000);
  });
  const code = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(-1));
    child.on('close', (exit) => resolve(exit ?? -1));
  });
  return code === 0 ? undefined : printed.trim().split('\n');
}
