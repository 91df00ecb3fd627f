/** Looks whether the image of a content is there already. */
import type { Host, ImageReference } from '../host.ts';
import { contentLabel } from '../kaniko/content.ts';
import { type Result, ok } from '../result.ts';
import type { Destination } from './build.ts';

export interface Wanted {
  readonly target: string;
  readonly output: Destination;
  readonly image: ImageReference;
  /** Undefined when the tag says nothing about the content: then nothing is ever found. */
  readonly tag: string | undefined;
  readonly contentHash: string;
}

/**
 * The digest, if the tag exists and the image's own label carries the whole content hash: a tag can be moved, and
 * holds only the first digits.
 */
export async function findBuilt(
  host: Host,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Result<string | undefined>> {
  if (wanted.output.type === 'layout') return findLayout(host, wanted);
  if (wanted.tag === undefined) return ok(undefined);
  const digest = await host.registry.resolve(wanted.image, wanted.tag, signal);
  if (!digest.ok || digest.value === undefined) return digest;
  const labels = await host.registry.labels(wanted.image, digest.value, signal);
  if (!labels.ok) return labels;
  return ok(labels.value[contentLabel] === wanted.contentHash ? digest.value : undefined);
}

async function findLayout(
  host: Host,
  { target, output, contentHash }: Wanted,
): Promise<Result<string | undefined>> {
  // An archive is written by the executor alone.
  if (output.type === 'layout' && output.archive !== undefined) return ok(undefined);
  const found = await host.layouts.find(target);
  if (!found.ok) return found;
  return ok(found.value?.labels[contentLabel] === contentHash ? found.value.digest : undefined);
}
