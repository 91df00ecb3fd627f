/** The Dockerfile and the ignore file of a context: where they are and what they say. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { ContextSource } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { noRules, parseIgnoreFile, type Rules } from './ignore.ts';
import { readText } from './read.ts';
import { isAbsent, System } from './system.ts';

/** The ignore files that count, most important first: one beside the Dockerfile, then the one of the context. */
export function ignoreFilePaths(source: ContextSource): readonly [string, string] {
  return [`${source.dockerfile}.dockerignore`, join(source.root, '.dockerignore')];
}

export async function readDockerfile(source: ContextSource): Promise<Result<string>> {
  const text = await readFile(source.dockerfile);
  if (!text.ok) return text;
  if (text.value !== undefined) return ok(text.value);
  const near = await similarNames(source.dockerfile);
  return fail(
    'dockerfile-missing',
    `Dockerfile not found: ${source.dockerfile}`,
    near.length === 0
      ? `Create it, or set the target's dockerfile to the file you mean.`
      : `Set the target's dockerfile to the file you mean; beside it: ${near.join(', ')}.`,
  );
}

export interface IgnoreFile {
  /** Undefined when there is none. */
  readonly text: string | undefined;
  readonly rules: Rules;
}

export async function readIgnoreFile(source: ContextSource): Promise<Result<IgnoreFile>> {
  for (const path of ignoreFilePaths(source)) {
    const text = await readFile(path);
    if (!text.ok) return text;
    if (text.value === undefined) continue;
    const rules = parseIgnoreFile(text.value, path);
    return rules.ok ? ok({ text: text.value, rules: rules.value }) : rules;
  }
  return ok({ text: undefined, rules: noRules });
}

/** Undefined when there is no such file. */
async function readFile(path: string): Promise<Result<string | undefined>> {
  const system = new System();
  for (const pause of [0, 10, 50, 200]) {
    if (pause > 0) await setTimeout(pause);
    const outcome = await readText(system, path);
    if (outcome.kind === 'read') return ok(outcome.value);
    if (outcome.kind === 'moved') continue;
    if (isAbsent(outcome.error)) return ok(undefined);
    return fail('file-unreadable', `cannot read ${path}: ${outcome.error.code}`, 'Make it a readable file.');
  }
  return fail(
    'file-unstable',
    `${path} keeps changing while it is read`,
    'Stop whatever rewrites it, or make it a regular file.',
  );
}

async function similarNames(path: string): Promise<readonly string[]> {
  const wanted = basename(path).toLowerCase();
  // Only to help with a message: a directory that cannot be listed has no names to offer.
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => {
      const lower = name.toLowerCase();
      return lower === wanted || (/(docker|container)file/.test(lower) && !lower.endsWith('.dockerignore'));
    })
    .sort()
    .slice(0, 5);
}
