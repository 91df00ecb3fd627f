/** Builds the real host from a configuration. The only place where adapters are made. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from './clock.ts';
import type { HostRequest, PreparedHost } from './commands/session.ts';
import type { ResolvedKubernetesRunner } from './config/resolve.ts';
import { createFiles } from './files/scan.ts';
import { createWatcher } from './files/watch.ts';
import type { Runner } from './host.ts';
import { type Kube, loadKube } from './kube/client.ts';
import { kubeCluster } from './kube/rollout.ts';
import { type RegistryOptions, makeRegistry } from './registry/client.ts';
import { type CredentialsProvider, dockerCredentials, firstCredentials } from './registry/credentials.ts';
import { runHelper } from './registry/helper.ts';
import { createLayouts } from './registry/layout.ts';
import { type Result, ok, unreachable } from './result.ts';
import { openKubernetes } from './runner/kubernetes.ts';
import { localRunner } from './runner/local/local.ts';
import { ReconnectingRunner } from './runner/reconnecting.ts';

export function createHost(request: HostRequest): Result<PreparedHost> {
  const { config, env } = request;
  const isLocal = config.runner.type === 'local';
  const pushes = config.runner.type !== 'local' || config.runner.push;
  const kube = !isLocal || (pushes && request.deploys) ? loadKube({ ...config.cluster, env }) : undefined;
  if (kube?.ok === false) return kube;
  const images = join(request.root, '.kaniko-dev/images');
  // A second client without the runner's credentials: it may be needed before there is a runner.
  const pulling = makeRegistry({ ...registryOptions(request), credentials: localCredentials(env) });
  const runner =
    config.runner.type === 'local'
      ? localRunner(config.runner, {
          image: config.kaniko.image,
          cacheTtl: config.kaniko.cache.ttl,
          own: join(request.root, '.kaniko-dev'),
          images,
          env,
          system: request.system,
          holder: request.holder,
          registry: pulling,
          emit: request.emit,
        })
      : kube === undefined
        ? unreachable(config.runner as never)
        : kubernetesRunner(request, kube.value, config.runner);
  return ok({
    host: {
      clock: systemClock,
      files: createFiles(),
      watcher: createWatcher(),
      runner,
      registry: makeRegistry({
        ...registryOptions(request),
        credentials: firstCredentials([localCredentials(env), runnerCredentials(runner)]),
      }),
      layouts: createLayouts(images),
      cluster: kube === undefined ? undefined : kubeCluster(kube.value),
    },
    facts: {
      namespace: kube?.value.namespace ?? 'default',
      workspace: config.runner.type === 'local' ? '/workspace' : config.runner.workspace,
      output: pushes ? { type: 'push' } : { type: 'layout', archive: request.archive },
    },
  });
}

function registryOptions({ config, certificates }: HostRequest): RegistryOptions {
  return { insecure: config.registry.insecure, certificates };
}

function kubernetesRunner(request: HostRequest, kube: Kube, options: ResolvedKubernetesRunner): Runner {
  const namespace = options.namespace ?? kube.namespace;
  const name = `deployment/${options.deployment} in ${namespace}`;
  return new ReconnectingRunner(
    name,
    systemClock,
    (signal) =>
      openKubernetes(
        kube,
        systemClock,
        {
          namespace,
          deployment: options.deployment,
          container: options.container,
          workspace: options.workspace,
          timeout: options.timeout,
          holder: request.holder,
          onWaiting: (reason) => request.emit({ type: 'runner-waiting', runner: name, reason }),
        },
        signal,
      ),
    request.emit,
  );
}

/** What `docker login` left on this machine. A file that is not there or not valid gives nothing. */
function localCredentials(env: HostRequest['env']): CredentialsProvider {
  const file = join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? homedir(), '.docker'), 'config.json');
  return lazyCredentials(async () => {
    try {
      return { text: readFileSync(file, 'utf8'), source: file };
    } catch {
      return undefined;
    }
  });
}

/** Whoever pushes can also be asked: most devpods have no credentials of their own. */
function runnerCredentials(runner: Runner): CredentialsProvider {
  return lazyCredentials(async () => {
    const connection = await runner.connect(AbortSignal.timeout(10_000));
    const config = connection.ok ? await connection.value.dockerConfig() : connection;
    return config.ok && config.value !== undefined
      ? { text: config.value, source: '/kaniko/.docker/config.json in the runner' }
      : undefined;
  });
}

function lazyCredentials(
  read: () => Promise<{ text: string; source: string } | undefined>,
): CredentialsProvider {
  let provider: Promise<CredentialsProvider | undefined> | undefined;
  return async (host) => {
    provider ??= read().then((config) => {
      const parsed =
        config === undefined ? undefined : dockerCredentials(config.text, config.source, runHelper);
      return parsed?.ok === true ? parsed.value : undefined;
    });
    return (await provider)?.(host);
  };
}
