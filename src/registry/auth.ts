/**
 * The authorization of a registry: anonymous first, then what its 401 asks for.
 *
 *   401 WWW-Authenticate: Basic …                     → Authorization: Basic
 *   401 WWW-Authenticate: Bearer realm, service, scope → token endpoint → Authorization: Bearer
 */
import { ok, type Failure, type Result } from '../result.ts';
import type { Credentials } from './credentials.ts';
import { protocolFailure } from './failures.ts';
import type { Call } from './transport.ts';

export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer';
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/** Understands the first Bearer or Basic challenge of a WWW-Authenticate header. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined) return undefined;
  const bearer = /(?:^|,\s*)bearer\s+(.*)$/is.exec(header)?.[1];
  if (bearer !== undefined) {
    const parameters = new Map<string, string>();
    for (const [, key = '', quoted, bare] of bearer.matchAll(/([a-z_]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))/gi)) {
      if (!parameters.has(key.toLowerCase())) parameters.set(key.toLowerCase(), quoted ?? bare ?? '');
    }
    const realm = parameters.get('realm');
    if (realm === undefined) return undefined;
    return { scheme: 'bearer', realm, service: parameters.get('service'), scope: parameters.get('scope') };
  }
  return /(?:^|,\s*)basic\b/i.test(header) ? { scheme: 'basic' } : undefined;
}

export function basicHeader(credentials: Credentials): string | undefined {
  if ('identityToken' in credentials) return undefined;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

/**
 * The request for a token: GET with Basic credentials (or none), or the OAuth POST for an identity token. Fails when the
 * realm is no URL, or would carry credentials over plain HTTP for a registry that is used over HTTPS.
 */
export function tokenCall(
  challenge: Extract<Challenge, { scheme: 'bearer' }>,
  scope: string,
  credentials: Credentials | undefined,
  registry: { readonly name: string; readonly secure: boolean },
): Result<Call> {
  if (!URL.canParse(challenge.realm)) return bad(registry.name, 'its token address is no URL');
  const url = new URL(challenge.realm);
  if (url.protocol !== 'https:' && (registry.secure || url.protocol !== 'http:')) {
    return bad(registry.name, `its token address is not HTTPS: ${url.origin}`);
  }
  const asked = challenge.scope ?? scope;
  if (credentials !== undefined && 'identityToken' in credentials) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken,
      client_id: 'kaniko-dev',
      scope: asked,
    });
    if (challenge.service !== undefined) form.set('service', challenge.service);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
    return ok({ method: 'POST', url, headers, body: form.toString() });
  }
  if (challenge.service !== undefined) url.searchParams.set('service', challenge.service);
  for (const one of asked.split(' ')) url.searchParams.append('scope', one);
  const basic = credentials === undefined ? undefined : basicHeader(credentials);
  const headers: Record<string, string> = { accept: 'application/json' };
  if (basic !== undefined) headers['authorization'] = basic;
  return ok({ method: 'GET', url, headers });
}

export interface Token {
  readonly header: string;
  /** Milliseconds on the monotonic clock after which it must not be used. */
  readonly expires: number;
}

/** Reads the token endpoint's answer. Tokens without `expires_in` live 60 s, by the distribution specification. */
export function parseToken(body: string, now: number, registry: string): Result<Token> {
  let answer: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null;
  try {
    answer = JSON.parse(body);
  } catch {
    return bad(registry, 'its token endpoint did not answer with JSON');
  }
  const token = answer?.token ?? answer?.access_token;
  if (typeof token !== 'string' || token === '') return bad(registry, 'its token endpoint gave no token');
  const seconds = typeof answer?.expires_in === 'number' ? answer.expires_in : 60;
  // A tenth is kept as margin for the way and for clocks.
  return ok({ header: `Bearer ${token}`, expires: now + seconds * 900 });
}

function bad(registry: string, message: string): { ok: false; failure: Failure } {
  return { ok: false, failure: protocolFailure(registry, message) };
}
