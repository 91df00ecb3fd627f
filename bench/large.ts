/** The whole program watching 100,000 files: its memory, its watches, its idle time, and one edit. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Program } from '../test/rig/program.ts';
import { Project } from '../test/rig/project.ts';
import { type Print, median, ms } from './row.ts';

const directories = 1_000;
const filesEach = 100;
/** Milliseconds after the first build until the index is written and everything is at rest. */
const settling = 15_000;
/** Milliseconds of doing nothing that are measured. */
const idle = 20_000;

export async function largeBench(print: Print): Promise<void> {
  await using project = await Project.empty();
  // Nothing but the Dockerfile is built: every edit is synced alone.
  await project.write('context/Dockerfile', 'FROM scratch\nCOPY Dockerfile /\n');
  await project.write(
    'kaniko.config.yaml',
    'runner: { type: local }\ntargets: { large: { context: context, image: localhost/large } }\n',
  );
  for (let directory = 0; directory < directories; directory += 1) {
    mkdirSync(project.path(`context/${directory}`));
    for (let file = 0; file < filesEach; file += 1) {
      writeFileSync(
        project.path(`context/${directory}/${file}.ts`),
        `export const file = ${directory * filesEach + file};\n`,
      );
    }
  }
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  try {
    await watch.waitFor('settled', ({ ok }) => ok, 300_000);
    await setTimeout(settling);
    const before = cpuOf(watch.pid);
    await setTimeout(idle);
    const used = cpuOf(watch.pid) - before;
    const times: number[] = [];
    for (let edit = 0; edit < 15; edit += 1) {
      const path = project.path(`context/${edit * 60}/7.ts`);
      const saved = performance.now();
      writeFileSync(path, `export const edit = ${edit};\n`);
      await watch.waitFor('synced');
      times.push(performance.now() - saved);
      await watch.waitFor('settled');
    }
    const what = (text: string): string => `watch of 100,000 files in 1,000 directories: ${text}`;
    print({
      what: what('resident memory'),
      value: `${residentOf(watch.pid).toFixed(0)} MB`,
      wanted: '≤ 350 MB',
    });
    print({ what: what('inotify watches'), value: `${watchesOf(watch.pid)}`, wanted: 'one a directory' });
    print({
      what: what('idle'),
      value: `${((used / idle) * 100).toFixed(2)} % of a core`,
      wanted: '< 0.5 %',
    });
    print({
      what: what('save of one file → acknowledged (median)'),
      value: ms(median(times)),
      wanted: '≤ 50 ms',
    });
  } finally {
    await watch.interrupt();
  }
}

/** Milliseconds of processor time, user and system. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Clock ticks, a hundredth of a second each.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Megabytes. */
function residentOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kilobytes) * 1_024) / 1e6;
}

function watchesOf(pid: number): number {
  let watches = 0;
  for (const descriptor of readdirSync(`/proc/${pid}/fdinfo`)) {
    watches += readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').match(/^inotify /gm)?.length ?? 0;
  }
  return watches;
}
