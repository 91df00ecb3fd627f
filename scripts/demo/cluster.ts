/** The demo on a real Kubernetes: the test cluster, the applied k8s/ folder, two services, one edit. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { formatDuration } from '../../src/report/format.ts';
import { Moltbook } from '../../test/rig/moltbook.ts';
import { heading, say, showEvent } from './show.ts';

const page = 'moltbook-frontend/public/index.html';

/** Returns the exit code. On a terminal it goes on watching after the edit, until Ctrl-C. */
export async function clusterDemo(terminal: boolean): Promise<number> {
  heading('a Kubernetes cluster on this machine (the first start builds it, which takes minutes)');
  const up = spawn('npm', ['run', '--silent', 'cluster', '--', 'up'], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(up, 'exit')) as [number | null];
  if (code !== 0) return code ?? 1;

  heading('the runner, and a project of two services');
  const moltbook = await Moltbook.create();
  const { project, namespace, cluster } = moltbook;
  say(`namespace  ${namespace}`);
  say(`project    ${project.root}`);
  const started = performance.now();
  const watch = moltbook.start(['watch']);
  watch.onEvent = showEvent;
  const interrupt = (): void => watch.signal('SIGINT');
  process.on('SIGINT', interrupt);
  try {
    heading('kaniko-dev watch');
    for (let settled = 0; settled < 2; settled += 1) {
      const end = await watch.waitFor('settled', () => true, 600_000);
      if (!end.ok) return 1;
    }
    say(`both services run after ${formatDuration(performance.now() - started)}`);
    const before = await moltbook.serves('moltbook-frontend', '/index.html');
    say(`the pod serves: ${before.trim()}`);

    heading(`an edit: ${page}`);
    watch.mark();
    const saved = performance.now();
    await project.write(page, 'frontend: second version, saved a moment ago\n');
    const end = await watch.waitFor('settled');
    if (!end.ok) return 1;
    const after = await moltbook.serves('moltbook-frontend', '/index.html');
    say(`the pod serves: ${after.trim()}`);
    say(`save to served: ${formatDuration(performance.now() - saved)}`);

    if (terminal) {
      heading('your turn');
      say(`edit a file under ${project.root}; Ctrl-C ends the demo`);
      say(`look around: kubectl --kubeconfig ${cluster.adminKubeconfig} -n ${namespace} get pods`);
      await watch.finished;
    }
    return 0;
  } finally {
    process.off('SIGINT', interrupt);
    await watch.interrupt();
    await moltbook[Symbol.asyncDispose]();
    say('\nThe cluster stays up for the next time; `npm run cluster -- down` ends it.');
  }
}
