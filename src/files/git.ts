/** Whether git is rewriting files: a checkout, pull or rebase passes through states that nobody meant to build. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** Milliseconds: an older lock is left from a git that crashed, or of one that waits for a person to type. */
const longestLock = 60_000;

/** Whether a git command holds the index of the repository or worktree that `root` is in. Never fails. */
export async function gitBusy(root: string, now: () => number = Date.now): Promise<boolean> {
  const directory = await gitDirectory(resolve(root));
  if (directory === undefined) return false;
  const lock = await stat(join(directory, 'index.lock')).catch(() => undefined);
  return lock !== undefined && now() - lock.mtimeMs < longestLock;
}

/** The git directory of the nearest repository above. */
async function gitDirectory(root: string): Promise<string | undefined> {
  for (let at = root; ; at = dirname(at)) {
    const directory = await pointedTo(join(at, '.git'));
    // As git does: a directory of that name with no repository in it is nothing.
    if (directory !== undefined && (await exists(join(directory, 'HEAD')))) return directory;
    if (at === dirname(at)) return undefined;
  }
}

/** Worktrees and submodules have a file that says where the directory is. */
async function pointedTo(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return undefined;
  if (found.isDirectory()) return path;
  const text = found.isFile() ? await readFile(path, 'utf8').catch(() => '') : '';
  const target = /^gitdir: (.+?)\r?\n?$/.exec(text)?.[1];
  return target === undefined ? undefined : resolve(dirname(path), target);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
