/** A fake API server on loopback, for faults that a real cluster cannot be asked for. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { loadKube, type Kube } from '../../../src/kube/client.ts';

/** The server side of `ws`, which has no types of its own. */
export interface ServerSocket {
  readonly _socket: NetSocket;
  on(event: 'message', listener: (data: Buffer) => void): void;
  on(event: 'close', listener: () => void): void;
  send(data: Uint8Array): void;
  close(code?: number): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

interface SocketServer {
  handleUpgrade(
    request: IncomingMessage,
    socket: unknown,
    head: Buffer,
    done: (socket: ServerSocket) => void,
  ): void;
}

type SocketServerClass = new (options: {
  noServer: true;
  autoPong?: boolean;
  handleProtocols?: (offered: Set<string>) => string | false;
}) => SocketServer;

const { WebSocketServer } = createRequire(import.meta.url)('ws') as { WebSocketServer: SocketServerClass };

export interface FakeServer {
  readonly url: string;
  readonly kube: Kube;
  /** Path of the kubeconfig, which `reload` reads again. */
  readonly kubeconfig: string;
  writeToken(token: string): void;
  stop(): Promise<void>;
}

export interface FakeOptions {
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  readonly onSocket?: (socket: ServerSocket, request: IncomingMessage) => void;
  /** Answers instead of upgrading when it returns true. */
  readonly onUpgrade?: (request: IncomingMessage, socket: NetSocket) => boolean;
  /** What the server chooses; `false` for none. */
  readonly protocol?: string | false;
  readonly autoPong?: boolean;
}

export async function fakeServer(options: FakeOptions): Promise<FakeServer> {
  const directory = mkdtempSync(join(tmpdir(), 'fake-api-'));
  const sockets = new WebSocketServer({
    noServer: true,
    autoPong: options.autoPong ?? true,
    handleProtocols: () => options.protocol ?? 'v5.channel.k8s.io',
  });
  const open = new Set<NetSocket>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => options.onRequest?.(request, response, body));
  });
  server.on('connection', (socket: NetSocket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  server.on('upgrade', (request: IncomingMessage, socket: NetSocket, head: Buffer) => {
    socket.on('error', () => undefined);
    if (options.onUpgrade?.(request, socket) === true) return;
    sockets.handleUpgrade(request, socket, head, (ws) => options.onSocket?.(ws, request));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const kubeconfig = join(directory, 'config');
  const writeToken = (token: string): void => writeFileSync(kubeconfig, kubeconfigText(url, token));
  writeToken('first');
  const kube = loadKube({ kubeconfig, env: {} });
  assert.ok(kube.ok);
  return {
    url,
    kube: kube.value,
    kubeconfig,
    writeToken,
    async stop() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, 'close');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function kubeconfigText(server: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u', namespace: 'moltbook' } }],
  });
}

/** A JSON answer. */
export function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A Status object as the API server sends it. */
export function statusBody(code: number, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code };
}

/** Resolves when the predicate holds, looking at every turn of the event loop; rejects with `what` after 5 s. */
export async function until(predicate: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!predicate()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
