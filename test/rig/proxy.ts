/**
 * A TCP proxy before the API server, which a test steers. TLS passes through it: it knows bytes, not requests.
 *
 *   passing ◀──▶ stalled      connections stay open, nothing moves either way, new ones are accepted and hang
 *      │            │
 *      └─ refusing ─┘         every connection ends, new ones at once
 *
 * One connection can be frozen for good, as a firewall does that forgot it: half open, and nobody is told.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, type Server, type Socket, connect, createServer, isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';

type Mode = 'pass' | 'stall' | 'refuse';

interface Kubeconfig {
  clusters: { cluster: { server: string; 'tls-server-name'?: string } }[];
}

export class Proxy {
  /** Connections accepted so far. */
  accepted = 0;
  /** Bytes forwarded so far, in both directions. */
  bytes = 0;
  /** Milliseconds that every piece of data takes longer, each way. */
  latency = 0;
  #mode: Mode = 'pass';
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  readonly #frozen = new WeakSet<Socket>();
  #resumed = Promise.withResolvers<void>();

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => {
      this.accepted += 1;
      if (this.#mode === 'refuse') {
        client.destroy();
        return;
      }
      const server = connect(target);
      void this.#forward(client, server);
      void this.#forward(server, client);
    });
  }

  /** @param server URL of the API server */
  static async before(server: string): Promise<Proxy> {
    const { hostname, port } = new URL(server);
    const proxy = new Proxy({ host: hostname.replaceAll(/[[\]]/g, ''), port: Number(port || 443) });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#open.size / 2;
  }

  pass(): void {
    this.#mode = 'pass';
    this.#resumed.resolve();
  }

  /** Nothing is forwarded until `pass`; nobody is told. */
  stall(): void {
    this.#mode = 'stall';
    this.#resumed = Promise.withResolvers();
  }

  /** Every connection that is open now is half open from here on; new ones pass. */
  freeze(): void {
    for (const socket of this.#open) this.#frozen.add(socket);
  }

  /** Destroys every open connection; new ones pass. */
  drop(): void {
    for (const socket of this.#open) socket.destroy();
  }

  /** Destroys every open connection, and new ones as they come. */
  refuse(): void {
    this.#mode = 'refuse';
    this.drop();
  }

  /** Copies the kubeconfig with this proxy as its server; the certificate is still verified. */
  async writeKubeconfig(from: string, to: string): Promise<void> {
    const config = parse(await readFile(from, 'utf8')) as Kubeconfig;
    for (const { cluster } of config.clusters) {
      const { hostname } = new URL(cluster.server);
      // TLS has no server name for addresses; the test cluster's certificate is for 127.0.0.1 too.
      if (isIP(hostname) === 0) cluster['tls-server-name'] = hostname;
      cluster.server = `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    }
    await writeFile(to, stringify(config), { mode: 0o600 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.refuse();
    await closed;
  }

  async #forward(from: Socket, to: Socket): Promise<void> {
    this.#open.add(from);
    // Pieces are sent on in order, each when its time has come: latency costs no throughput.
    let last = Promise.resolve();
    from.on('data', (data: Buffer) => {
      const due = performance.now() + this.latency;
      last = last.then(async () => {
        const early = due - performance.now();
        if (early > 0) await sleep(early);
        if (this.#mode === 'stall') await this.#resumed.promise;
        if (this.#frozen.has(from)) return;
        this.bytes += data.length;
        if (!to.destroyed && !to.write(data)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
    });
    from.on('end', () => {
      void last.then(() => {
        if (!this.#frozen.has(from)) to.end();
      });
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#open.delete(from);
      if (this.#frozen.has(from)) return;
      // An end that was stalled is not told either: the other side stays half-open.
      if (this.#mode !== 'stall') to.destroy();
      else void this.#resumed.promise.then(() => to.destroy());
    });
  }
}
