/** The demo without a cluster and without a registry: one target in a sandbox of this machine. */
import { formatDuration } from '../../src/report/format.ts';
import { readFromLayout } from '../../test/rig/image.ts';
import { Program } from '../../test/rig/program.ts';
import { siteProject } from '../../test/rig/site.ts';
import { heading, say, showEvent } from './show.ts';

const page = 'site/public/hello.txt';
const image = '.kaniko-dev/images/site';

/** Returns the exit code. On a terminal it goes on watching after the edit, until Ctrl-C. */
export async function localDemo(terminal: boolean): Promise<number> {
  heading('a sample project');
  await using project = await siteProject();
  say(project.root);
  const content = async (): Promise<string> =>
    (await readFromLayout(project.path(image), 'www/hello.txt'))?.trim() ?? '';
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  watch.onEvent = showEvent;
  const interrupt = (): void => watch.signal('SIGINT');
  process.on('SIGINT', interrupt);
  try {
    heading('kaniko-dev watch');
    const first = await watch.waitFor('settled', () => true, 600_000);
    if (!first.ok) return 1;
    say(`/www/hello.txt in the image: ${await content()}`);

    heading(`an edit: ${page}`);
    watch.mark();
    const saved = performance.now();
    await project.write(page, 'hello, second version, saved a moment ago\n');
    const second = await watch.waitFor('settled');
    if (!second.ok) return 1;
    say(`save to image: ${formatDuration(performance.now() - saved)}`);
    say(`/www/hello.txt in the image: ${await content()}`);

    if (terminal) {
      heading('your turn');
      say(`edit a file under ${project.root}/site; Ctrl-C ends the demo`);
      await watch.finished;
    }
    return 0;
  } finally {
    process.off('SIGINT', interrupt);
    await watch.interrupt();
  }
}
