/** The runner on this machine: furnishes and opens a sandbox, or a container of an engine. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../clock.ts';
import type { Emit } from '../../event.ts';
import type { Holder, Runner } from '../../host.ts';
import { parseReference } from '../../image.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { fail, ok } from '../../result.ts';
import { ReconnectingRunner } from '../reconnecting.ts';
import { openEngine } from './engine.ts';
import { buildExecutor } from './gobuild.ts';
import { hostFile, isStatic } from './hostfile.ts';
import { type Maker, type ProvisionOptions, type Tools, provision } from './provision.ts';
import { pruneCache } from './prune.ts';
import { type Wanted, pullFiles } from './pull.ts';
import { openSandbox } from './sandbox.ts';

export interface LocalRunnerOptions {
  readonly engine: 'sandbox' | 'docker' | 'podman';
  readonly engineArgs: readonly string[];
  readonly executor: string | undefined;
  readonly busybox: string | undefined;
  readonly certificates: string | undefined;
  readonly rootless: boolean | undefined;
}

/** Everything around the options. */
export interface LocalSurroundings {
  /** Image of the runner: where the tools are pulled from, and what an engine runs. */
  readonly image: string;
  /** Milliseconds after which cached layers are not used any more. */
  readonly cacheTtl: number;
  /** The project's `.kaniko-dev` directory. */
  readonly own: string;
  readonly images: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly system: { readonly platform: NodeJS.Platform; readonly root: boolean };
  readonly holder: Holder;
  readonly registry: RegistryClient;
  readonly emit: Emit;
}

/** Version of the Go module that is built when nothing else gives an executor. */
const moduleVersion = 'v1.24.0';
const upstreamImage = 'gcr.io/kaniko-project/executor';

export function localRunner(options: LocalRunnerOptions, around: LocalSurroundings): Runner {
  const { own, images, env, holder, system } = around;
  const state = join(own, 'local');
  const cache = join(own, 'cache');
  const home = env['HOME'] ?? '/root';
  const dockerConfig = join(env['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json');
  let tools: Tools | undefined;
  let pruned = false;
  return new ReconnectingRunner(
    'local',
    systemClock,
    async (signal) => {
      if (!pruned) await pruneCache(cache, around.cacheTtl, systemClock.now());
      pruned = true;
      if (options.engine !== 'sandbox') {
        const { engine, engineArgs } = options;
        return openEngine(systemClock, {
          engine,
          arguments: engineArgs,
          image: around.image,
          state,
          images,
          cache,
          dockerConfig,
          holder,
        });
      }
      if (tools === undefined) {
        const found = await provision(provisionOptions(options, around), signal);
        if (!found.ok) return found;
        tools = found.value;
      }
      const rootless = options.rootless ?? !system.root;
      return openSandbox(tools, systemClock, {
        state,
        images,
        cache,
        rootless,
        dockerConfig,
        platform: system.platform,
        holder,
      });
    },
    around.emit,
  );
}

export function provisionOptions(options: LocalRunnerOptions, around: LocalSurroundings): ProvisionOptions {
  const { env, image, emit, registry } = around;
  const home = env['HOME'] ?? '/root';
  const caches = join(env['XDG_CACHE_HOME'] ?? join(home, '.cache'), 'kaniko-dev');
  const waiting = (reason: string): void => emit({ type: 'runner-waiting', runner: 'local', reason });
  const pull = (names: (place: string) => Wanted): Maker => ({
    source: 'image',
    make: async (place, signal) => {
      const reference = parseReference(image);
      if (reference === undefined)
        return fail('config-invalid', `${image} is not an image`, 'Correct kaniko.image.');
      const { digest, tag = 'latest' } = reference;
      const pulled = await pullFiles(registry, reference, digest ?? tag, names(place), waiting, signal);
      return pulled.ok ? ok(place) : pulled;
    },
  });
  const goBuild: Maker = {
    source: 'go',
    make: async (place, signal) => {
      const module = fileURLToPath(new URL('../../../templates/executor', import.meta.url));
      waiting(`building the executor ${moduleVersion} from its Go module, once; this takes a minute or two`);
      return buildExecutor({ module, version: moduleVersion, env }, place, signal);
    },
  };
  const isUpstream = image.startsWith(`${upstreamImage}:${moduleVersion}`);
  return {
    configured: { executor: options.executor, busybox: options.busybox, certificates: options.certificates },
    cache: join(caches, 'tools', image.replaceAll(/[^\w.-]/g, '_')),
    alsoCached: {
      executor: isUpstream ? [join(caches, 'executor', moduleVersion, 'executor')] : [],
      busybox: [],
      certificates: [],
    },
    makers: {
      executor: [pull((place) => new Map([['kaniko/executor', place]])), goBuild],
      busybox: [
        pull((place) => new Map([['busybox/busybox', place]])),
        hostFile(['/bin/busybox', '/usr/bin/busybox'], isStatic),
      ],
      certificates: [
        pull((place) => new Map([['kaniko/ssl/certs/ca-certificates.crt', place]])),
        hostFile([
          '/etc/ssl/certs/ca-certificates.crt',
          '/etc/pki/tls/certs/ca-bundle.crt',
          '/etc/ssl/cert.pem',
        ]),
      ],
    },
    onFound: (tool, source, path) => emit({ type: 'tool-found', tool, source, path }),
  };
}
