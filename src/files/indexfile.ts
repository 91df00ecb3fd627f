/**
 * The digests of a root on disk, so that a new process need not read what did not change. Only names, times and
 * digests, never content. Lines of text: what it is, the records by the thousand, and a checksum of all before. Whatever
 * is not as it should be is no index: then every file is read again.
 */
import { createHash, hash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Digests, type Record } from './remember.ts';

const format = 'kaniko-dev index 1';

/** Milliseconds from a change to its writing, so that an edit does not wait for it and a burst is written once. */
const writeDelay = 5_000;
/** Records a line: parts that are made and read without holding anybody up. */
const portion = 1_000;

export class Index {
  readonly digests: Digests;
  readonly #root: string;
  /** Undefined: nothing is kept. */
  readonly #file: string | undefined;
  readonly #now: () => number;
  #written: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  static async open(root: string, directory: string | undefined, now: () => number): Promise<Index> {
    if (directory === undefined) return new Index(root, undefined, now, new Digests());
    const name = `${basename(root)}-${hash('sha256', root, 'hex').slice(0, 12)}`;
    const file = join(directory, name);
    return new Index(root, file, now, await read(file, root, now()));
  }

  private constructor(root: string, file: string | undefined, now: () => number, digests: Digests) {
    this.#root = root;
    this.#file = file;
    this.#now = now;
    this.digests = digests;
    this.#written = digests.version;
  }

  /** Has a change written in a while. */
  changed(): void {
    if (this.#file === undefined || this.#written === this.digests.version) return;
    this.#timer ??= setTimeout(() => void this.flush(), writeDelay).unref();
  }

  /** Writes now what has changed. What cannot be written costs the next start some time, and nothing else. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write().catch(() => undefined));
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { version } = this.digests;
    if (this.#file === undefined || this.#written === version) return;
    this.#written = version;
    await mkdir(join(this.#file, '..'), { recursive: true });
    const temporary = `${this.#file}.tmp`;
    await writeFile(temporary, this.#lines(this.#now()), { mode: 0o600 });
    await rename(temporary, this.#file);
  }

  async *#lines(written: number): AsyncGenerator<string> {
    const sum = createHash('sha256');
    const line = (value: unknown): string => {
      const text = `${JSON.stringify(value)}\n`;
      sum.update(text);
      return text;
    };
    yield line([format, this.#root, written]);
    // As they are now: scans may go on meanwhile.
    const records = [...this.digests.records()];
    for (let at = 0; at < records.length; at += portion) {
      yield line(records.slice(at, at + portion).flat());
      await setImmediate();
    }
    yield `${sum.digest('hex')}\n`;
  }
}

/** What an earlier process wrote; nothing when there is any doubt. */
async function read(file: string, root: string, now: number): Promise<Digests> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const end = text.lastIndexOf('\n', text.length - 2) + 1;
  if (hash('sha256', text.slice(0, end), 'hex') !== text.slice(end, -1)) return new Digests();
  const [header, ...lines] = text.slice(0, end - 1).split('\n');
  const [is, of, written] = parse(header);
  // Written in the future: a clock was set back, and times no longer tell what came first.
  if (is !== format || of !== root || typeof written !== 'number' || written > now) return new Digests();
  const records: Record[] = [];
  for (const line of lines) {
    const fields = parse(line);
    for (let at = 0; at + 2 < fields.length; at += 3) {
      const [path, stamp, digest] = fields.slice(at, at + 3);
      if (typeof path !== 'string' || typeof stamp !== 'string' || typeof digest !== 'string')
        return new Digests();
      records.push([path, stamp, digest]);
    }
  }
  return new Digests(records, written);
}

/** The checksum says that the line is what was written; an index of another version may still be anything. */
function parse(line = ''): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
