/** Network and TLS errors below HTTP, by their `code`: undici, node:tls and `ws` agree on these. */
import { failure, type Failure } from '../result.ts';

interface NetworkFailure {
  readonly failure: Failure;
  /** Trying again soon may work. */
  readonly transient: boolean;
}

const certificateCauses: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet (is the clock right?)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by an unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is signed by an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
};

const connectionCauses: Readonly<Record<string, { cause: string; check: string; transient: boolean }>> = {
  ECONNREFUSED: { cause: 'connection refused', check: 'is the cluster running?', transient: true },
  EHOSTUNREACH: { cause: 'no route to the host', check: 'is the network or VPN up?', transient: false },
  ENETUNREACH: { cause: 'the network is unreachable', check: 'is the network or VPN up?', transient: false },
  ETIMEDOUT: { cause: 'no answer in time', check: 'is the network or VPN up?', transient: false },
  UND_ERR_CONNECT_TIMEOUT: {
    cause: 'no answer in time',
    check: 'is the network or VPN up?',
    transient: false,
  },
  UND_ERR_HEADERS_TIMEOUT: {
    cause: 'no answer in time',
    check: 'is the API server healthy?',
    transient: false,
  },
  UND_ERR_BODY_TIMEOUT: { cause: 'no answer in time', check: 'is the API server healthy?', transient: false },
  ENOTFOUND: {
    cause: 'the host name is unknown',
    check: 'is the host name right, and DNS?',
    transient: false,
  },
  EAI_AGAIN: { cause: 'the host name could not be looked up', check: 'is DNS working?', transient: true },
  ECONNRESET: { cause: 'the connection was cut', check: 'is a proxy in between?', transient: true },
  EPIPE: { cause: 'the connection was cut', check: 'is a proxy in between?', transient: true },
  UND_ERR_SOCKET: { cause: 'the connection was cut', check: 'is a proxy in between?', transient: true },
  EPROTO: { cause: 'it does not speak TLS', check: 'should the server be http:// ?', transient: false },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    cause: 'it does not speak TLS',
    check: 'should the server be http:// ?',
    transient: false,
  },
};

/** The failure of a network error, undefined when the error is not one. */
export function networkFailure(error: unknown, server: string): NetworkFailure | undefined {
  for (const code of codesOf(error)) {
    const certificate = certificateCauses[code];
    if (certificate !== undefined) {
      return {
        transient: false,
        failure: failure(
          'cluster-unreachable',
          `${server} is not trusted: ${certificate} (${code})`,
          'correct `server` or `certificate-authority-data` of the cluster in the kubeconfig',
        ),
      };
    }
    const connection = connectionCauses[code];
    if (connection !== undefined) {
      return {
        transient: connection.transient,
        failure: failure(
          'cluster-unreachable',
          `cannot reach ${server}: ${connection.cause} (${code})`,
          `check the \`server\` of the kubeconfig: ${connection.check}`,
        ),
      };
    }
  }
  return undefined;
}

/** The codes of an error, its causes and, for several tried addresses, its parts. */
function codesOf(error: unknown, depth = 0): string[] {
  if (typeof error !== 'object' || error === null || depth > 5) return [];
  const codes: string[] = [];
  if ('code' in error && typeof error.code === 'string') codes.push(error.code);
  if ('name' in error && error.name === 'TimeoutError') codes.push('ETIMEDOUT');
  if ('message' in error && error.message === 'Opening handshake has timed out') codes.push('ETIMEDOUT');
  if ('cause' in error) codes.push(...codesOf(error.cause, depth + 1));
  if ('error' in error) codes.push(...codesOf(error.error, depth + 1));
  if ('errors' in error && Array.isArray(error.errors)) {
    for (const part of error.errors) codes.push(...codesOf(part, depth + 1));
  }
  return codes;
}
