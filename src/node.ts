/** Builds the real host from a configuration. Only here and in `hosts/` are adapters made. */
import { join } from 'node:path';
import { systemClock } from './clock.ts';
import type { HostRequest, PreparedHost } from './commands/session.ts';
import type { ResolvedLocalRunner } from './config/resolve.ts';
import { createFiles } from './files/scan.ts';
import { createWatcher } from './files/watch.ts';
import type { ClusterParts } from './hosts/cluster.ts';
import { dockerConfigFile, machineCredentials, runnerCredentials } from './hosts/credentials.ts';
import type { Cluster, Host, Runner } from './host.ts';
import { type RegistryOptions, makeRegistry } from './registry/client.ts';
import { firstCredentials } from './registry/credentials.ts';
import { createLayouts } from './registry/layout.ts';
import { type Result, ok } from './result.ts';
import { localRunner } from './runner/local/local.ts';

export async function createHost(request: HostRequest): Promise<Result<PreparedHost>> {
  const { runner } = request.config;
  if (runner.type === 'kubernetes') {
    const parts = await loadCluster(request);
    if (!parts.ok) return parts;
    const { namespace, cluster } = parts.value;
    return ok({
      host: assemble(request, parts.value.runner(runner), cluster),
      facts: { namespace, workspace: runner.workspace, output: { type: 'push' } },
    });
  }
  const parts = runner.push && request.deploys ? await loadCluster(request) : undefined;
  if (parts?.ok === false) return parts;
  return ok({
    host: assemble(request, makeLocalRunner(request, runner), parts?.value.cluster),
    facts: {
      namespace: parts?.value.namespace ?? 'default',
      workspace: '/workspace',
      output: runner.push ? { type: 'push' } : { type: 'layout', archive: request.archive },
    },
  });
}

async function loadCluster(request: HostRequest): Promise<Result<ClusterParts>> {
  const { clusterParts } = await import('./hosts/cluster.ts');
  return clusterParts(request);
}

function assemble(request: HostRequest, runner: Runner, cluster: Cluster | undefined): Host {
  const machine = machineCredentials(dockerConfigFile(request.env));
  return {
    clock: systemClock,
    files: createFiles({ indexDirectory: join(request.root, '.kaniko-dev/index') }),
    watcher: createWatcher({ onNotice: (message) => request.emit({ type: 'notice', message }) }),
    runner,
    registry: makeRegistry({
      ...registryOptions(request),
      credentials: firstCredentials([machine, runnerCredentials(runner)]),
    }),
    layouts: createLayouts(imagesOf(request)),
    cluster,
  };
}

function makeLocalRunner(request: HostRequest, options: ResolvedLocalRunner): Runner {
  const { config, root, env, system, holder, emit } = request;
  const dockerConfig = dockerConfigFile(env);
  return localRunner(options, {
    image: config.kaniko.image,
    cacheTtl: config.kaniko.cache.ttl,
    own: join(root, '.kaniko-dev'),
    images: imagesOf(request),
    env,
    system,
    holder,
    // It may be needed before there is a runner to ask for credentials.
    registry: makeRegistry({ ...registryOptions(request), credentials: machineCredentials(dockerConfig) }),
    emit,
  });
}

function registryOptions({ config, certificates, system }: HostRequest): RegistryOptions {
  const architecture = system.architecture === 'x64' ? 'amd64' : system.architecture;
  return { insecure: config.registry.insecure, certificates, architecture };
}

function imagesOf({ root }: HostRequest): string {
  return join(root, '.kaniko-dev/images');
}
