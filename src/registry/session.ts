/** Requests to one or more registries: scheme, authorization, retries and deadlines. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { ImageReference } from '../host.ts';
import { ok, type Result } from '../result.ts';
import { basicHeader, parseChallenge, parseToken, tokenCall, type Challenge, type Token } from './auth.ts';
import type { Credentials, CredentialsProvider } from './credentials.ts';
import { answerFailure, connectionFailure } from './failures.ts';
import {
  brokenBody,
  interrupted,
  isAborted,
  isBroken,
  makeSender,
  refused,
  retries,
  type What,
} from './send.ts';
import { makeTransport, readBody, type Call } from './transport.ts';

export interface RegistryOptions {
  /** `host[:port]` spoken to over plain HTTP, besides loopback addresses. */
  readonly insecure?: readonly string[];
  /** PEM text by `host[:port]`, trusted besides the well-known authorities. A host named here is spoken to over TLS. */
  readonly certificates?: Readonly<Record<string, string>>;
  readonly credentials?: CredentialsProvider;
  /** Which image of an index is meant, as Go names architectures (`amd64`). */
  readonly architecture?: string;
  /** Milliseconds: until connected (5000), until all is answered (15000; a streamed blob: between two parts), before the first retry (250). */
  readonly timeouts?: { readonly connect?: number; readonly answer?: number; readonly retry?: number };
}

export interface Ask {
  readonly image: ImageReference;
  readonly method: 'GET' | 'HEAD' | 'DELETE';
  /** After `/v2/<repository>`, with its leading slash. */
  readonly path: string;
  readonly accept?: string;
  /** `read the tag 1.2`: for messages. */
  readonly doing: string;
  /** Statuses that are an answer, not a failure. */
  readonly expect: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RegistrySession {
  /** The whole answer, at most `limit` bytes; repeated when it breaks off. */
  read(ask: Ask, limit: number, signal: AbortSignal): Promise<Result<Answer>>;
  /** The response with its body unread and without a deadline for all of it. The caller reads or destroys it. */
  stream(ask: Ask, signal: AbortSignal): Promise<Result<IncomingMessage>>;
}

export function makeSession(options: RegistryOptions): RegistrySession {
  const answerTimeout = options.timeouts?.answer ?? 15_000;
  const certificates = options.certificates ?? {};
  const transport = makeTransport({
    connectTimeout: options.timeouts?.connect ?? 5000,
    answerTimeout,
    certificates,
  });
  const sender = makeSender(transport, options.timeouts?.retry ?? 250);
  const insecure = new Set(options.insecure ?? []);
  /** By registry, repository and scope: the authorization that worked. */
  const tokens = new Map<string, Token>();

  async function read(request: Ask, limit: number, signal: AbortSignal): Promise<Result<Answer>> {
    for (let attempt = 0; ; attempt += 1) {
      const response = await ask(request, signal, answerTimeout);
      if (isAborted(signal)) return interrupted({ registry: request.image.registry, doing: request.doing });
      if (!response.ok) return response;
      try {
        const body = await readBody(response.value, limit);
        return ok({ status: response.value.statusCode ?? 0, headers: response.value.headers, body });
      } catch (error) {
        if (isAborted(signal)) return interrupted({ registry: request.image.registry, doing: request.doing });
        if (attempt === retries || !isBroken(error)) {
          return { ok: false, failure: brokenBody(error, request.image.registry) };
        }
      }
    }
  }

  async function ask(request: Ask, signal: AbortSignal, deadline?: number): Promise<Result<IncomingMessage>> {
    const { image } = request;
    const secure = image.registry in certificates || !isPlain(image.registry, insecure);
    const scope = `repository:${image.repository}:${request.method === 'DELETE' ? 'pull,push,delete' : 'pull'}`;
    const key = `${image.registry} ${scope}`;
    const url = new URL(
      `${secure ? 'https' : 'http'}://${apiHost(image.registry)}/v2/${image.repository}${request.path}`,
    );
    const headers: Record<string, string> = { 'user-agent': 'kaniko-dev' };
    if (request.accept !== undefined) headers['accept'] = request.accept;
    const call: Call = { method: request.method, url, headers };
    const what = { registry: image.registry, doing: request.doing, secure };

    const known = tokens.get(key);
    const token = known !== undefined && known.expires > performance.now() ? known : undefined;
    let response = await sender.send(withAuthorization(call, token?.header), what, signal, deadline);
    if (!response.ok) return response;
    if (response.value.statusCode === 401) {
      response.value.resume();
      tokens.delete(key);
      const challenge = parseChallenge(response.value.headers['www-authenticate']);
      const authorized = await authorize(challenge, scope, what, signal);
      if (!authorized.ok) return authorized;
      const { header, expires, authenticated } = authorized.value;
      response = await sender.send(withAuthorization(call, header), what, signal, deadline);
      if (!response.ok) return response;
      if (response.value.statusCode === 401) return refused(response.value, { ...what, authenticated });
      tokens.set(key, { header, expires });
    }
    const status = response.value.statusCode ?? 0;
    if (request.expect.includes(status)) return response;
    return refused(response.value, { ...what, authenticated: tokens.has(key) });
  }

  async function authorize(
    challenge: Challenge | undefined,
    scope: string,
    what: What,
    signal: AbortSignal,
  ): Promise<Result<Token & { authenticated: boolean }>> {
    const unauthorized = (authenticated: boolean): Result<never> => ({
      ok: false,
      failure: answerFailure(401, '', { ...what, authenticated }),
    });
    let credentials: Credentials | undefined;
    try {
      credentials = await options.credentials?.(what.registry);
    } catch (error) {
      return { ok: false, failure: connectionFailure(error, what.registry) };
    }
    const authenticated = credentials !== undefined;
    if (challenge === undefined) return unauthorized(authenticated);
    if (challenge.scheme === 'basic') {
      const header = credentials === undefined ? undefined : basicHeader(credentials);
      return header === undefined ? unauthorized(false) : ok({ header, expires: Infinity, authenticated });
    }
    const call = tokenCall(challenge, scope, credentials, { name: what.registry, secure: what.secure });
    if (!call.ok) return call;
    const answered = await sender.send(call.value, what, signal, answerTimeout);
    if (!answered.ok) return answered;
    const status = answered.value.statusCode ?? 0;
    // Token endpoints answer 400, 401 or 403 to credentials that are wrong or lack the scope.
    if (status === 400 || status === 401) {
      answered.value.resume();
      return unauthorized(authenticated);
    }
    if (status === 403 && !authenticated) {
      answered.value.resume();
      return unauthorized(false);
    }
    if (status !== 200) return refused(answered.value, { ...what, authenticated });
    try {
      const body = await readBody(answered.value, 1024 * 1024);
      const token = parseToken(body.toString('utf8'), performance.now(), what.registry);
      return token.ok ? ok({ ...token.value, authenticated }) : token;
    } catch (error) {
      return { ok: false, failure: connectionFailure(error, what.registry) };
    }
  }

  return { read, stream: ask };
}

function withAuthorization(call: Call, header: string | undefined): Call {
  return header === undefined ? call : { ...call, headers: { ...call.headers, authorization: header } };
}

function apiHost(registry: string): string {
  return registry === 'docker.io' ? 'registry-1.docker.io' : registry;
}

/** Loopback is plain HTTP without being asked, as kaniko's registry library has it. */
function isPlain(registry: string, insecure: ReadonlySet<string>): boolean {
  if (insecure.has(registry)) return true;
  const host = registry.replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
