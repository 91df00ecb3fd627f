/**
 * What kaniko-dev adds to kaniko: a warm edit of one file in the sample without a cluster, from the save to the event
 * that says that the image is there, less the executor's own time and the pause that waits for further saves.
 */
import { Program } from '../test/rig/program.ts';
import { siteProject } from '../test/rig/site.ts';
import { type Print, median, ms } from './row.ts';

const edits = 21;
/** Before the measured ones: programs and files are read for the first time. */
const warmUp = 3;
/** Milliseconds; `build.settle` of the sample. */
const settle = 100;

interface Edit {
  readonly total: number;
  readonly executor: number;
  readonly own: number;
}

export async function localEdit(print: Print): Promise<void> {
  const measured: Edit[] = [];
  await using project = await siteProject();
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  try {
    await watch.waitFor('settled', ({ ok }) => ok);
    for (let edit = 0; edit < warmUp + edits; edit += 1) {
      const saved = performance.now();
      await project.write('site/public/hello.txt', `edit ${edit}\n`);
      const { executorMs: executor } = await watch.waitFor('built');
      await watch.waitFor('settled', ({ ok }) => ok);
      const total = performance.now() - saved;
      if (edit >= warmUp) measured.push({ total, executor, own: total - executor - settle });
    }
  } finally {
    await watch.interrupt();
  }
  const of = (pick: (edit: Edit) => number): number => median(measured.map(pick));
  const executor = of((edit) => edit.executor);
  const reference = `median of ${edits} edits`;
  print({ what: 'save to image', value: ms(of((edit) => edit.total)), reference });
  print({ what: 'of it: the executor', value: ms(executor), reference });
  print({ what: 'of it: the pause for further saves', value: ms(settle), reference: 'build.settle' });
  print({
    what: 'of it: kaniko-dev itself',
    value: ms(of((edit) => edit.own)),
    reference,
    wanted: `at most ${ms(50 + 0.05 * executor)}: 50 ms and 5 % of the executor`,
  });
  print({
    what: 'kaniko-dev itself, slowest edit',
    value: ms(Math.max(...measured.map((edit) => edit.own))),
    reference: `of ${edits}`,
  });
}
