/** A real docker-registry and small faulty servers on loopback. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export interface Running {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): Promise<void>;
}

/** A server that answers as told. */
export async function serve(listener: RequestListener): Promise<Running> {
  const server: Server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly pem: string;
}

/** A self-signed certificate for the given alternative name: `IP:127.0.0.1`, `DNS:other.test`. */
export function certificate(directory: string, name: string): Certificate {
  const base = join(directory, name.replaceAll(/\W/g, '-'));
  const files = { cert: `${base}.crt`, key: `${base}.key` };
  const argv = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  argv.push(
    '-subj',
    '/CN=test',
    '-addext',
    `subjectAltName=${name}`,
    '-keyout',
    files.key,
    '-out',
    files.cert,
  );
  execFileSync('openssl', argv, { stdio: 'ignore' });
  return { ...files, pem: execFileSync('openssl', ['x509', '-in', files.cert], { encoding: 'utf8' }) };
}

export interface DockerRegistryOptions {
  readonly certificate?: Certificate;
  readonly user?: { readonly name: string; readonly password: string };
}

/** Runs /usr/bin/docker-registry on a free loopback port until stopped. */
export async function dockerRegistry(options: DockerRegistryOptions = {}): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'registry-'));
  const free = await serve((_, response) => response.end());
  const { host } = free;
  await free.stop();
  const config: Record<string, unknown> = {
    version: '0.1',
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: {
      addr: host,
      ...(options.certificate === undefined
        ? {}
        : { tls: { certificate: options.certificate.cert, key: options.certificate.key } }),
    },
  };
  if (options.user !== undefined) {
    const file = join(directory, 'htpasswd');
    const line = execFileSync('htpasswd', ['-Bbn', options.user.name, options.user.password], {
      encoding: 'utf8',
    });
    writeFileSync(file, line.trim());
    config['auth'] = { htpasswd: { realm: 'test', path: file } };
  }
  const configFile = join(directory, 'config.yml');
  writeFileSync(configFile, JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  const scheme = options.certificate === undefined ? 'http' : 'https';
  const deadline = performance.now() + 10_000;
  while (!(await answers(`${scheme}://${host}/v2/`))) {
    if (child.exitCode !== null || performance.now() > deadline) throw new Error(`docker-registry: ${log}`);
  }
  return {
    host,
    async stop() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const options = { rejectUnauthorized: false, agent: false };
  const request = url.startsWith('https') ? httpsRequest(url, options) : httpRequest(url, options);
  request.on('response', (response) => {
    response.resume();
    resolve(true);
  });
  request.on('error', () => setTimeout(() => resolve(false), 20));
  request.end();
  return promise;
}

export interface Pushed {
  readonly digest: string;
  readonly config: string;
  readonly layer: string;
}

/** Pushes a one-layer image with labels through the API of a plain-HTTP registry. */
export async function push(host: string, repository: string, tag: string, labels: object): Promise<Pushed> {
  const layer = Buffer.from(`layer of ${tag}`);
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', config: { Labels: labels } }),
  );
  for (const blob of [layer, config]) await pushBlob(host, repository, blob);
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  };
  const digest = await pushManifest(host, repository, tag, type, manifest);
  return { digest, config: sha256(config), layer: sha256(layer) };
}

export async function pushManifest(
  host: string,
  repository: string,
  tag: string,
  type: string,
  manifest: object,
): Promise<string> {
  const body = JSON.stringify(manifest);
  const url = `http://${host}/v2/${repository}/manifests/${tag}`;
  const response = await fetch(url, { method: 'PUT', body, headers: { 'content-type': type } });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return sha256(body);
}

async function pushBlob(host: string, repository: string, blob: Buffer): Promise<void> {
  const started = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(started.headers.get('location') ?? '', `http://${host}`);
  location.searchParams.set('digest', sha256(blob));
  const sent = await fetch(location, { method: 'PUT', body: new Uint8Array(blob) });
  if (!sent.ok) throw new Error(`${sent.status} ${await sent.text()}`);
}

function descriptor(mediaType: string, content: Buffer): object {
  return { mediaType, digest: sha256(content), size: content.length };
}
