/** What both kinds of local runner need on this machine's disk. */
import { access, mkdir } from 'node:fs/promises';
import { type Result, fail, ok } from '../../result.ts';

/** Directories that outlive the runner. */
export async function makeDirectories(directories: readonly string[]): Promise<Result<void>> {
  for (const directory of directories) {
    try {
      await mkdir(directory, { recursive: true });
    } catch (error) {
      return fail(
        'local-unsupported',
        `the local runner cannot keep its state: ${error instanceof Error ? error.message : String(error)}`,
        'Make .kaniko-dev beside the configuration writable; it may belong to another user.',
      );
    }
  }
  return ok(undefined);
}

/** The file when it can be read. */
export async function readable(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    await access(file);
    return file;
  } catch {
    return undefined;
  }
}
