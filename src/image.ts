/**
 * Image references as Docker and Kubernetes read them: `[host[:port]/]path[:tag][@digest]`.
 * The first part is a host only when it contains a dot or a colon, or is `localhost`; else Docker Hub is meant.
 */
import type { ImageReference } from './host.ts';

export interface ParsedReference extends ImageReference {
  readonly tag: string | undefined;
  /** `sha256:…` */
  readonly digest: string | undefined;
}

const hubNames = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);
const hostPattern = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/;
const pathPattern = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,}$/;

/**
 * Undefined for what is not a reference. Docker Hub is always `docker.io`, and its official images are
 * `library/name`, so that two spellings of one image compare equal.
 */
export function parseReference(text: string): ParsedReference | undefined {
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !digestPattern.test(digest)) return undefined;
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagPattern.test(tag)) return undefined;
  const name = hasTag ? named.slice(0, colon) : named;
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  const hasHost = first === 'localhost' || /[.:]/.test(first);
  const host = hasHost ? first.toLowerCase() : 'docker.io';
  const path = hasHost ? name.slice(slash + 1) : name;
  if (!hostPattern.test(host) || !pathPattern.test(path)) return undefined;
  const registry = hubNames.has(host) ? 'docker.io' : host;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  return { registry, repository, tag, digest };
}

/** `ghcr.io/ardenone/moltbook-api`, `docker.io/library/node` */
export function repositoryName(image: ImageReference): string {
  return `${image.registry}/${image.repository}`;
}

/** True when both texts name the same repository, whatever their tags and digests. */
export function sameRepository(a: string, b: string): boolean {
  const left = parseReference(a);
  const right = parseReference(b);
  if (left === undefined || right === undefined) return false;
  return repositoryName(left) === repositoryName(right);
}
