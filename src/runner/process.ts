/** A channel over the standard streams of a child process. */
import type { ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Channel } from './channel.ts';

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>;

export class ProcessChannel implements Channel {
  onStdout: (data: Uint8Array) => void = () => {};
  onStderr: (data: Uint8Array) => void = () => {};
  readonly closed: Promise<string>;
  readonly #child: PipedChild;

  constructor(child: PipedChild) {
    this.#child = child;
    child.stdout.on('data', (data: Uint8Array) => this.onStdout(data));
    child.stderr.on('data', (data: Uint8Array) => this.onStderr(data));
    // A write into a process that has ended; `closed` tells of it.
    child.stdin.on('error', () => {});
    this.closed = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) => resolve(`the process ended with ${signal ?? `exit code ${code}`}`));
    });
  }

  async write(data: Uint8Array): Promise<void> {
    const { stdin } = this.#child;
    if (stdin.destroyed || stdin.write(data)) return;
    const drained = Promise.withResolvers<void>();
    stdin.once('drain', drained.resolve);
    await Promise.race([drained.promise, this.closed]);
    stdin.off('drain', drained.resolve);
  }

  close(): void {
    this.#child.stdin.destroy();
    this.#child.kill('SIGKILL');
  }
}
