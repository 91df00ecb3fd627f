// The test registries, and the push of an image archive to one.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { paths, type Layout } from './addresses.ts';
import { readArchive } from './archive.ts';

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/** bcrypt of `writer-password` and `reader-password`; this registry has no rights per user. */
export const users = `writer:$2y$05$g1XEiNMf7t48wxjirePdHOrUfPnR7qnIN6waeWULS2OZXdlMjtDjq
reader:$2y$05$sgVYTGWYlrlSmg183tRGYOHnWluPm8zjmqZSaPu95zWSL0FsWtiXu
`;

export function registryConfig(layout: Layout, kind: 'plain' | 'tls'): string {
  const certificate = (name: string) => join(paths.certificates(layout), name);
  const secured = kind === 'tls';
  return JSON.stringify(
    {
      version: '0.1',
      log: { level: 'warn', accesslog: { disabled: false } },
      storage: {
        filesystem: { rootdirectory: join(paths.data(layout), secured ? 'registry-tls' : 'registry') },
        delete: { enabled: true },
      },
      http: {
        addr: secured ? layout.tlsRegistry : layout.registry,
        // Any value: it signs the state of an upload, and a random one would only be warned about.
        secret: 'test',
        ...(secured && {
          tls: { certificate: certificate('registry.crt'), key: certificate('registry.key') },
        }),
      },
      ...(secured && { auth: { htpasswd: { realm: 'test', path: join(paths.config(layout), 'htpasswd') } } }),
    },
    null,
    2,
  );
}

/** Pushes the image of an archive to a plain HTTP registry; answers the manifest's digest. */
export async function pushArchive(
  archive: string,
  registry: string,
  repository: string,
  tag: string,
): Promise<string> {
  const base = `http://${registry}/v2/${repository}`;
  const { config, layer } = await readArchive(archive);
  for (const blob of [config, layer]) await pushBlob(base, blob);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor('application/vnd.docker.container.image.v1+json', config),
    layers: [descriptor('application/vnd.docker.image.rootfs.diff.tar.gzip', layer)],
  });
  await request(
    `${base}/manifests/${tag}`,
    { method: 'PUT', headers: { 'content-type': manifestType }, body: manifest },
    201,
  );
  return digestOf(Buffer.from(manifest));
}

async function pushBlob(base: string, blob: Buffer): Promise<void> {
  const digest = digestOf(blob);
  const known = await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' });
  if (known.ok) return;
  const upload = await request(`${base}/blobs/uploads/`, { method: 'POST' }, 202);
  const location = new URL(upload.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  await request(location.href, { method: 'PUT', body: new Uint8Array(blob) }, 201);
}

async function request(url: string, init: RequestInit, expected: number): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status !== expected)
    throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

const descriptor = (mediaType: string, blob: Buffer) => ({
  mediaType,
  size: blob.length,
  digest: digestOf(blob),
});

const digestOf = (blob: Buffer): string => `sha256:${createHash('sha256').update(blob).digest('hex')}`;
