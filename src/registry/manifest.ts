/** The JSON documents that name the parts of an image: OCI and Docker schema 2, which agree on all that is used here. */
import { ok, type Result } from '../result.ts';
import { protocolFailure } from './failures.ts';

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export interface ImageManifest {
  readonly kind: 'image';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** Fails with `registry-protocol` for anything else, Docker schema 1 included. */
export function parseManifest(raw: Uint8Array, registry: string): Result<ImageManifest | ImageIndex> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(raw));
  } catch {
    return bad(registry, 'a manifest is not JSON');
  }
  if (!isRecord(parsed)) return bad(registry, 'a manifest is not a JSON object');
  const { manifests, config, layers } = parsed;
  if (Array.isArray(manifests)) {
    const all = manifests.map(descriptor);
    return all.every((one) => one !== undefined)
      ? ok({ kind: 'index', manifests: all })
      : bad(registry, 'an index has an entry without a digest');
  }
  const configDescriptor = descriptor(config);
  const all = Array.isArray(layers) ? layers.map(descriptor) : [undefined];
  if (configDescriptor !== undefined && all.every((one) => one !== undefined)) {
    return ok({ kind: 'image', config: configDescriptor, layers: all });
  }
  return bad(registry, 'a manifest has no config or no layers (schema 1 is not supported)');
}

/** The one for Linux on the architecture, else the first that is an image; attestations are for `unknown/unknown`. */
export function selectPlatform(index: ImageIndex, architecture: string): Descriptor | undefined {
  const images = index.manifests.filter((one) => one.platform?.os !== 'unknown');
  return (
    images.find((one) => one.platform?.os === 'linux' && one.platform.architecture === architecture) ??
    images[0]
  );
}

function descriptor(value: unknown): Descriptor | undefined {
  if (!isRecord(value)) return undefined;
  const { mediaType, digest, size, platform } = value;
  if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest)) return undefined;
  const base = {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    size: typeof size === 'number' ? size : 0,
  };
  if (!isRecord(platform)) return base;
  const { os, architecture } = platform;
  return { ...base, platform: { os: String(os), architecture: String(architecture) } };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(registry: string, message: string): Result<never> {
  return { ok: false, failure: protocolFailure(registry, message) };
}
