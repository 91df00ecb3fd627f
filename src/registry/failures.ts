/** Everything a registry can answer, as failures. Messages name the registry and never carry credentials. */
import { failure, type Failure } from '../result.ts';

const unknownAuthority = 'it is signed by an unknown authority';
const certificateCauses: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet (is the clock right?)',
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host name',
};
/** What OpenSSL says when the other side speaks plain HTTP. */
const plainHttpCodes = new Set(['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG']);

const connectionCauses: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name could not be looked up',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'no answer in time',
  ABORT_ERR: 'no answer in time',
};

/** The failure of a request that got no answer. */
export function connectionFailure(error: unknown, registry: string): Failure {
  const code = codeOf(error);
  const certificate = certificateCauses[code];
  if (certificate !== undefined) {
    return failure(
      'registry-certificate',
      `the certificate of ${registry} is not accepted: ${certificate} (${code})`,
      `name its certificate authority with \`registry.certificates\`, or correct the certificate`,
    );
  }
  if (plainHttpCodes.has(code)) {
    return failure(
      'registry-certificate',
      `${registry} speaks plain HTTP, but HTTPS is expected`,
      `if that is meant, add "${registry}" to \`registry.insecure\``,
    );
  }
  const cause = connectionCauses[code] ?? (error instanceof Error ? error.message : String(error));
  return failure(
    'registry-unreachable',
    `cannot reach registry ${registry}: ${cause}${code === '' ? '' : ` (${code})`}`,
    'check the host, the port and the network between this machine and the registry',
  );
}

/** True for errors that another try may mend: everything but certificates, TLS mismatches and unknown hosts. */
export function isTransientError(error: unknown): boolean {
  const code = codeOf(error);
  return certificateCauses[code] === undefined && !plainHttpCodes.has(code) && code !== 'ENOTFOUND';
}

/** The failure of an answer that is not the wanted one. @param body the start of the response body */
export function answerFailure(
  status: number,
  body: string,
  what: {
    readonly registry: string;
    readonly doing: string;
    readonly authenticated: boolean;
    readonly secure: boolean;
  },
): Failure {
  const { registry, doing } = what;
  const said = errorText(body);
  const detail = said === '' ? '' : `: ${said}`;
  switch (status) {
    case 400:
      if (/HTTP request to an HTTPS server/i.test(body)) {
        return failure(
          'registry-certificate',
          `${registry} speaks HTTPS, but plain HTTP is used`,
          `remove "${registry}" from \`registry.insecure\`, or name its authority with \`registry.certificates\``,
        );
      }
      break;
    case 401:
      return what.authenticated
        ? failure(
            'registry-unauthorized',
            `${registry} does not accept the credentials to ${doing}${detail}`,
            'renew the credentials in the registry secret of the runner (or run `docker login` locally)',
          )
        : failure(
            'registry-unauthorized',
            `${registry} asks for credentials to ${doing}, and there are none for it`,
            `add an entry for "${registry}" to the docker config.json of the runner's registry secret`,
          );
    case 403:
      return failure(
        'registry-denied',
        `${registry} does not allow to ${doing}${detail}`,
        'give the account or token the right to this repository (ghcr.io: read:packages and write:packages)',
      );
    case 429:
      return failure(
        'registry-rate-limited',
        `${registry} limits requests: too many to ${doing}${detail}`,
        'wait, use credentials (they have a higher limit), or use a mirror',
      );
    default:
      break;
  }
  if (status >= 500) {
    return failure(
      'registry-unreachable',
      `${registry} answered ${status} to ${doing}${detail}`,
      'check the registry; try again',
    );
  }
  return failure(
    'registry-protocol',
    `${registry} answered ${status} to ${doing}${detail}`,
    'check that the host is a container registry (OCI distribution, /v2/) and no proxy changes its answers',
  );
}

export function protocolFailure(registry: string, message: string): Failure {
  return failure(
    'registry-protocol',
    `${registry}: ${message}`,
    'check that no proxy changes the answers of the registry, and push the image again',
  );
}

/** `{"errors":[{"code":"DENIED","message":"…"}]}` as `DENIED …`; nothing for other bodies. At most 200 characters. */
function errorText(body: string): string {
  try {
    const parsed: { errors?: { code?: unknown; message?: unknown }[] } = JSON.parse(body);
    const first = parsed.errors?.[0];
    const words = [first?.code, first?.message].filter((one) => typeof one === 'string' && one !== '');
    return words.join(' ').replaceAll(/\s+/g, ' ').slice(0, 200);
  } catch {
    return '';
  }
}

/** The code of an error, its cause, or the first of several tried addresses. */
function codeOf(error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 5) return '';
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return error.code;
  if ('cause' in error && error.cause !== undefined) return codeOf(error.cause, depth + 1);
  if ('errors' in error && Array.isArray(error.errors)) return codeOf(error.errors[0], depth + 1);
  return '';
}
