/** Bad input: what the program must say, and that it changed and left nothing. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { parse, stringify } from 'yaml';
import type { KanikoDevConfig } from '../../src/config/config.ts';
import { type Failure, type FailureCode, failureExits } from '../../src/result.ts';
import type { Moltbook } from './moltbook.ts';
import type { Finished, ProgramOptions } from './program.ts';
import type { Project } from './project.ts';

export interface Refusal {
  readonly code: FailureCode;
  /** Names the thing. */
  readonly message: RegExp;
  readonly remedy?: RegExp;
}

/** The exit code follows from the code of the failure; so does the documented list. */
export function assertRefused(finished: Finished, expected: Refusal): Failure {
  const failures = failuresOf(finished);
  const said = `${finished.stdout}\n${finished.stderr}`;
  const [failure] = failures;
  assert.ok(failure !== undefined, `no failure was told:\n${said}`);
  assert.equal(failures.length, 1, `one failure is told once:\n${said}`);
  assert.equal(failure.code, expected.code, said);
  assert.equal(finished.code, failureExits[expected.code], said);
  assert.match(failure.message, expected.message);
  assert.doesNotMatch(failure.message, /\n/);
  assert.notEqual(failure.remedy, '');
  if (expected.remedy !== undefined) assert.match(failure.remedy, expected.remedy);
  return failure;
}

export function failuresOf({ events }: Finished): Failure[] {
  return events.flatMap((event) =>
    event.type === 'session-failed' || event.type === 'step-failed' ? [event.failure] : [],
  );
}

/** Runs the program, which must refuse, and compares the cluster, the registry and the project before and after. */
export async function refuses(
  moltbook: Moltbook,
  argv: readonly string[],
  expected: Refusal,
  options?: ProgramOptions,
): Promise<{ finished: Finished; failure: Failure }> {
  const before = await stateOf(moltbook);
  const finished = await moltbook.run(argv, options);
  const failure = assertRefused(finished, expected);
  assert.deepEqual(await stateOf(moltbook), before, 'nothing was changed');
  return { finished, failure };
}

/** Everything that a run may change, but for its own directory in the project. */
export async function stateOf(moltbook: Moltbook): Promise<Readonly<Record<string, unknown>>> {
  const template = '{range .items[*]}{.metadata.name} {.metadata.generation}{"\\n"}{end}';
  const [deployments, files, ...tags] = await Promise.all([
    moltbook.kubectl(['get', 'deployments', '-o', `jsonpath=${template}`]),
    readdir(moltbook.project.root, { recursive: true }),
    moltbook.tags('moltbook-api'),
    moltbook.tags('moltbook-frontend'),
  ]);
  const own = files.filter((name) => !/^\.kaniko-dev(\/|$)/.test(name));
  return { deployments, files: own.toSorted(), tags };
}

/** Writes a changed copy of the sample's configuration; the arguments that name it. */
export async function configured(
  project: Project,
  change: (config: KanikoDevConfig) => void,
): Promise<readonly string[]> {
  const config = parse(await readFile(project.path('kaniko.config.yaml'), 'utf8')) as KanikoDevConfig;
  change(config);
  await project.write('changed.config.yaml', stringify(config));
  return ['--config', 'changed.config.yaml'];
}

/** Waits until nobody holds the workspace and no executor runs; fails with what is left. */
export async function runnerIdle(moltbook: Moltbook): Promise<void> {
  const look = `
    left() {
      ls -d /workspace/.kaniko-dev/writer /workspace/.kaniko-dev/building /workspace/.kaniko-dev/tmp.* 2>/dev/null
      for p in /proc/[0-9]*; do
        read -r name <"$p/comm" || continue
        [ "$name" = executor ] && echo "$p $name"
      done 2>/dev/null
    }
    n=0
    while [ -n "$(left)" ]; do
      n=$((n + 1))
      if [ $n -gt 300 ]; then left; exit 1; fi
      /busybox/sleep 0.05
    done`;
  const left = await moltbook.kubectl([
    'exec',
    await moltbook.runnerPod(),
    '--',
    '/busybox/sh',
    '-c',
    `PATH=/busybox; ${look}`,
  ]);
  assert.equal(left, '');
}
