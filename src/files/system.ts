/**
 * The file system calls of a scan, with their errors as values.
 *
 * A scan makes tens of thousands of calls. Where the answers are in memory a plain call takes microseconds, and handing
 * it to a thread costs ten times as much, so calls are made directly, in slices short enough for everything else in the
 * process to stay lively. Where answers take time (a network file system, a cold disk) that would be slow and would
 * block, so from then on calls go to threads, many at once.
 */
import * as fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Gate } from './gate.ts';

export interface SystemError {
  readonly code: string;
}

export function isError(value: object): value is SystemError {
  return 'code' in value;
}

/** Nothing at that path (any more). */
export function isAbsent(error: SystemError): boolean {
  return error.code === 'ENOENT' || error.code === 'ENOTDIR';
}

export function isForbidden(error: SystemError): boolean {
  return error.code === 'EACCES' || error.code === 'EPERM';
}

/** Milliseconds of direct calls before others get their turn. */
const slice = 8;
/** Answers take time when most of so many calls took this long, in milliseconds. One alone may have met a busy CPU. */
const sample = 64;
const slowCall = 0.2;

type Done<T> = (error: Error | null, value: T) => void;

export class System {
  readonly #gate = new Gate(64);
  #sliceStart = performance.now();
  #calls = 0;
  #late = 0;
  #slow: boolean;

  /** `slow`: calls go to threads from the start. */
  constructor(options: { readonly slow: boolean } = { slow: false }) {
    this.#slow = options.slow;
  }

  /** Whether many calls at once are faster than one after the other. */
  get slow(): boolean {
    return this.#slow;
  }

  lstat(path: string): Promise<fs.BigIntStats | SystemError> {
    return this.call(
      () => fs.lstatSync(path, { bigint: true }),
      (done) => fs.lstat(path, { bigint: true }, done),
    );
  }

  stat(path: string): Promise<fs.BigIntStats | SystemError> {
    return this.call(
      () => fs.statSync(path, { bigint: true }),
      (done) => fs.stat(path, { bigint: true }, done),
    );
  }

  /** The names as bytes: a file system does not promise UTF-8. */
  list(path: string): Promise<readonly Buffer[] | SystemError> {
    return this.call(
      () => fs.readdirSync(path, { encoding: 'buffer' }),
      (done) => fs.readdir(path, { encoding: 'buffer' }, done),
    );
  }

  readLink(path: string): Promise<Buffer | SystemError> {
    return this.call(
      () => fs.readlinkSync(path, { encoding: 'buffer' }),
      (done) => fs.readlink(path, { encoding: 'buffer' }, done),
    );
  }

  /** `O_NONBLOCK`: a fifo that took the place of a file must not hang the scan. */
  open(path: string, options: { readonly follow: boolean }): Promise<Handle | SystemError> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
    const flags = O_RDONLY | O_NONBLOCK | (options.follow ? 0 : O_NOFOLLOW);
    return this.call(
      () => new Handle(this, fs.openSync(path, flags)),
      (done) => fs.open(path, flags, (error, descriptor) => done(error, new Handle(this, descriptor))),
    );
  }

  async call<T extends object>(direct: () => T, threaded: (done: Done<T>) => void): Promise<T | SystemError> {
    if (this.#slow) return this.#gate.run(() => settle(threaded));
    let start = performance.now();
    if (start - this.#sliceStart > slice) {
      await setImmediate();
      start = performance.now();
      this.#sliceStart = start;
    }
    try {
      return direct();
    } catch (error) {
      return systemError(error);
    } finally {
      this.#judge(performance.now() - start);
    }
  }

  #judge(milliseconds: number): void {
    if (milliseconds > slowCall) this.#late++;
    if (++this.#calls < sample) return;
    this.#slow ||= this.#late > sample / 2;
    this.#calls = 0;
    this.#late = 0;
  }
}

function settle<T extends object>(threaded: (done: Done<T>) => void): Promise<T | SystemError> {
  return new Promise((resolve, reject) => {
    threaded((error, value) => {
      if (error === null) return resolve(value);
      try {
        resolve(systemError(error));
      } catch (bug) {
        reject(bug);
      }
    });
  });
}

/** Throws what the operating system did not say. */
function systemError(error: unknown): SystemError {
  if (error instanceof Error && 'errno' in error && 'code' in error && typeof error.code === 'string') {
    return { code: error.code };
  }
  throw error;
}

/** An open file. */
export class Handle {
  readonly #system: System;
  readonly #descriptor: number;

  constructor(system: System, descriptor: number) {
    this.#system = system;
    this.#descriptor = descriptor;
  }

  stat(): Promise<fs.BigIntStats | SystemError> {
    return this.#system.call(
      () => fs.fstatSync(this.#descriptor, { bigint: true }),
      (done) => fs.fstat(this.#descriptor, { bigint: true }, done),
    );
  }

  /**
   * Where the open file really lies, symbolic links on the way followed; undefined where the system does not tell
   * (it does on Linux).
   */
  place(): string | undefined {
    try {
      return fs.readlinkSync(`/proc/self/fd/${this.#descriptor}`);
    } catch {
      return undefined;
    }
  }

  /** Reads on from the current position; fewer bytes than asked for do not mean the end, none do. */
  read(into: Buffer): Promise<{ readonly count: number } | SystemError> {
    return this.#system.call(
      () => ({ count: fs.readSync(this.#descriptor, into) }),
      (done) =>
        fs.read(this.#descriptor, into, 0, into.length, null, (error, count) => done(error, { count })),
    );
  }

  /** Reads until the buffer is full or the file ends. */
  async fill(buffer: Buffer): Promise<Buffer | SystemError> {
    let total = 0;
    while (total < buffer.length) {
      const part = await this.read(buffer.subarray(total));
      if (isError(part)) return part;
      if (part.count === 0) break;
      total += part.count;
    }
    return buffer.subarray(0, total);
  }

  /** Nothing was written, so nothing can be lost by a close that fails. */
  async close(): Promise<void> {
    await this.#system.call(
      () => (fs.closeSync(this.#descriptor), {}),
      (done) => fs.close(this.#descriptor, (error) => done(error ?? null, {})),
    );
  }
}
