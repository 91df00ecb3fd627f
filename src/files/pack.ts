/**
 * A tar stream of named paths of a context, made by tar-fs. The manifest decides everything but the bytes: kinds,
 * modes and link targets come from it, and a file that no longer has its size ends the stream with an error.
 */
import { lstat, lstatSync, type Stats } from 'node:fs';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { callbackify } from 'node:util';
import { pack as tarPack, type Headers, type PackOptions } from 'tar-fs';
import type { Entry, Manifest } from '../host.ts';
import { linkFitsTar } from './manifest.ts';
import { isError, System, type SystemError } from './system.ts';

/** Options of tar-fs that its types leave out. */
interface NamedPackOptions extends PackOptions {
  readonly entries: string[];
  readonly umask: number;
  readonly fs: FileSystem;
}

const chunkSize = 1 << 18;

type Done<T> = (error: Error | null, value?: T) => void;

/** The calls that tar-fs makes while it packs. */
interface FileSystem {
  lstat(path: string, done: Done<Stats>): void;
  readdir(path: string, done: Done<string[]>): void;
  readlink(path: string, done: Done<string>): void;
  createReadStream(path: string): Readable;
}

export async function* pack(
  root: string,
  manifest: Manifest,
  paths: readonly string[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const named = new Map<string, Entry>();
  for (const path of paths) {
    const entry = manifest.get(path);
    if (entry === undefined) throw new Error(`cannot pack ${path}: it is not in the manifest`);
    if (entry.kind === 'link' && !linkFitsTar(path, entry.target)) {
      throw new Error(`cannot pack ${path}: its name or target does not fit a tar header`);
    }
    named.set(path, entry);
  }
  const base = resolve(root);
  const source = new PackSource(base, named);
  const options: NamedPackOptions = {
    entries: [...named.keys()],
    umask: 0,
    fs: source,
    map: (header) => normalise(header, named.get(header.name)),
  };
  // A streamx stream: iterable, though its types do not say so.
  const stream = tarPack(base, options) as unknown as AsyncIterable<Uint8Array>;
  try {
    yield* stream;
  } catch (error) {
    throw source.explain(error);
  }
}

function normalise(header: Headers, entry: Entry | undefined): Headers {
  header.uid = 0;
  header.gid = 0;
  header.mode = entry?.kind === 'file' ? entry.mode : entry?.kind === 'link' ? 0o777 : 0o755;
  // A tar header holds no time before 1970, and tar-stream writes seconds as 32 bits.
  header.mtime = new Date(Math.min(Math.max(header.mtime.getTime(), 0), 0x7fff_ffff * 1000));
  return header;
}

/** The context as tar-fs sees it: the named paths alone, as the manifest describes them. */
class PackSource implements FileSystem {
  readonly #entries: ReadonlyMap<string, { readonly path: string; readonly entry: Entry }>;
  readonly #system = new System();
  #reading = '';

  constructor(base: string, named: ReadonlyMap<string, Entry>) {
    this.#entries = new Map([...named].map(([path, entry]) => [join(base, path), { path, entry }]));
  }

  readonly lstat = callbackify((path: string) => this.#stat(path));

  async #stat(path: string): Promise<Stats> {
    const named = this.#entries.get(path);
    if (named === undefined) throw new Error(`cannot pack ${path}: it was not named`);
    const stat = await this.#system.call(
      () => lstatSync(path),
      (done) => lstat(path, done),
    );
    if (isError(stat)) throw new Error(`cannot pack ${named.path}: ${stat.code}`);
    const change = changeOf(named.entry, stat);
    if (change !== undefined) throw new Error(`cannot pack ${named.path}: ${change}`);
    return stat;
  }

  /** tar-fs packs what a directory holds; only what was named is wanted. */
  readdir = (_path: string, done: Done<string[]>): void => done(null, []);

  readlink = (path: string, done: Done<string>): void => {
    const entry = this.#entries.get(path)?.entry;
    done(null, entry?.kind === 'link' ? entry.target : '');
  };

  /** Reads one byte past the expected end: tar-stream refuses a body that is longer or shorter than announced. */
  createReadStream = (path: string): Readable => {
    const named = this.#entries.get(path);
    this.#reading = named?.path ?? path;
    const size = named?.entry.kind === 'file' ? named.entry.size : 0;
    return Readable.from(this.#content(path, size + 1), { objectMode: false });
  };

  async *#content(path: string, atMost: number): AsyncGenerator<Buffer, void, undefined> {
    const handle = valueOf(await this.#system.open(path, { follow: false }));
    try {
      for (let left = atMost; left > 0;) {
        const part = valueOf(await handle.fill(Buffer.allocUnsafe(Math.min(left, chunkSize))));
        if (part.length === 0) return;
        yield part;
        left -= part.length;
      }
    } finally {
      await handle.close();
    }
  }

  explain(error: unknown): unknown {
    if (!(error instanceof Error) || error.message.startsWith('cannot pack ')) return error;
    const why = error.message === 'Size mismatch' ? 'its size changed' : error.message;
    return new Error(`cannot pack ${this.#reading}: ${why}`, { cause: error });
  }
}

function changeOf(entry: Entry, stat: Stats): string | undefined {
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'link' : 'other';
  if (kind !== entry.kind) return `it is no longer a ${entry.kind}`;
  return entry.kind === 'file' && stat.size !== entry.size ? 'its size changed' : undefined;
}

function valueOf<T extends object>(value: T | SystemError): T {
  if (isError(value)) throw new Error(value.code);
  return value;
}
