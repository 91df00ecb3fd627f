// Starts the cluster's processes and ends exactly those.
//
// Two independent signs say that a process is ours, so that neither a crash of this tool before
// it wrote a record nor a reused pid can mislead it:
//   - its environment carries our marker: everything we start, and what those start (shims, runc)
//   - its root is an overlay of our containerd: everything that runs in a pod

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { netnsFile, paths, type Layout } from './addresses.ts';

export type ProcessRecord = { readonly name: string; readonly pid: number; readonly startTime: string };

const marker = 'KANIKO_DEV_CLUSTER_STATE';

/** Starts a program in the cluster's namespace and in a session of its own, logging to a file. */
export async function start(layout: Layout, name: string, argv: readonly string[]): Promise<void> {
  const log = openSync(join(paths.logs(layout), `${name}.log`), 'a');
  // nsenter, not `ip netns exec`: the latter mounts a new /sys, where runc finds no cgroups.
  const child = spawn('nsenter', [`--net=${netnsFile(layout)}`, '--', ...argv], {
    detached: true,
    stdio: ['ignore', log, log],
    // A clean environment: proxies and certificate paths of the caller's shell are not the cluster's.
    env: { PATH: searchPath(), HOME: '/root', [marker]: layout.stateDir },
  });
  closeSync(log);
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(child.pid as number));
  });
  child.unref();
  const record: ProcessRecord = { name, pid, startTime: (await startTimeOf(pid)) ?? 'ended' };
  await writeFile(join(paths.processes(layout), `${name}.json`), JSON.stringify(record));
}

function searchPath(): string {
  return `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;
}

export async function recorded(layout: Layout): Promise<ProcessRecord[]> {
  const folder = paths.processes(layout);
  const records: ProcessRecord[] = [];
  for (const file of await readdir(folder).catch(() => [])) {
    try {
      records.push(JSON.parse(await readFile(join(folder, file), 'utf8')) as ProcessRecord);
    } catch {
      // Cut off while it was written: the marker finds that process.
    }
  }
  return records;
}

export async function isAlive(record: ProcessRecord): Promise<boolean> {
  return (await startTimeOf(record.pid)) === record.startTime;
}

/** Field 22 of /proc/<pid>/stat, counted after the name, which may hold spaces and brackets. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended, only its parent has not looked yet.
  return fields[0] === 'Z' ? undefined : fields[19];
}

export async function ownProcesses(layout: Layout): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const ours = await Promise.all(pids.map((pid) => isOurs(layout, pid)));
  return pids.filter((pid, index) => ours[index] === true && pid !== process.pid);
}

async function isOurs(layout: Layout, pid: number): Promise<boolean> {
  if ((await startTimeOf(pid)) === undefined) return false;
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  if (environment.split('\0').includes(`${marker}=${layout.stateDir}`)) return true;
  const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  return mounts
    .split('\n')
    .some((line) => line.split(' ')[4] === '/' && line.includes(`upperdir=${layout.stateDir}/`));
}

/** Everything in the cluster is disposable: no grace, and again until nothing new has appeared. */
export async function endOwnProcesses(layout: Layout): Promise<void> {
  const end = performance.now() + 20_000;
  for (;;) {
    const pids = await ownProcesses(layout);
    if (pids.length === 0) return;
    if (performance.now() > end) throw new Error(`processes that do not end: ${pids.join(', ')}`);
    for (const pid of pids) kill(pid);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
