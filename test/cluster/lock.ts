// Serialises starts and stops of one cluster, and builds into the cache. flock(2), taken through
// the flock program on a descriptor of ours: the kernel gives it back when this process ends, even
// by kill -9.

import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { say } from './progress.ts';

/** `others` names what may be holding the lock, for the one who waits. */
export async function withLock<T>(path: string, others: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'w', 0o600);
  try {
    if (!(await flock(file.fd, ['--nonblock']))) {
      say(`  ${others} is under way; waiting for it`);
      if (!(await flock(file.fd, []))) throw new Error(`cannot lock ${path}`);
    }
    return await work();
  } finally {
    await file.close();
  }
}

/** Says that the cluster is in use for as long as `work` lasts; several can at a time. */
export async function whileUsing<T>(path: string, work: () => Promise<T>): Promise<T> {
  const file = await open(path, 'w', 0o600);
  try {
    if (!(await flock(file.fd, [], '--shared'))) throw new Error(`cannot lock ${path}`);
    return await work();
  } finally {
    await file.close();
  }
}

export async function isUsed(path: string): Promise<boolean> {
  const file = await open(path, 'w', 0o600);
  try {
    return !(await flock(file.fd, ['--nonblock']));
  } finally {
    await file.close();
  }
}

function flock(descriptor: number, options: readonly string[], kind = '--exclusive'): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // The lock belongs to the open file, which outlives the program that asked for it.
    const child = spawn('flock', [kind, ...options, '3'], {
      stdio: ['ignore', 'ignore', 'inherit', descriptor],
    });
    child.once('error', reject);
    child.once('close', (code) => resolve(code === 0));
  });
}
