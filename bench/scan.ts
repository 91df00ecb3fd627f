/** What looking at a large context costs: time, and the memory of the process that watches it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { diffManifests, hashManifest } from '../src/files/manifest.ts';
import { createFiles } from '../src/files/scan.ts';
import { createWatcher } from '../src/files/watch.ts';
import type { Files, Scan } from '../src/host.ts';
import { keepSmall } from '../src/memory.ts';
import type { Print } from './row.ts';

const never = new AbortController().signal;
const directories = 1_000;
const filesEach = 100;

/** What one process measured; a process of its own for each, so that memory is that of the one thing. */
interface Measured {
  readonly cold: number;
  readonly warm: number;
  readonly restart: number;
  readonly edits: readonly { readonly scan: number; readonly compare: number }[];
  readonly rss: number;
}

export async function scanBench(print: Print): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'kaniko-dev-bench-'));
  try {
    const large = join(base, 'large');
    await populate(large, directories, filesEach);
    const small = join(base, 'small');
    await populate(join(small, 'src'), 1, 100);
    const besides = join(base, 'besides');
    await populate(join(besides, 'src'), 1, 100);
    await populate(join(besides, 'node_modules'), directories, filesEach);
    await writeFile(join(besides, '.dockerignore'), 'node_modules\n');
    await writeFile(join(small, '.dockerignore'), 'node_modules\n');
    // Files only just written are read again by every scan.
    await setTimeout(4_000);

    const all = await measure(large, base);
    const edit = (part: 'scan' | 'compare'): string =>
      milliseconds(median(all.edits.map((one) => one[part])));
    const what = (text: string): string => `100,000 files in 1,000 directories: ${text}`;
    print({ what: what('first scan'), value: milliseconds(all.cold) });
    print({ what: what('first scan of a new process, by the index'), value: milliseconds(all.restart) });
    print({ what: what('whole scan, nothing changed'), value: milliseconds(all.warm) });
    print({ what: what('scan after one edit'), value: edit('scan'), reference: '15 ms' });
    print({ what: what('hash and difference after one edit'), value: edit('compare'), reference: '10 ms' });
    print({ what: what('memory of the process, watching'), value: megabytes(all.rss), wanted: '≤ 350 MB' });

    const alone = await measure(small, base);
    const beside = await measure(besides, base);
    const beyond = (text: string): string => `100 files beside 100,000 ignored ones: ${text}`;
    print({
      what: beyond('whole scan'),
      value: milliseconds(beside.warm),
      reference: `${milliseconds(alone.warm)} without them`,
    });
    print({
      what: beyond('memory of the process, watching'),
      value: megabytes(beside.rss),
      reference: `${megabytes(alone.rss)} without them`,
    });
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function populate(root: string, folders: number, each: number): Promise<void> {
  for (let folder = 0; folder < folders; folder++) {
    const directory = join(root, `directory-${folder}`);
    await mkdir(directory, { recursive: true });
    const names = Array.from({ length: each }, (_, at) => join(directory, `file-${at}.ts`));
    await Promise.all(names.map((name) => writeFile(name, `export const here = '${name}';\n`)));
  }
}

async function measure(root: string, base: string): Promise<Measured> {
  const run = async (): Promise<Measured> => {
    const script = fileURLToPath(import.meta.url);
    const child = await promisify(execFile)(process.execPath, [
      '--import',
      'tsx',
      '--expose-gc',
      script,
      root,
      base,
    ]);
    return JSON.parse(child.stdout) as Measured;
  };
  const first = await run();
  return { ...first, restart: (await run()).cold };
}

async function child(root: string, base: string): Promise<Measured> {
  const dockerfile = join(base, 'Dockerfile');
  await writeFile(dockerfile, 'FROM scratch\n');
  const source = { root, dockerfile };
  const files = createFiles({ indexDirectory: join(base, 'index') });
  const watching = new AbortController();
  keepSmall();
  await createWatcher().watch(source, { ignore: [], polling: false }, () => undefined, watching.signal);

  const cold = await timed(() => scanned(files, source));
  let warm = Infinity;
  for (let round = 0; round < 5; round++) {
    warm = Math.min(warm, (await timed(() => scanned(files, source))).took);
  }
  let last = cold.value;
  hashManifest(last.manifest);
  const edits: { scan: number; compare: number }[] = [];
  const path = [...last.manifest.keys()].findLast((name) => name.endsWith('.ts')) ?? '';
  for (let round = 0; round < 15; round++) {
    await writeFile(join(root, path), `export const round = ${round};\n`);
    const scan = await timed(() => scanned(files, source, [join(root, path)]));
    const compare = await timed(() => {
      hashManifest(scan.value.manifest);
      const { write } = diffManifests(last.manifest, scan.value.manifest);
      if (write.join() !== path) throw new Error(`expected ${path}, found ${write.join()}`);
    });
    last = scan.value;
    edits.push({ scan: scan.took, compare: compare.took });
  }
  await files.flush();
  globalThis.gc?.();
  const { rss } = process.memoryUsage();
  watching.abort();
  return { cold: cold.took, warm, restart: 0, edits, rss };
}

async function scanned(
  files: Files,
  source: { root: string; dockerfile: string },
  hints?: string[],
): Promise<Scan> {
  const scan = await files.scan(source, never, hints);
  if (!scan.ok) throw new Error(scan.failure.message);
  return scan.value;
}

async function timed<T>(task: () => T | Promise<T>): Promise<{ readonly value: T; readonly took: number }> {
  const start = performance.now();
  const value = await task();
  return { value, took: performance.now() - start };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function milliseconds(value: number): string {
  return `${value < 20 ? value.toFixed(1) : Math.round(value)} ms`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

const [, script, root, base] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (root !== undefined && base !== undefined) say(JSON.stringify(await child(root, base)));
  else await scanBench(({ what, value, reference = '' }) => say(`${what.padEnd(90)} ${value} ${reference}`));
}
