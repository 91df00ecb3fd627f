/**
 * The frames of `v5.channel.k8s.io`: the first byte names the channel.
 *
 *   0 stdin →   1 stdout ←   2 stderr ←   3 status ← (JSON, once)   255 close ↔ (second byte: the channel)
 *
 * Frames without content are sent by the server at the start and mean nothing.
 */
import { errorMessage } from './errors.ts';

/** How a command ended: with its exit status, or the connection went away and nobody knows. */
export type ExecEnd =
  | {
      readonly kind: 'status';
      /** Exit code; 0 for success, undefined when the server could not run the command at all. */
      readonly exitCode: number | undefined;
      /** The server's text, empty for success. */
      readonly message: string;
    }
  | { readonly kind: 'dropped'; readonly reason: string };

export interface ExecHandlers {
  onStdout(data: Uint8Array): void;
  onStderr(data: Uint8Array): void;
}

export interface ExecChannel {
  /**
   * Sends to stdin. Resolves when little enough is waiting to be sent, so that awaiting it keeps memory bounded, and
   * also when the channel closes meanwhile: whether the data arrived, only the other side can tell.
   */
  write(data: Uint8Array): Promise<void>;
  /** Ends stdin; output and status still arrive. */
  end(): void;
  /** Settles exactly once, never rejects. */
  readonly closed: Promise<ExecEnd>;
  /** Drops the connection. The remote command is not killed by this. */
  close(): void;
}

/** The part of a `ws` WebSocket that is used; the package has no types of its own. */
export interface Socket {
  readonly protocol: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onmessage: unknown;
  on(event: 'open', listener: () => void): void;
  on(event: 'message', listener: (data: unknown, isBinary: boolean) => void): void;
  on(event: 'close', listener: (code: number, reason: Uint8Array) => void): void;
  on(event: 'error', listener: (error: unknown) => void): void;
  on(event: 'pong', listener: () => void): void;
  on(event: 'unexpected-response', listener: (request: never, response: never) => void): void;
  send(data: Uint8Array, sent: (error?: Error) => void): void;
  ping(): void;
  close(): void;
  terminate(): void;
}

const stdin = 0;
const stdout = 1;
const stderr = 2;
const status = 3;
const closeStream = 255;
const open = 1;

/** Bytes that may wait in memory before a write has to wait too. */
const highWater = 1024 * 1024;
const lowWater = 256 * 1024;
/** Bytes a frame: small enough that the low-water mark is met between two of them. */
const frameSize = 256 * 1024;

/** Takes over an open socket. @param silence milliseconds without any frame until it counts as dropped */
export function makeChannel(socket: Socket, handlers: ExecHandlers, silence: number): ExecChannel {
  const settled = Promise.withResolvers<ExecEnd>();
  const drained: (() => void)[] = [];
  let ended = false;
  let lastError = '';
  let heard = performance.now();

  const pings = setInterval(() => {
    if (performance.now() - heard > silence) {
      settle({ kind: 'dropped', reason: `no sign of life for ${Math.round(silence / 1000)} s` });
      socket.terminate();
    } else if (socket.readyState === open) {
      socket.ping();
    }
  }, silence / 3);
  pings.unref();

  function settle(end: ExecEnd): void {
    clearInterval(pings);
    settled.resolve(end);
    for (const wake of drained.splice(0)) wake();
  }

  socket.on('pong', () => {
    heard = performance.now();
  });
  socket.on('error', (error) => {
    lastError = errorMessage(error);
  });
  socket.on('close', (code, reason) => {
    const text = new TextDecoder().decode(reason);
    settle({ kind: 'dropped', reason: text || lastError || `the connection closed (${code})` });
  });
  socket.on('message', (data) => {
    heard = performance.now();
    if (!(data instanceof Uint8Array) || data.length < 2) return;
    const content = data.subarray(1);
    switch (data[0]) {
      case stdout:
        handlers.onStdout(content);
        return;
      case stderr:
        handlers.onStderr(content);
        return;
      case status:
        settle(parseStatus(new TextDecoder().decode(content)));
        socket.close();
        // The server closes right after the status; a dead one must not keep this process alive.
        setTimeout(() => socket.terminate(), 1000).unref();
        return;
      default:
        // 255 says that one stream of the server ended: the status or the end of the connection follows.
        return;
    }
  });

  function sent(error?: Error): void {
    if (error !== undefined && error !== null) lastError = errorMessage(error);
    if (socket.bufferedAmount <= lowWater || socket.readyState !== open) {
      for (const wake of drained.splice(0)) wake();
    }
  }

  async function write(data: Uint8Array): Promise<void> {
    for (let offset = 0; offset < data.length; offset += frameSize) {
      if (ended || socket.readyState !== open) return;
      socket.send(frame(stdin, data.subarray(offset, offset + frameSize)), sent);
      if (socket.bufferedAmount > highWater) {
        await new Promise<void>((wake) => drained.push(wake));
      }
    }
  }

  return {
    write,
    end() {
      if (ended || socket.readyState !== open) return;
      ended = true;
      socket.send(Uint8Array.of(closeStream, stdin), sent);
    },
    closed: settled.promise,
    close() {
      settle({ kind: 'dropped', reason: 'closed by this side' });
      socket.terminate();
    },
  };
}

function frame(channel: number, data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(data.length + 1);
  framed[0] = channel;
  framed.set(data, 1);
  return framed;
}

/** `{"status":"Failure","message":…,"details":{"causes":[{"reason":"ExitCode","message":"7"}]}}` */
export function parseStatus(text: string): ExecEnd {
  let parsed: {
    status?: unknown;
    message?: unknown;
    details?: { causes?: { reason?: unknown; message?: unknown }[] | null } | null;
  } | null;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { kind: 'status', exitCode: undefined, message: text };
  }
  if (parsed?.status === 'Success') return { kind: 'status', exitCode: 0, message: '' };
  const cause = parsed?.details?.causes?.find((one) => one.reason === 'ExitCode');
  const code = Number(cause?.message ?? Number.NaN);
  const message = typeof parsed?.message === 'string' ? parsed.message : text;
  return { kind: 'status', exitCode: Number.isInteger(code) ? code : undefined, message };
}
