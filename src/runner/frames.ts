/**
 * Reads a byte stream that mixes lines and counted payloads. Pure: bytes in, messages out.
 */

const newline = 0x0a;

/** Bytes received and not yet consumed. */
export class ByteQueue {
  #chunks: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(data: Uint8Array): void {
    if (data.length === 0) return;
    this.#chunks.push(data);
    this.#length += data.length;
  }

  /** The next line without its newline, undefined while it is incomplete. */
  line(): string | undefined {
    let before = 0;
    for (const chunk of this.#chunks) {
      const at = chunk.indexOf(newline);
      if (at >= 0) {
        const bytes = this.take(before + at + 1);
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length - 1).toString('utf8');
      }
      before += chunk.length;
    }
    return undefined;
  }

  /** Exactly `count` bytes; the caller has checked `length`. */
  take(count: number): Uint8Array {
    const first = this.#chunks[0];
    if (count === 0 || first === undefined) return new Uint8Array(0);
    this.#length -= count;
    if (first.length > count) {
      this.#chunks[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    if (first.length === count) {
      this.#chunks.shift();
      return first;
    }
    const whole = new Uint8Array(count);
    let filled = 0;
    let used = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, count - filled);
      whole.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) {
        this.#chunks[used] = chunk.subarray(part.length);
        break;
      }
      used += 1;
      if (filled === count) break;
    }
    this.#chunks.splice(0, used);
    return whole;
  }
}

/** A line of the agent and the payloads that its counts announce. */
export interface Message {
  readonly words: readonly string[];
  readonly payloads: readonly Uint8Array[];
}

/**
 * Splits the stream into messages. `counts` picks the payload sizes out of a line's words; a line it cannot
 * understand makes it return undefined, which ends the stream as broken.
 */
export class MessageReader {
  readonly #queue = new ByteQueue();
  readonly #counts: (words: readonly string[]) => readonly number[] | undefined;
  #head: { words: readonly string[]; counts: readonly number[]; total: number } | undefined;

  constructor(counts: (words: readonly string[]) => readonly number[] | undefined) {
    this.#counts = counts;
  }

  /** Adds bytes and returns every message that is now complete; a string names the line that was not understood. */
  push(data: Uint8Array): { readonly messages: Message[]; readonly broken?: string } {
    this.#queue.push(data);
    const messages: Message[] = [];
    for (;;) {
      if (this.#head === undefined) {
        const line = this.#queue.line();
        if (line === undefined) return { messages };
        const words = line.split(' ');
        const counts = this.#counts(words);
        if (counts === undefined || counts.some((count) => !Number.isSafeInteger(count) || count < 0)) {
          return { messages, broken: line };
        }
        this.#head = { words, counts, total: counts.reduce((sum, count) => sum + count, 0) };
      }
      if (this.#queue.length < this.#head.total) return { messages };
      const payloads = this.#head.counts.map((count) => this.#queue.take(count));
      messages.push({ words: this.#head.words, payloads });
      this.#head = undefined;
    }
  }
}
