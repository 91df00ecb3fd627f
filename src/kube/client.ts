/** The connection to one cluster: credentials, API clients and the one way to make a REST call. */
import {
  AppsV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  createConfiguration,
  Observable,
  ServerConfiguration,
  type ConfigurationOptions,
  type KubeConfig,
  type RequestContext,
} from '@kubernetes/client-node';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail, ok, type Result } from '../result.ts';
import { loadConfig, type KubeOptions } from './config.ts';
import { CredentialError, errorMessage, httpStatus, isTransient, kubeFailure, type Doing } from './errors.ts';

export type { KubeOptions } from './config.ts';

export interface KubeApis {
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly authorization: AuthorizationV1Api;
}

export interface Kube {
  /** The current credentials; replaced by `reload`. */
  readonly kc: KubeConfig;
  readonly server: string;
  /** Explicit, else the context's, else the service account's, else `default`. */
  readonly namespace: string;
  /** `context dev (https://…), namespace moltbook` */
  readonly describe: string;
  /** Reads the kubeconfig again: logins and rotated certificates are picked up. */
  reload(): Result<void>;
  /**
   * One REST call. Ends after 15 s, repeats what is transient (429, 5xx, cut connections) up to two times within
   * about 1 s, and reads the kubeconfig again once on 401. Only for calls that may be repeated.
   * Fails with `interrupted` when the signal aborts, otherwise as errors.ts says.
   */
  call<T>(
    doing: Doing,
    run: (apis: KubeApis, options: ConfigurationOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<Result<T>>;
}

/** Milliseconds for one REST request with its answer. */
const requestTimeout = 15_000;
/** Milliseconds that one TLS connection pool is kept: bounds how long a rotated client certificate stays in use. */
const dispatcherLife = 60_000;
const retryDelays = [200, 600];

/** Fails with `kubeconfig-missing` or `kubeconfig-invalid`; does not talk to the cluster. */
export function loadKube(options: KubeOptions): Result<Kube> {
  const first = loadConfig(options);
  if (!first.ok) return first;
  let { kc } = first.value;
  let apis = makeApis(kc);
  const { server, namespace, describe } = first.value;

  function reload(): Result<void> {
    const again = loadConfig(options);
    if (!again.ok) return again;
    kc = again.value.kc;
    apis = makeApis(kc);
    return ok(undefined);
  }

  async function call<T>(
    doing: Doing,
    run: (apis: KubeApis, options: ConfigurationOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<Result<T>> {
    let reloaded = false;
    for (let attempt = 0; ; attempt += 1) {
      if (isAborted(signal)) return interrupted(doing);
      try {
        return ok(await run(apis, deadlineOptions(signal)));
      } catch (error) {
        if (isAborted(signal)) return interrupted(doing);
        if (httpStatus(error) === 401 && !reloaded) {
          reloaded = true;
          if (reload().ok) continue;
        }
        const delay = retryDelays[attempt];
        if (delay === undefined || !isTransient(error))
          return { ok: false, failure: kubeFailure(error, doing, server) };
        await sleep(delay, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      }
    }
  }

  return ok({
    get kc() {
      return kc;
    },
    server,
    namespace,
    describe,
    reload,
    call,
  });
}

/** A call, so that the compiler does not conclude that a signal cannot abort during an await. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted ?? false;
}

function interrupted(doing: Doing): Result<never> {
  return fail(
    'interrupted',
    `stopped before the answer to: ${doing.verb} ${doing.resource}`,
    'nothing to do',
  );
}

function makeApis(kc: KubeConfig): KubeApis {
  const cluster = kc.getCurrentCluster();
  if (cluster === null) throw new Error('loadConfig let a kubeconfig without a cluster through');
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(cluster.server, {}),
    authMethods: { default: sharedConnections(kc) },
  });
  return {
    core: new CoreV1Api(configuration),
    apps: new AppsV1Api(configuration),
    authorization: new AuthorizationV1Api(configuration),
  };
}

/**
 * The client makes a new connection pool for every request. Here the first pool is used again for a minute: most
 * requests then find an open TLS connection. Making a pool opens nothing, so the unused ones cost nothing.
 */
function sharedConnections(kc: KubeConfig): {
  getName(): string;
  applySecurityAuthentication(context: RequestContext): Promise<void>;
} {
  let shared: ReturnType<RequestContext['getDispatcher']>;
  let made = 0;
  return {
    getName: () => 'kubeconfig',
    async applySecurityAuthentication(context) {
      try {
        await kc.applySecurityAuthentication(context);
      } catch (error) {
        // A missing certificate file or a failing credential plugin: nothing was sent yet.
        throw new CredentialError(errorMessage(error), { cause: error });
      }
      const now = performance.now();
      if (shared === undefined || now - made > dispatcherLife) {
        // close() lets running requests finish; idle connections end at once.
        void shared?.close();
        shared = context.getDispatcher();
        made = now;
      } else {
        context.setDispatcher(shared);
      }
    },
  };
}

function deadlineOptions(signal: AbortSignal | undefined): ConfigurationOptions {
  const timeout = AbortSignal.timeout(requestTimeout);
  const combined = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  return {
    middleware: [
      {
        pre(context) {
          context.setSignal(combined);
          return new Observable(Promise.resolve(context));
        },
        post: (response) => new Observable(Promise.resolve(response)),
      },
    ],
    middlewareMergeStrategy: 'append',
  };
}
