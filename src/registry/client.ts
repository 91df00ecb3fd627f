/** A small client of the OCI distribution API: what kaniko-dev asks a registry, every byte checked by its digest. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { ImageReference, Registry } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { protocolFailure } from './failures.ts';
import { parseManifest, selectPlatform, type ImageManifest } from './manifest.ts';
import { brokenBody } from './send.ts';
import { makeSession, type Ask, type RegistryOptions } from './session.ts';

export type { RegistryOptions } from './session.ts';
export type { Descriptor, ImageManifest } from './manifest.ts';

export interface RegistryClient extends Registry {
  /** The image manifest behind a tag or digest; of an index, the one for this architecture, else its first image. */
  manifest(image: ImageReference, reference: string, signal: AbortSignal): Promise<Result<ResolvedManifest>>;
  /** A blob of at most 16 MiB in memory: configs. */
  blob(image: ImageReference, digest: string, signal: AbortSignal): Promise<Result<Buffer>>;
  /** Streams a blob into a new file, which is removed again when its content does not match the digest. */
  blobToFile(image: ImageReference, digest: string, file: string, signal: AbortSignal): Promise<Result<void>>;
  /** Deletes a manifest and with it its tags. One that is not there counts as deleted. */
  deleteManifest(image: ImageReference, digest: string, signal: AbortSignal): Promise<Result<void>>;
}

export interface ResolvedManifest {
  readonly digest: string;
  readonly manifest: ImageManifest;
  /** The bytes the digest is of. */
  readonly raw: Buffer;
}

const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

const maxManifest = 4 * 1024 * 1024;
const maxConfig = 16 * 1024 * 1024;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * Fails with `registry-unreachable`, `-unauthorized`, `-denied`, `-certificate`, `-rate-limited`, `-protocol`, and with
 * `interrupted` when the signal aborts.
 */
export function makeRegistry(options: RegistryOptions): RegistryClient {
  const session = makeSession(options);

  async function resolve(
    image: ImageReference,
    tag: string,
    signal: AbortSignal,
  ): Promise<Result<string | undefined>> {
    const ask = {
      image,
      path: `/manifests/${tag}`,
      accept: manifestTypes,
      doing: `read ${image.repository}:${tag}`,
      expect: [200, 404],
    };
    const head = await session.read({ ...ask, method: 'HEAD' }, 0, signal);
    // Some registries do not know HEAD here, and a 4xx to it has no body to explain it.
    if (!head.ok && head.failure.code !== 'registry-protocol') return head;
    if (head.ok) {
      if (head.value.status === 404) return ok(undefined);
      const digest = head.value.headers['docker-content-digest'];
      if (typeof digest === 'string' && digestPattern.test(digest)) return ok(digest);
    }
    const got = await session.read({ ...ask, method: 'GET' }, maxManifest, signal);
    if (!got.ok) return got;
    return ok(got.value.status === 404 ? undefined : sha256(got.value.body));
  }

  async function rawManifest(
    image: ImageReference,
    reference: string,
    signal: AbortSignal,
  ): Promise<Result<Buffer>> {
    const got = await session.read(
      {
        image,
        method: 'GET',
        path: `/manifests/${reference}`,
        accept: manifestTypes,
        doing: `read the manifest ${image.repository} ${reference}`,
        expect: [200],
      },
      maxManifest,
      signal,
    );
    if (!got.ok) return got;
    const { body } = got.value;
    if (!digestPattern.test(reference) || sha256(body) === reference) return ok(body);
    return wrongDigest(image, 'manifest', reference, sha256(body));
  }

  async function manifest(
    image: ImageReference,
    reference: string,
    signal: AbortSignal,
  ): Promise<Result<ResolvedManifest>> {
    const raw = await rawManifest(image, reference, signal);
    if (!raw.ok) return raw;
    const parsed = parseManifest(raw.value, image.registry);
    if (!parsed.ok) return parsed;
    if (parsed.value.kind === 'image')
      return ok({ digest: sha256(raw.value), manifest: parsed.value, raw: raw.value });
    const chosen = selectPlatform(parsed.value, options.architecture ?? 'amd64');
    if (chosen === undefined) {
      return {
        ok: false,
        failure: protocolFailure(image.registry, `${image.repository} ${reference} has no images`),
      };
    }
    const inner = await rawManifest(image, chosen.digest, signal);
    if (!inner.ok) return inner;
    const innerParsed = parseManifest(inner.value, image.registry);
    if (!innerParsed.ok) return innerParsed;
    if (innerParsed.value.kind === 'image') {
      return ok({ digest: chosen.digest, manifest: innerParsed.value, raw: inner.value });
    }
    return {
      ok: false,
      failure: protocolFailure(image.registry, `${image.repository}: an index within an index`),
    };
  }

  async function blob(image: ImageReference, digest: string, signal: AbortSignal): Promise<Result<Buffer>> {
    const ask = blobAsk(image, digest);
    if (!ask.ok) return ask;
    const got = await session.read(ask.value, maxConfig, signal);
    if (!got.ok) return got;
    const { body } = got.value;
    return sha256(body) === digest ? ok(body) : wrongDigest(image, 'blob', digest, sha256(body));
  }

  async function blobToFile(
    image: ImageReference,
    digest: string,
    file: string,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const ask = blobAsk(image, digest);
    if (!ask.ok) return ask;
    const opened = await session.stream(ask.value, signal);
    if (!opened.ok) return opened;
    const hash = createHash('sha256');
    try {
      await pipeline(
        opened.value,
        async function* (parts: AsyncIterable<Buffer>) {
          for await (const part of parts) {
            hash.update(part);
            yield part;
          }
        },
        createWriteStream(file, { flags: 'wx' }),
        { signal },
      );
    } catch (error) {
      if (signal.aborted) {
        await rm(file, { force: true });
        return fail('interrupted', `stopped while reading from ${image.registry}`, 'nothing to do');
      }
      // A file that exists is the caller's bug, and must not be removed here.
      if (isLocal(error)) throw error;
      await rm(file, { force: true });
      return { ok: false, failure: brokenBody(error, image.registry) };
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual === digest) return ok(undefined);
    await rm(file, { force: true });
    return wrongDigest(image, 'blob', digest, actual);
  }

  async function labels(
    image: ImageReference,
    digest: string,
    signal: AbortSignal,
  ): Promise<Result<Readonly<Record<string, string>>>> {
    const found = await manifest(image, digest, signal);
    if (!found.ok) return found;
    const config = await blob(image, found.value.manifest.config.digest, signal);
    if (!config.ok) return config;
    try {
      const parsed: { config?: { Labels?: Readonly<Record<string, string>> | null } | null } = JSON.parse(
        config.value.toString('utf8'),
      );
      return ok(parsed.config?.Labels ?? {});
    } catch {
      return { ok: false, failure: protocolFailure(image.registry, `the config of ${digest} is not JSON`) };
    }
  }

  async function deleteManifest(
    image: ImageReference,
    digest: string,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const path = `/manifests/${digest}`;
    const doing = `delete ${image.repository}@${digest}`;
    const ask: Ask = { image, method: 'DELETE', path, doing, expect: [200, 202, 404] };
    const sent = await session.read(ask, maxManifest, signal);
    return sent.ok ? ok(undefined) : sent;
  }

  return { resolve, labels, manifest, blob, blobToFile, deleteManifest };
}

function blobAsk(image: ImageReference, digest: string): Result<Ask> {
  if (!digestPattern.test(digest)) {
    return { ok: false, failure: protocolFailure(image.registry, `not a sha256 digest: ${digest}`) };
  }
  const doing = `read the blob ${image.repository}@${digest}`;
  return ok({ image, method: 'GET', path: `/blobs/${digest}`, doing, expect: [200] });
}

function wrongDigest(
  image: ImageReference,
  what: 'manifest' | 'blob',
  asked: string,
  got: string,
): Result<never> {
  return {
    ok: false,
    failure: protocolFailure(
      image.registry,
      `the ${what} ${image.repository}@${asked} arrived with digest ${got}`,
    ),
  };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Errors of the local file system: a full disk is as little the registry's fault as a missing directory. */
function isLocal(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && ['open', 'write'].includes(String(error.syscall));
}
