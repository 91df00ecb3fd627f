/**
 * One command in a container over a WebSocket, `v5.channel.k8s.io` only: older protocols cannot half-close stdin
 * without losing the exit status.
 *
 *   opening ──open──▶ running ──status frame──▶ closed {status}
 *      │                 └──────close, error, silence──▶ closed {dropped}
 *      └──refused, deadline, older protocol──▶ Failure
 *
 * The client's Exec class is used only for the address and the credentials: its own frame handling has no
 * backpressure, throws on close frames and touches `process.stdout`.
 */
import { Exec, KubeConfig } from '@kubernetes/client-node';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { failure, ok, type Failure, type Result } from '../result.ts';
import { makeChannel } from './channel.ts';
import type { Kube } from './client.ts';
import {
  CredentialError,
  errorMessage,
  httpStatus,
  kubeFailure,
  RefusedUpgrade,
  type Doing,
} from './errors.ts';
import type { ExecChannel, ExecHandlers, Socket } from './channel.ts';

export type { ExecChannel, ExecEnd, ExecHandlers } from './channel.ts';

export interface ExecRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string | undefined;
  /** Argument vector; no shell is involved. */
  readonly command: readonly string[];
}

export interface ExecOptions {
  /** Milliseconds until an upgrade that is not answered has failed. */
  readonly handshakeTimeout?: number;
  /** Milliseconds without any frame, pongs included, until the connection counts as dropped. */
  readonly silence?: number;
  readonly signal?: AbortSignal;
}

const protocol = 'v5.channel.k8s.io';

/**
 * Starts the command with stdin, stdout and stderr. A missing program is not an error here: it arrives as the status
 * of the open channel. Fails with `runner-missing` for a pod that is gone, `forbidden`, `cluster-unreachable`,
 * `cluster-unauthorized`, `runner-not-ready` (the container does not run), `runner-protocol`, `interrupted`.
 */
export async function openExec(
  kube: Kube,
  request: ExecRequest,
  handlers: ExecHandlers,
  options: ExecOptions = {},
): Promise<Result<ExecChannel>> {
  const first = await attempt(kube, request, handlers, options);
  const last =
    'failure' in first && first.status === 401 && kube.reload().ok
      ? await attempt(kube, request, handlers, options)
      : first;
  return 'failure' in last ? { ok: false, failure: last.failure } : ok(last);
}

interface Refusal {
  readonly failure: Failure;
  readonly status?: number | undefined;
}

async function attempt(
  kube: Kube,
  request: ExecRequest,
  handlers: ExecHandlers,
  options: ExecOptions,
): Promise<ExecChannel | Refusal> {
  const doing: Doing = {
    verb: 'create',
    resource: 'pods/exec',
    namespace: request.namespace,
    name: request.pod,
    missing: {
      code: 'runner-missing',
      message: `pod "${request.pod}" is gone from namespace "${request.namespace}"`,
      remedy: 'wait for its Deployment to start another',
    },
    refused: 'runner-not-ready',
  };
  if (isAborted(options.signal)) return { failure: stopped(request) };
  const opening = new Opening(kube.kc, options.handshakeTimeout ?? 15_000, options.signal);
  try {
    return await opening.connect(pathOf(request), (socket) => {
      if (socket.protocol === protocol) return makeChannel(socket, handlers, options.silence ?? 30_000);
      socket.terminate();
      return { failure: wrongProtocol(kube.server, socket.protocol) };
    });
  } catch (error) {
    if (isAborted(options.signal)) return { failure: stopped(request) };
    // `ws` itself refuses a server that chooses none of the protocols it was offered.
    if (/subprotocol/i.test(errorMessage(error))) return { failure: wrongProtocol(kube.server, '') };
    const cause = opening.refused ?? opening.timedOut ?? error;
    return { failure: kubeFailure(cause, doing, kube.server), status: httpStatus(cause) };
  }
}

function wrongProtocol(server: string, chosen: string): Failure {
  return failure(
    'runner-protocol',
    `${server} answers exec with protocol "${chosen}"; ${protocol} is needed`,
    'Kubernetes 1.30 or newer is needed, and no proxy that rewrites WebSockets',
  );
}

function stopped(request: ExecRequest): Failure {
  return failure(
    'interrupted',
    `stopped while opening a connection to pod "${request.pod}"`,
    'nothing to do',
  );
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted ?? false;
}

function pathOf(request: ExecRequest): string {
  const query = new URLSearchParams({ stdin: 'true', stdout: 'true', stderr: 'true', tty: 'false' });
  if (request.container !== undefined) query.set('container', request.container);
  for (const argument of request.command) query.append('command', argument);
  const namespace = encodeURIComponent(request.namespace);
  return `/api/v1/namespaces/${namespace}/pods/${encodeURIComponent(request.pod)}/exec?${query.toString()}`;
}

/** The option of `ws` that hands out the request and the socket before anything is sent. */
interface SocketOptions {
  handshakeTimeout: number;
  perMessageDeflate: false;
  maxPayload: number;
  finishRequest(request: ClientRequest, socket: Socket): void;
}

/**
 * A WebSocket being opened. A fresh KubeConfig for each: the client keeps the TLS agent, and with it a rotated client
 * certificate, for the life of the object.
 */
class Opening extends KubeConfig {
  socket: Socket | undefined;
  refused: RefusedUpgrade | undefined;
  timedOut: Error | undefined;
  readonly #handshakeTimeout: number;
  readonly #signal: AbortSignal | undefined;
  #onOpen: (socket: Socket) => void = () => undefined;

  constructor(from: KubeConfig, handshakeTimeout: number, signal: AbortSignal | undefined) {
    super();
    this.loadFromOptions(from);
    this.#handshakeTimeout = handshakeTimeout;
    this.#signal = signal;
  }

  /** `onOpen` runs before the first frame can arrive. Rejects with whatever `ws` gives. */
  async connect<T>(path: string, onOpen: (socket: Socket) => T): Promise<T> {
    const opened = Promise.withResolvers<T>();
    this.#onOpen = (socket) => opened.resolve(onOpen(socket));
    const deadline = setTimeout(() => {
      this.timedOut = Object.assign(new Error('no answer to the WebSocket upgrade'), { code: 'ETIMEDOUT' });
      this.socket?.terminate();
      opened.reject(this.timedOut);
    }, this.#handshakeTimeout);
    const stop = (): void => {
      this.socket?.terminate();
      opened.reject(new Error('aborted'));
    };
    this.#signal?.addEventListener('abort', stop, { once: true });
    try {
      // The handler resolves only after an open socket, so `opened` decides; its rejection is the other way out.
      void new Exec(this).handler.connect(path, null, null).catch((error: unknown) => opened.reject(error));
      return await opened.promise;
    } finally {
      clearTimeout(deadline);
      this.#signal?.removeEventListener('abort', stop);
    }
  }

  override async applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    try {
      await super.applyToHTTPSOptions(options);
    } catch (error) {
      throw new CredentialError(errorMessage(error), { cause: error });
    }
    const extra: SocketOptions = {
      handshakeTimeout: this.#handshakeTimeout,
      perMessageDeflate: false,
      maxPayload: 64 * 1024 * 1024,
      finishRequest: (request, socket) => this.#prepare(request, socket),
    };
    Object.assign(options, extra);
  }

  #prepare(request: ClientRequest, socket: Socket): void {
    this.socket = socket;
    // Credentials may have taken longer than the deadline, or than the user's patience.
    if (this.timedOut !== undefined || isAborted(this.#signal)) {
      socket.on('error', () => undefined);
      socket.terminate();
      return;
    }
    socket.on('unexpected-response', (_request: ClientRequest, response: IncomingMessage) => {
      void readBody(response).then((body) => {
        this.refused = new RefusedUpgrade(response.statusCode ?? 0, body);
        socket.terminate();
      });
    });
    socket.on('open', () => {
      // From here on the client's own frame handling is out of the game.
      socket.onmessage = null;
      this.#onOpen(socket);
    });
    request.end();
  }
}

/** At most 64 KiB of a response body; whatever arrived when the response breaks off. */
async function readBody(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      size += part.length;
      if (size > 65_536) break;
    }
  } catch (error) {
    if (parts.length === 0) return errorMessage(error);
  }
  return Buffer.concat(parts).toString('utf8');
}
