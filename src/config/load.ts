/** Finds, reads, validates and resolves the configuration. */
import { basename, dirname, resolve as absolute } from 'node:path';
import { fail, ok, type Result } from '../result.ts';
import { isPlainObject } from './expect.ts';
import { findConfig, isFile, packageKey } from './find.ts';
import { problemLines } from './problems.ts';
import { readConfig } from './read.ts';
import { resolveConfig, type ResolvedConfig } from './resolve.ts';
import { configSchema } from './schema.ts';

/** What the command line may say in place of the file. */
export interface ConfigOverrides {
  readonly context?: string | undefined;
  /** Relative to the working directory. */
  readonly kubeconfig?: string | undefined;
  readonly namespace?: string | undefined;
  /** Use a local runner, whatever the file says. */
  readonly local?: boolean | undefined;
  /** Push what a local runner builds. */
  readonly push?: boolean | undefined;
}

export interface LoadConfigInput {
  /** Absolute path of the directory to search upward from. */
  readonly cwd: string;
  /** The file to read in place of a search, relative to `cwd`. */
  readonly file?: string | undefined;
  readonly overrides?: ConfigOverrides | undefined;
}

export interface LoadedConfig {
  readonly file: string;
  /** Directory of the file. */
  readonly root: string;
  readonly config: ResolvedConfig;
  /** Absolute paths of the file and of what it imports below the root: a change of any of them changes it. */
  readonly dependencies: readonly string[];
}

export async function loadConfig(input: LoadConfigInput): Promise<Result<LoadedConfig>> {
  const found =
    input.file === undefined ? await findConfig(input.cwd) : await namedFile(input.cwd, input.file);
  if (!found.ok) return found;
  const file = found.value;
  const root = dirname(file);
  const read = await readConfig(file);
  if (!read.ok) return read;
  const { value, dependencies } = read.value;
  const config = validateConfig(override(value, input), file);
  if (!config.ok) return config;
  return ok({ file, root, config: config.value, dependencies });
}

/** `file` is absolute; it is named in the failure, and its directory is where relative paths start. */
export function validateConfig(value: unknown, file: string): Result<ResolvedConfig> {
  const remedy = 'correct the file; docs/configuration.md describes every option';
  if (value === undefined || value === null) {
    return fail('config-invalid', `${file} holds no configuration`, remedy, [emptiness(file)]);
  }
  const parsed = configSchema.safeParse(value, { reportInput: true });
  if (parsed.success) return ok(resolveConfig(parsed.data, dirname(file)));
  const lines = problemLines(parsed.error.issues);
  const count = lines.length === 1 ? '1 problem' : `${lines.length} problems`;
  return fail('config-invalid', `${count} in ${file}`, remedy, lines);
}

function emptiness(file: string): string {
  if (basename(file) === 'package.json') return `it has no key "${packageKey}"`;
  return /\.m?[jt]s$/.test(file) ? 'is "export default" missing?' : 'the file is empty';
}

async function namedFile(cwd: string, name: string): Promise<Result<string>> {
  const file = absolute(cwd, name);
  if (await isFile(file)) return ok(file);
  return fail('config-missing', `there is no file ${file}`, 'correct the path given with --config');
}

/** Overrides go in before validation, so that they are checked like the rest. */
function override(value: unknown, { cwd, overrides = {} }: LoadConfigInput): unknown {
  if (!isPlainObject(value)) return value;
  const { context, kubeconfig, namespace, local, push } = overrides;
  const cluster = given({
    context,
    kubeconfig: kubeconfig === undefined ? undefined : absolute(cwd, kubeconfig),
    namespace,
  });
  const runner = value['runner'] ?? {};
  const isLocal = isPlainObject(runner) && runner['type'] === 'local';
  return {
    ...value,
    ...merged(value['cluster'], 'cluster', cluster),
    // The options of the two kinds of runner have nothing in common; whoever runs refuses `push` with the other one.
    ...(local === true && !isLocal
      ? { runner: given({ type: 'local', push }) }
      : merged(runner, 'runner', isLocal ? given({ push }) : {})),
  };
}

function given(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, each]) => each !== undefined));
}

/** What is no object stays as it is, for validation to complain about. */
function merged(
  before: unknown = {},
  key: string,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.keys(more).length === 0 || !isPlainObject(before) ? {} : { [key]: { ...before, ...more } };
}
