/**
 * A tar stream of named paths of a context. The manifest decides everything but the bytes: kinds, modes and link
 * targets come from it, and a file that no longer has its size ends the stream with an error.
 *
 * Archives are written by tar-stream, the writer below tar-fs: tar-fs opens a stream for every file, which for the
 * many small files of a context takes three times as long as reading and packing them.
 */
import { lstat, lstatSync, realpathSync, type Stats } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { pack as tarPack, type Pack } from 'tar-stream';
import type { Entry, Manifest } from '../host.ts';
import { linkFitsTar } from './manifest.ts';
import { isError, System, type SystemError } from './system.ts';

/** Bytes that are read at once; a file of at most this size is packed in one piece. */
const chunkSize = 1 << 18;

export async function* pack(
  root: string,
  manifest: Manifest,
  paths: readonly string[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const named = paths.map((path): readonly [string, Entry] => {
    const entry = manifest.get(path);
    if (entry === undefined) throw new Error(`cannot pack ${path}: it is not in the manifest`);
    if (entry.kind === 'link' && !linkFitsTar(path, entry.target)) {
      throw new Error(`cannot pack ${path}: its name or target does not fit a tar header`);
    }
    return [path, entry];
  });
  const archive = tarPack();
  let broken: Error | undefined;
  // Told to whoever reads, below: the stream may end before anybody listens.
  archive.on('error', () => {});
  const packer = new Packer(realpathSync(root), archive);
  const filling = packer.fill(named).catch((error: unknown) => {
    broken = asError(error);
    archive.destroy();
  });
  try {
    yield* archive as AsyncIterable<Uint8Array>;
    await filling;
  } catch (error) {
    throw broken ?? error;
  } finally {
    packer.stop();
    archive.destroy();
    await filling;
  }
  if (broken !== undefined) throw broken;
}

class Packer {
  readonly #root: string;
  readonly #archive: Pack;
  readonly #system = new System();
  readonly #stopping = Promise.withResolvers<void>();
  #stopped = false;

  constructor(root: string, archive: Pack) {
    this.#root = root;
    this.#archive = archive;
  }

  /** Nobody reads on: files that are open are closed. */
  stop(): void {
    this.#stopped = true;
    this.#stopping.resolve();
  }

  async fill(named: readonly (readonly [string, Entry])[]): Promise<void> {
    for (const [path, entry] of named) {
      if (this.#stopped) return;
      try {
        await this.#add(path, entry);
      } catch (error) {
        throw new Error(`cannot pack ${path}: ${asError(error).message}`, { cause: error });
      }
    }
    this.#archive.finalize();
  }

  async #add(path: string, entry: Entry): Promise<void> {
    const place = join(this.#root, path);
    const stat = valueOf(
      await this.#system.call<Stats>(
        () => lstatSync(place),
        (done) => lstat(place, done),
      ),
    );
    const change = changeOf(entry, stat);
    if (change !== undefined) throw new Error(change);
    const header = headerOf(path, entry, stat);
    if (entry.kind === 'file') await this.#addFile(place, header, entry.size);
    else this.#archive.entry(header);
  }

  /** Reads one byte past the expected end, so that a file that grew is noticed too. */
  async #addFile(place: string, header: Header, size: number): Promise<void> {
    const handle = valueOf(await this.#system.open(place, { follow: false }));
    try {
      // A directory on the way may have become a link out of the context: what lies there is nobody's to send.
      const real = handle.place();
      if (real !== undefined && real !== place) throw new Error('it was moved while it was read');
      if (size <= chunkSize) {
        const content = valueOf(await handle.fill(Buffer.allocUnsafe(size + 1)));
        if (content.length !== size) throw new Error('its size changed');
        this.#archive.entry(header, content);
        return;
      }
      const sink = this.#archive.entry(header);
      let left = size + 1;
      while (left > 0 && !this.#stopped) {
        const part = valueOf(await handle.fill(Buffer.allocUnsafe(Math.min(left, chunkSize))));
        if (part.length === 0) break;
        left -= part.length;
        if (left <= 0) throw new Error('its size changed');
        if (!sink.write(part)) await Promise.race([once(sink, 'drain'), this.#stopping.promise]);
      }
      if (this.#stopped) return;
      if (left !== 1) throw new Error('its size changed');
      sink.end(undefined);
    } finally {
      await handle.close();
    }
  }
}

type Header = Parameters<Pack['entry']>[0];

function headerOf(path: string, entry: Entry, { mtime }: Stats): Header {
  // A tar header holds no time before 1970, and tar-stream writes seconds as 32 bits.
  const time = new Date(Math.min(Math.max(mtime.getTime(), 0), 0x7fff_ffff * 1000));
  const common = { name: path, mtime: time, uid: 0, gid: 0 };
  switch (entry.kind) {
    case 'dir':
      return { ...common, type: 'directory', mode: 0o755 };
    case 'link':
      return { ...common, type: 'symlink', mode: 0o777, linkname: entry.target };
    case 'file':
      return { ...common, type: 'file', mode: entry.mode, size: entry.size };
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
