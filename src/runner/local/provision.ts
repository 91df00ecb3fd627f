/**
 * Finds what a sandbox is furnished with: the executor, a static busybox, the certificates of authorities.
 * Each is looked for in the same order: configured, cached, pulled from the kaniko image, made on this machine.
 */
import { access, constants, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../clock.ts';
import type { Tool, ToolSource } from '../../event.ts';
import { type Failure, type Result, fail, ok } from '../../result.ts';

export interface Tools {
  readonly executor: string;
  readonly busybox: string;
  readonly certificates: string;
}

/** Where one tool may come from beyond the configuration and the cache. */
export interface Maker {
  readonly source: ToolSource;
  /** False when the tool is used where it is, so that a cache which cannot be written does not matter. */
  readonly writes: boolean;
  /** Puts the tool where it says, or tells why it cannot. `place` is absolute, in a directory that exists. */
  readonly make: (place: string, signal: AbortSignal) => Promise<Result<string>>;
}

export interface ProvisionOptions {
  readonly configured: { readonly [T in Tool]: string | undefined };
  /** Directory of this image's tools, made when needed. */
  readonly cache: string;
  /** Paths that count as cached besides the cache directory. */
  readonly alsoCached: { readonly [T in Tool]: readonly string[] };
  readonly makers: { readonly [T in Tool]: readonly Maker[] };
  readonly onFound: (tool: Tool, source: ToolSource, path: string) => void;
}

const fileNames: Readonly<Record<Tool, string>> = {
  executor: 'executor',
  busybox: 'busybox',
  certificates: 'ca-certificates.crt',
};

/** Where the cache keeps the tool. */
export function placeOf(cache: string, tool: Tool): string {
  return join(cache, fileNames[tool]);
}

export async function provision(options: ProvisionOptions, signal: AbortSignal): Promise<Result<Tools>> {
  // Looked at first: whatever is made for one tool may bring the others along.
  const cached = {
    executor: await findCached('executor', options),
    busybox: await findCached('busybox', options),
    certificates: await findCached('certificates', options),
  };
  const executor = await find('executor', cached.executor, options, signal);
  if (!executor.ok) return executor;
  const busybox = await find('busybox', cached.busybox, options, signal);
  if (!busybox.ok) return busybox;
  const certificates = await find('certificates', cached.certificates, options, signal);
  if (!certificates.ok) return certificates;
  return ok({ executor: executor.value, busybox: busybox.value, certificates: certificates.value });
}

async function findCached(tool: Tool, options: ProvisionOptions): Promise<string | undefined> {
  for (const path of [placeOf(options.cache, tool), ...options.alsoCached[tool]])
    if (await isUsable(tool, path)) return path;
  return undefined;
}

async function find(
  tool: Tool,
  cached: string | undefined,
  options: ProvisionOptions,
  signal: AbortSignal,
): Promise<Result<string>> {
  const found = (source: ToolSource, path: string): Result<string> => {
    options.onFound(tool, source, path);
    return ok(path);
  };
  const configured = options.configured[tool];
  if (configured !== undefined) {
    if (await isUsable(tool, configured)) return found('configured', configured);
    return fail(
      'executor-missing',
      `runner.${tool} names ${configured}, which ${tool === 'certificates' ? 'cannot be read' : 'is not an executable file'}`,
      `Correct runner.${tool} in the configuration, or leave it out.`,
    );
  }
  if (cached !== undefined) return found('cache', cached);
  const place = placeOf(options.cache, tool);
  const tried: string[] = [`runner.${tool}: not configured`];
  const unwritable = await prepare(options.cache);
  tried.push(`cache: ${unwritable ?? `nothing at ${place}`}`);
  for (const maker of options.makers[tool]) {
    if (maker.writes && unwritable !== undefined) {
      tried.push(`${maker.source}: not tried, there is no place for it`);
      continue;
    }
    const made = await maker.make(place, signal);
    if (made.ok) return found(maker.source, made.value);
    if (signal.aborted) return made;
    tried.push(`${maker.source}: ${why(made.failure)}`);
  }
  return fail(
    'executor-missing',
    `there is no ${tool === 'executor' ? 'kaniko executor' : tool} for the local runner`,
    `Set runner.${tool} to one, make the kaniko image reachable${tool === 'executor' ? ', install Go 1.24 or newer' : ''}, or use a runner in a cluster.`,
    tried,
  );
}

/** Why nothing can be put into the cache; undefined when it can. */
async function prepare(cache: string): Promise<string | undefined> {
  try {
    await mkdir(cache, { recursive: true });
    await access(cache, constants.W_OK);
    await sweep(cache);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Milliseconds after which a directory of somebody who makes a tool belongs to one that was killed. */
const abandoned = 24 * 3_600_000;

async function sweep(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.')) continue;
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
    if (systemClock.now() - mtimeMs > abandoned) await rm(path, { recursive: true, force: true });
  }
}

function why(failure: Failure): string {
  return [failure.message, ...(failure.detail ?? []).slice(-1)].join(': ');
}

async function isUsable(tool: Tool, path: string): Promise<boolean> {
  try {
    await access(path, tool === 'certificates' ? constants.R_OK : constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
