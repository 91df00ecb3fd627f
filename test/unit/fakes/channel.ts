/** A channel to nobody: what is written can be read, and what is heard is what the test says. */
import type { Channel } from '../../../src/runner/channel.ts';
import { idle } from './clock.ts';

export class FakeChannel implements Channel {
  onStdout: (data: Uint8Array) => void = () => {};
  onStderr: (data: Uint8Array) => void = () => {};
  readonly #end = Promise.withResolvers<string>();
  readonly closed = this.#end.promise;
  /** The agent's side of the channel is full: writes wait. */
  #full: PromiseWithResolvers<void> | undefined;
  #written: Buffer[] = [];
  isClosed = false;

  async write(data: Uint8Array): Promise<void> {
    if (this.isClosed) return;
    this.#written.push(Buffer.from(data));
    await this.#full?.promise;
  }

  close(): void {
    this.drop('closed here');
  }

  drop(reason: string): void {
    this.isClosed = true;
    this.drain();
    this.#end.resolve(reason);
  }

  fill(): void {
    this.#full ??= Promise.withResolvers();
  }

  drain(): void {
    this.#full?.resolve();
    this.#full = undefined;
  }

  /** Everything written since the last time. */
  async written(): Promise<string> {
    await idle();
    const text = Buffer.concat(this.#written).toString('latin1');
    this.#written = [];
    return text;
  }

  async say(text: string): Promise<void> {
    this.onStdout(Buffer.from(text, 'latin1'));
    await idle();
  }

  async sayFrame(text: string): Promise<void> {
    this.onStderr(Buffer.from(text, 'latin1'));
    await idle();
  }
}
