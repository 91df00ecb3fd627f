/**
 * Watches the context named on the command line and says what happens, one JSON line each. A process of its own, so
 * that it can be given its own kernel limits.
 */
import { createWatcher } from '../../../src/files/watch.ts';

const [root = '', dockerfile = ''] = process.argv.slice(2);
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const abort = new AbortController();
process.stdin.on('end', () => abort.abort()).resume();

const watcher = createWatcher({ pollingInterval: 50, onNotice: (notice) => say({ notice }) });
const result = await watcher.watch(
  { root, dockerfile },
  { ignore: [], polling: false },
  (hint) => say({ hint }),
  abort.signal,
);
say({ watching: result.ok });
