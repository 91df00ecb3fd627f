/** The runner on this machine: furnishes and opens a sandbox, or a container of an engine. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../clock.ts';
import type { Emit, Tool } from '../../event.ts';
import type { Holder, Runner } from '../../host.ts';
import { parseReference } from '../../image.ts';
import type { RegistryClient } from '../../registry/client.ts';
import { type Result, fail, ok } from '../../result.ts';
import { ReconnectingRunner } from '../reconnecting.ts';
import { openEngine } from './engine.ts';
import { buildExecutor } from './gobuild.ts';
import { hostFile, isStatic } from './hostfile.ts';
import { type Maker, type ProvisionOptions, type Tools, placeOf, provision } from './provision.ts';
import { pruneCache } from './prune.ts';
import { pullFiles } from './pull.ts';
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

const tools: readonly Tool[] = ['executor', 'busybox', 'certificates'];

/** Where the kaniko image has them. */
const imageNames: Readonly<Record<Tool, string>> = {
  executor: 'kaniko/executor',
  busybox: 'busybox/busybox',
  certificates: 'kaniko/ssl/certs/ca-certificates.crt',
};

/** Version of the Go module that is built when nothing else gives an executor. */
const moduleVersion = 'v1.24.0';
const upstreamImage = 'gcr.io/kaniko-project/executor';

export function localRunner(options: LocalRunnerOptions, around: LocalSurroundings): Runner {
  const { own, images, env, holder, system } = around;
  const state = join(own, 'local');
  const cache = join(own, 'cache');
  const home = env['HOME'] ?? '/root';
  const dockerConfig = join(env['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json');
  let furnished: Tools | undefined;
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
      if (furnished === undefined) {
        const found = await provision(provisionOptions(options, around), signal);
        if (!found.ok) return found;
        furnished = found.value;
      }
      const rootless = options.rootless ?? !system.root;
      return openSandbox(furnished, systemClock, {
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
  const cache = join(caches, 'tools', image.replaceAll(/[^\w.-]/g, '_'));
  const pullAll = async (signal: AbortSignal): Promise<Result<ReadonlySet<string>>> => {
    const reference = parseReference(image);
    if (reference === undefined)
      return fail('config-invalid', `${image} is not an image`, 'Correct kaniko.image.');
    const { digest, tag = 'latest' } = reference;
    const wanted = tools.map((tool) => [imageNames[tool], placeOf(cache, tool)] as const);
    return pullFiles(registry, reference, digest ?? tag, new Map(wanted), waiting, signal);
  };
  // The layers are read once, whichever tools are missing.
  let pulled: Promise<Result<ReadonlySet<string>>> | undefined;
  const pull = (tool: Tool): Maker => ({
    source: 'image',
    writes: true,
    make: async (place, signal) => {
      pulled ??= pullAll(signal);
      const found = await pulled;
      if (!found.ok) return found;
      if (found.value.has(imageNames[tool])) return ok(place);
      return fail(
        'registry-protocol',
        `${image} holds no file /${imageNames[tool]}`,
        'Use a kaniko debug image.',
      );
    },
  });
  const goBuild: Maker = {
    source: 'go',
    writes: true,
    make: async (place, signal) => {
      const module = fileURLToPath(new URL('../../../templates/executor', import.meta.url));
      waiting(`building the executor ${moduleVersion} from its Go module, once; this takes a minute or two`);
      return buildExecutor({ module, version: moduleVersion, env }, place, signal);
    },
  };
  const isUpstream = image.startsWith(`${upstreamImage}:${moduleVersion}`);
  return {
    configured: { executor: options.executor, busybox: options.busybox, certificates: options.certificates },
    cache,
    alsoCached: {
      executor: isUpstream ? [join(caches, 'executor', moduleVersion, 'executor')] : [],
      busybox: [],
      certificates: [],
    },
    makers: {
      executor: [pull('executor'), goBuild],
      busybox: [pull('busybox'), hostFile(['/bin/busybox', '/usr/bin/busybox'], isStatic)],
      certificates: [
        pull('certificates'),
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
