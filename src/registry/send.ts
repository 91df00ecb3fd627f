/** Sends one request as often as it takes: redirects, retries and deadlines. */
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, ok, type Failure, type Result } from '../result.ts';
import { answerFailure, connectionFailure, isTransientError, protocolFailure } from './failures.ts';
import { readBody, type Call, type Transport } from './transport.ts';

/** For messages. */
export interface What {
  readonly registry: string;
  readonly doing: string;
  readonly secure: boolean;
}

export interface Sender {
  /**
   * The response with its body unread; every status but 429 and 5xx is an answer.
   * @param deadline milliseconds for each try with its body; none for a body of unknown length
   */
  send(call: Call, what: What, signal: AbortSignal, deadline?: number): Promise<Result<IncomingMessage>>;
}

/** Tries after the first one. */
export const retries = 2;
const maxRetryAfter = 5000;
const maxRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);

/** @param firstDelay milliseconds before the first retry; the next waits twice as long */
export function makeSender(transport: Transport, firstDelay: number): Sender {
  async function send(
    call: Call,
    what: What,
    signal: AbortSignal,
    deadline?: number,
  ): Promise<Result<IncomingMessage>> {
    for (let attempt = 0; ; attempt += 1) {
      if (signal.aborted) return interrupted(what);
      let delay = firstDelay * 2 ** attempt;
      try {
        const limit = deadline === undefined ? [] : [AbortSignal.timeout(deadline)];
        const response = await follow(call, AbortSignal.any([signal, ...limit]));
        const status = response.statusCode ?? 0;
        if (status !== 429 && status < 500) return ok(response);
        const after = retryAfter(response);
        if (attempt === retries || after > maxRetryAfter)
          return await refused(response, { ...what, authenticated: true });
        response.resume();
        delay = Math.max(delay, after);
      } catch (error) {
        if (isAborted(signal)) return interrupted(what);
        if (attempt === retries || !isTransientError(error)) {
          return { ok: false, failure: connectionFailure(error, what.registry) };
        }
      }
      await sleep(delay, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Follows redirects (blobs live in object stores). Another host never gets the authorization. */
  async function follow(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    let next = call;
    for (let hop = 0; ; hop += 1) {
      const response = await transport.send(next, signal);
      const location = response.headers.location;
      if (!redirects.has(response.statusCode ?? 0) || location === undefined || hop === maxRedirects)
        return response;
      response.resume();
      const url = new URL(location, next.url);
      if (next.url.protocol === 'https:' && url.protocol !== 'https:') {
        throw new Error(`it redirects from HTTPS to ${url.protocol}//${url.host}`);
      }
      const { authorization, ...rest } = next.headers;
      const sameHost = url.host === next.url.host && authorization !== undefined;
      next = { method: next.method, url, headers: sameHost ? next.headers : rest };
    }
  }

  return { send };
}

export async function refused(
  response: IncomingMessage,
  what: What & { authenticated: boolean },
): Promise<Result<never>> {
  const body = await readBody(response, 65_536).catch(() => Buffer.alloc(0));
  return { ok: false, failure: answerFailure(response.statusCode ?? 0, body.toString('utf8'), what) };
}

export function interrupted({ doing, registry }: Omit<What, 'secure'>): Result<never> {
  return fail('interrupted', `stopped before ${registry} answered to: ${doing}`, 'nothing to do');
}

export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Milliseconds of a Retry-After header, in seconds or as a date; 0 without one. */
function retryAfter(response: IncomingMessage): number {
  const header = response.headers['retry-after'];
  if (header === undefined) return 0;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}

/** For callers that lose a body while reading it. */
export function brokenBody(error: unknown, registry: string): Failure {
  if (isBroken(error)) return connectionFailure(error, registry);
  return protocolFailure(registry, error instanceof Error ? error.message : String(error));
}

/** A connection error, in contrast to a body that is too long. */
export function isBroken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
