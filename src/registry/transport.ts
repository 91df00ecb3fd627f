/**
 * One HTTP request over node:http or node:https, with the deadlines of a registry. Not `fetch`: a certificate authority
 * per host and a connect deadline need the agent's options.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';

export interface TransportOptions {
  /** Milliseconds until a connection must be there, TLS included. */
  readonly connectTimeout: number;
  /** Milliseconds until the headers must be there, and between two parts of the body. */
  readonly answerTimeout: number;
  /** PEM text by `host[:port]`, trusted besides the well-known authorities. */
  readonly certificates: Readonly<Record<string, string>>;
}

export interface Call {
  readonly method: 'GET' | 'HEAD' | 'DELETE' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Transport {
  /** The answer with its body still unread; errors of the network reject. The signal also ends the body. */
  send(call: Call, signal: AbortSignal): Promise<IncomingMessage>;
}

export function makeTransport(options: TransportOptions): Transport {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: 8 });
  const secure = new Map<string, HttpsAgent>();

  function secureAgent(host: string): HttpsAgent {
    const known = secure.get(host);
    if (known !== undefined) return known;
    const pem = options.certificates[host];
    const trust = pem === undefined ? {} : { ca: [...rootCertificates, pem] };
    const agent = new HttpsAgent({ keepAlive: true, maxSockets: 8, ...trust });
    secure.set(host, agent);
    return agent;
  }

  return {
    send(call, signal) {
      const { method, url, headers } = call;
      const isSecure = url.protocol === 'https:';
      const request: ClientRequest = isSecure
        ? httpsRequest(url, { method, headers, signal, agent: secureAgent(url.host) })
        : httpRequest(url, { method, headers, signal, agent: plain });
      const answer = Promise.withResolvers<IncomingMessage>();
      const connecting = setTimeout(() => {
        request.destroy(timeoutError(`no connection in ${options.connectTimeout / 1000} s`));
      }, options.connectTimeout);
      const connected = (): void => clearTimeout(connecting);
      request.once('socket', (socket) => {
        if (!socket.connecting) connected();
        else socket.once(isSecure ? 'secureConnect' : 'connect', connected);
      });
      request.setTimeout(options.answerTimeout, () => {
        request.destroy(timeoutError(`no answer in ${options.answerTimeout / 1000} s`));
      });
      request.once('close', connected);
      request.once('response', answer.resolve);
      // Stays for errors after the answer; a broken body also errors where it is read.
      request.on('error', answer.reject);
      request.end(call.body);
      return answer.promise;
    },
  };
}

function timeoutError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}

/** The body as bytes; rejects when it is longer than `limit` bytes or breaks off. */
export async function readBody(response: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limit) throw new Error(`the answer is longer than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
