/** A directory with some files, gone after the test. */
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Failure, Result } from '../../../src/result.ts';

export async function project(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'kaniko-dev-config-')));
  t.after(() => rm(root, { recursive: true }));
  await write(root, files);
  return root;
}

export async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

export async function listing(root: string): Promise<string[]> {
  return (await readdir(root, { recursive: true })).toSorted();
}

export function value<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`unexpected failure: ${JSON.stringify(result.failure, undefined, 2)}`);
}

export function failureOf(result: Result<unknown>): Failure {
  if (!result.ok) return result.failure;
  throw new Error(`unexpected success: ${JSON.stringify(result.value)}`);
}
