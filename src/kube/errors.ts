/**
 * The one place where errors of the Kubernetes client become failures.
 *
 *   ApiException (REST)      status code + Status JSON in `body`
 *   RefusedUpgrade (exec)    status code + body, kept by exec.ts because `ws` drops it
 *   ErrorEvent (`ws`)        not an Error: carries `error` and `message`
 *   TypeError "fetch failed" the network error is in `cause`
 *   CredentialError          the kubeconfig's own files or plugins failed
 */
import { ApiException } from '@kubernetes/client-node';
import { failure, type Failure, type FailureCode } from '../result.ts';
import { networkFailure } from './network.ts';

/** What was being done: named in every message and in the missing Role rule. */
export interface Doing {
  readonly verb: string;
  /** Plural resource, with its subresource: `deployments`, `pods/exec`. */
  readonly resource: string;
  /** API group, absent for the core group. */
  readonly group?: string;
  readonly namespace?: string;
  readonly name?: string;
  /** The failure for a 404, when the caller knows a better one. */
  readonly missing?: Failure;
  /** The code for a request the server understood and refused (400, 409, 422). */
  readonly refused?: FailureCode;
}

/** Credentials named by the kubeconfig could not be read or obtained. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError';
}

/** A WebSocket upgrade that was answered with an ordinary response. */
export class RefusedUpgrade extends Error {
  override readonly name = 'RefusedUpgrade';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`Unexpected server response: ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** HTTP status that an error carries, undefined for anything that is not an answer of the server. */
export function httpStatus(error: unknown): number | undefined {
  if (error instanceof ApiException) return error.code;
  if (error instanceof RefusedUpgrade) return error.status;
  const text = errorMessage(error);
  const refused = /Unexpected server response: (\d{3})/.exec(text);
  return refused?.[1] === undefined ? undefined : Number(refused[1]);
}

/** True when trying the same again soon may work: overload, a restarting server, a cut connection. */
export function isTransient(error: unknown): boolean {
  const status = httpStatus(error);
  if (status !== undefined) return status === 429 || status === 500 || (status >= 502 && status <= 504);
  return networkFailure(error, '')?.transient ?? false;
}

/**
 * Converts an error of the Kubernetes client. Throws errors that can only be bugs (a TypeError of our own).
 * @param server URL of the API server, for messages
 */
export function kubeFailure(error: unknown, doing: Doing, server: string): Failure {
  if (error instanceof CredentialError) {
    return failure(
      'cluster-unauthorized',
      `cannot get credentials for ${server}: ${oneLine(error.message)}`,
      'check the user entry of the kubeconfig; `kubectl get pods` must work in the same shell',
    );
  }
  const status = httpStatus(error);
  if (status !== undefined) return statusFailure(status, serverMessage(error), doing, server);
  const network = networkFailure(error, server);
  if (network !== undefined) return network.failure;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError)
    throw error;
  return failure(
    'cluster-unreachable',
    `${server} did not answer like a Kubernetes API server: ${oneLine(errorMessage(error))}`,
    'check the `server` of the kubeconfig and any proxy in between',
  );
}

function statusFailure(status: number, message: string, doing: Doing, server: string): Failure {
  const what = describe(doing);
  switch (status) {
    case 401:
      return failure(
        'cluster-unauthorized',
        `${server} does not accept the credentials (401 while trying to ${what})`,
        'the token or certificate has probably expired: log in again, then check with `kubectl get pods`',
      );
    case 403:
      return forbidden(message, doing);
    case 404: {
      const namespace = /namespaces "([^"]+)" not found/.exec(message)?.[1];
      if (namespace !== undefined) return namespaceMissing(namespace);
      if (doing.missing !== undefined) return doing.missing;
      return failure(
        'runner-missing',
        `${what}: not found${message === '' ? '' : ` (${message})`}`,
        'check the name and the namespace',
      );
    }
    case 400:
    case 409:
    case 422:
      return failure(
        doing.refused ?? 'runner-protocol',
        `the API server refused to ${what}: ${message === '' ? `HTTP ${status}` : message}`,
        'correct what the message names',
      );
    case 429:
      return failure(
        'cluster-unreachable',
        `${server} is overloaded (429 while trying to ${what})`,
        'try again later',
      );
    default:
      return failure(
        'cluster-unreachable',
        `${server} answered ${status} while trying to ${what}${message === '' ? '' : `: ${message}`}`,
        'check the API server and any proxy in between; try again',
      );
  }
}

/** The failure for a namespace that does not exist. */
export function namespaceMissing(namespace: string): Failure {
  return failure(
    'namespace-missing',
    `namespace "${namespace}" does not exist`,
    `create it with \`kubectl create namespace ${namespace}\`, or choose another with \`namespace\``,
  );
}

/**
 * 403 is RBAC (`User "x" cannot create resource "pods/exec" …`) or admission (quota, a policy webhook): only the first
 * can be mended by a Role. RBAC also answers 403 for a namespace that does not exist.
 */
function forbidden(message: string, doing: Doing): Failure {
  const rbac = /User "([^"]*)" cannot (\S+) resource "([^"]+)"(?: in API group "([^"]*)")?/.exec(message);
  if (rbac === null && message !== '' && !/^forbidden$/i.test(message)) {
    return failure(
      'forbidden',
      `the cluster does not allow to ${describe(doing)}: ${message}`,
      'ask who runs the cluster: a policy or quota refuses it, not the Role',
    );
  }
  const user = rbac?.[1];
  const resource = rbac?.[3] ?? doing.resource;
  const group = rbac?.[4] ?? doing.group ?? '';
  // A WebSocket is a GET, which older servers check as `get` and newer ones as `create`: name both.
  const verbs = resource === 'pods/exec' ? ['create', 'get'] : [rbac?.[2] ?? doing.verb];
  const verb = resource === 'pods/exec' ? 'create' : verbs.join(', ');
  const where = doing.namespace === undefined ? '' : ` in namespace "${doing.namespace}"`;
  return failure(
    'forbidden',
    `${user === undefined || user === '' ? 'this user' : `user "${user}"`} may not ${verb} ${resource}${where}`,
    `add this rule to the Role (or correct the namespace): ${roleRule(group, resource, verbs)}`,
  );
}

/** One Role rule as a line of YAML. */
export function roleRule(group: string, resource: string, verbs: readonly string[]): string {
  return `- {apiGroups: ["${group}"], resources: ["${resource}"], verbs: ${JSON.stringify(verbs).replaceAll(',', ', ')}}`;
}

function describe(doing: Doing): string {
  const name = doing.name === undefined ? '' : ` "${doing.name}"`;
  const where = doing.namespace === undefined ? '' : ` in namespace "${doing.namespace}"`;
  return `${doing.verb} ${doing.resource}${name}${where}`;
}

/** The message of a Status body; the body itself in one line when it is not one. */
function serverMessage(error: unknown): string {
  const body: unknown =
    error instanceof RefusedUpgrade ? error.body : error instanceof ApiException ? error.body : undefined;
  if (typeof body !== 'string') return messageOf(body) ?? '';
  try {
    return messageOf(JSON.parse(body)) ?? oneLine(body);
  } catch {
    return oneLine(body);
  }
}

function messageOf(status: unknown): string | undefined {
  if (typeof status !== 'object' || status === null || !('message' in status)) return undefined;
  return typeof status.message === 'string' ? oneLine(status.message) : undefined;
}

/** Text of an Error, an ErrorEvent or anything else. */
export function errorMessage(error: unknown): string {
  if (
    typeof error === 'object' &&
    error !== null &&
    'message' in error &&
    typeof error.message === 'string'
  ) {
    return error.message;
  }
  return String(error);
}

/** White space collapsed, at most 300 characters. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
