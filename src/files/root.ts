/** The directory behind a context's root, which may be a symbolic link to it. */
import { realpath } from 'node:fs/promises';
import type { ContextSource } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { isAbsent, isError, System } from './system.ts';

/** The tool's own directory, at the root of a context. */
export const ownDirectory = '.kaniko-dev';

export async function findRoot(source: ContextSource): Promise<Result<string>> {
  const found = await new System().stat(source.root);
  if (isError(found)) return contextMissing(source, isAbsent(found) ? 'not found' : found.code);
  if (!found.isDirectory()) return contextMissing(source, 'is not a directory');
  try {
    return ok(await realpath(source.root));
  } catch {
    return contextMissing(source, 'not found');
  }
}

export function contextMissing(source: ContextSource, why: string): Result<never> {
  return fail(
    'context-missing',
    `context directory ${why}: ${source.root}`,
    `Set the target's context to the directory the image is built from.`,
  );
}
