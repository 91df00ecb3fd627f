/** What `watch` and `once` share: configuration, targets, host. */
import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ConfigOverrides, type LoadedConfig, loadConfig } from '../config/load.ts';
import { selectTargets } from '../config/select.ts';
import type { Emit } from '../event.ts';
import type { ResolvedConfig } from '../config/resolve.ts';
import type { Holder, Host } from '../host.ts';
import { type ExitCode, type Failure, type Result, fail, failureExits, ok } from '../result.ts';
import type { SessionPlan } from '../session.ts';
import { type PlanFacts, planSession, readCertificates } from './plan.ts';

/** What a host is made from. */
export interface HostRequest {
  readonly config: ResolvedConfig;
  /** Directory of the configuration file. */
  readonly root: string;
  /** Registry host → PEM text. */
  readonly certificates: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly holder: Holder;
  /** Whether a selected target is rolled. */
  readonly deploys: boolean;
  /** Absolute path of the archive to write for `docker load`. */
  readonly archive: string | undefined;
  readonly system: System;
  readonly emit: Emit;
}

/** The machine and the user. */
export interface System {
  readonly platform: NodeJS.Platform;
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: NodeJS.Architecture;
  readonly root: boolean;
}

export interface PreparedHost {
  readonly host: Host;
  readonly facts: PlanFacts;
}

export interface SessionInput {
  /** Makes the real host. */
  readonly createHost: (request: HostRequest) => Promise<Result<PreparedHost>>;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The configuration file; searched upward from `cwd` when undefined. */
  readonly file: string | undefined;
  readonly overrides: ConfigOverrides;
  /** Names of targets; all when empty. */
  readonly targets: readonly string[];
  /** Path of the archive to write for `docker load`, relative to `cwd`. */
  readonly archive?: string | undefined;
  /** Go on although most files of a context are gone. */
  readonly force: boolean;
  readonly system: System;
  /** user@host, shown to whoever wants the same workspace. */
  readonly holder: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

type Run = (host: Host, plan: SessionPlan, emit: Emit, signal: AbortSignal) => Promise<ExitCode>;

/** A session that is ready to run. */
export interface Prepared {
  readonly host: Host;
  readonly plan: SessionPlan;
  readonly loaded: LoadedConfig;
}

/** Loads and checks everything that needs no cluster first, then runs. */
export async function withSession(input: SessionInput, run: Run): Promise<ExitCode> {
  const prepared = await prepare(input);
  const exitCode = prepared.ok
    ? await run(prepared.value.host, prepared.value.plan, input.emit, input.signal)
    : refuse(input.emit, prepared.failure);
  input.emit({ type: 'session-ended', exitCode });
  return exitCode;
}

export async function prepare(input: SessionInput): Promise<Result<Prepared>> {
  const loaded = await loadSession(input);
  if (!loaded.ok) return loaded;
  const { config, root } = loaded.value;
  const names = selectTargets(config, input.targets);
  if (!names.ok) return names;
  const refused = refuseOptions(input, config, names.value);
  if (!refused.ok) return refused;
  const certificates = await readCertificates(config);
  if (!certificates.ok) return certificates;
  const created = await input.createHost({
    config,
    root,
    certificates: certificates.value,
    env: input.env,
    deploys: names.value.some((name) => config.targets[name]?.deploy !== undefined),
    archive: input.archive === undefined ? undefined : resolve(input.cwd, input.archive),
    system: input.system,
    holder: { name: input.holder, session: randomUUID() },
    emit: input.emit,
  });
  if (!created.ok) return created;
  const { host, facts } = created.value;
  const plan = planSession(loaded.value, names.value, certificates.value, facts, input.force);
  return ok({ host, plan, loaded: loaded.value });
}

export async function loadSession({ cwd, file, overrides }: SessionInput): Promise<Result<LoadedConfig>> {
  return loadConfig({ cwd, file, overrides });
}

/** A device, a pipe, a link: an archive must not take its place. Whatever else is wrong with a path is told later. */
function isSpecial(path: string): boolean {
  try {
    const stat = lstatSync(path);
    return !stat.isFile() && !stat.isDirectory();
  } catch {
    return false;
  }
}

/** Options that mean nothing with this runner must not be taken silently. */
function refuseOptions(
  input: SessionInput,
  { runner }: ResolvedConfig,
  names: readonly string[],
): Result<void> {
  if (input.archive !== undefined && (runner.type !== 'local' || runner.push)) {
    return fail(
      'usage',
      '--tar needs a local runner that does not push',
      'Add --local, and leave --push out.',
    );
  }
  if (input.archive !== undefined && isSpecial(resolve(input.cwd, input.archive))) {
    return fail(
      'usage',
      `--tar ${input.archive}: there is something else than a file`,
      'Name a file, or a path that is free.',
    );
  }
  if (input.archive !== undefined && names.length !== 1) {
    return fail('usage', '--tar writes the image of one target', `Name one of them: ${names.join(', ')}.`);
  }
  if (input.overrides.push === true && runner.type !== 'local') {
    return fail(
      'usage',
      '--push is for a local runner: a runner in a cluster always pushes',
      'Leave --push out.',
    );
  }
  return ok(undefined);
}

export function refuse(emit: Emit, failure: Failure): ExitCode {
  emit({ type: 'session-failed', failure });
  return failureExits[failure.code];
}
