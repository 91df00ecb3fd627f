/** What a program leaves on this machine: processes and mounts that concern a directory. */
import { readFile, readdir } from 'node:fs/promises';

/** Milliseconds that the kernel may take to end a namespace. */
const deadline = 5_000;
const pause = 20;

/** Processes whose arguments, environment or mounts name the directory, and mounts of this process that do. */
export async function tracesOf(directory: string): Promise<string[]> {
  const traces: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const read = async (name: string): Promise<string> =>
      readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    // A zombie has ended; only its parent has not looked yet.
    if (/^State:\s+Z/m.test(await read('status'))) continue;
    for (const name of ['cmdline', 'environ', 'mountinfo']) {
      if (!(await read(name)).includes(directory)) continue;
      traces.push(`process ${pid} by its ${name}: ${(await read('cmdline')).replaceAll('\0', ' ')}`);
      break;
    }
  }
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  traces.push(...mounts.split('\n').filter((line) => line.includes(directory)));
  return traces;
}

/** Waits until nothing is left, and throws what is left otherwise. */
export async function withoutTraces(directory: string): Promise<void> {
  const end = performance.now() + deadline;
  for (;;) {
    const traces = await tracesOf(directory);
    if (traces.length === 0) return;
    if (performance.now() > end) throw new Error(`left behind:\n${traces.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
