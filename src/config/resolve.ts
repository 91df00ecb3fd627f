/** The configuration that the rest of the program sees: every default filled, every path absolute. */
import { resolve as absolute } from 'node:path';
import type { ValidConfig } from './schema.ts';

/** All durations are milliseconds. `undefined` stands where only the outside world knows the default. */
export interface ResolvedConfig {
  readonly cluster: ResolvedCluster;
  readonly runner: ResolvedRunner;
  readonly registry: ResolvedRegistry;
  readonly kaniko: ResolvedKaniko;
  /** `content`, `timestamp` or a template, as written. */
  readonly tag: string;
  readonly build: {
    readonly settle: number;
    readonly onChange: 'cancel' | 'queue';
    readonly timeout: number;
  };
  /** By name, in the order they were written. */
  readonly targets: Readonly<Record<string, ResolvedTarget>>;
}

export interface ResolvedCluster {
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
}

export type ResolvedRunner = ResolvedKubernetesRunner | ResolvedLocalRunner;

export interface ResolvedKubernetesRunner {
  readonly type: 'kubernetes';
  readonly deployment: string;
  readonly namespace: string | undefined;
  readonly container: string | undefined;
  readonly workspace: string;
  readonly timeout: number;
}

export interface ResolvedLocalRunner {
  readonly type: 'local';
  readonly executor: string | undefined;
  readonly busybox: string | undefined;
  readonly certificates: string | undefined;
  readonly push: boolean;
  readonly rootless: boolean | undefined;
  readonly engine: 'sandbox' | 'docker' | 'podman';
  readonly engineArgs: readonly string[];
  readonly timeout: number;
}

export interface ResolvedRegistry {
  readonly insecure: readonly string[];
  readonly certificates: Readonly<Record<string, string>>;
  readonly mirrors: Readonly<Record<string, string>>;
  readonly verifyTimeout: number;
}

export interface ResolvedKaniko {
  readonly image: string;
  /** The repository of the cache is a target's, see `ResolvedTarget.cacheRepo`. */
  readonly cache: { readonly enabled: boolean; readonly ttl: number; readonly copyLayers: boolean };
  readonly snapshotMode: 'redo' | 'full' | 'time';
  readonly useNewRun: boolean;
  readonly reproducible: boolean;
  readonly flags: readonly string[];
}

export interface ResolvedTarget {
  readonly name: string;
  readonly context: string;
  readonly dockerfile: string;
  readonly image: string;
  readonly cacheRepo: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly stage: string | undefined;
  readonly platform: string | undefined;
  readonly watch: { readonly ignore: readonly string[]; readonly polling: boolean };
  readonly deploy: ResolvedDeploy | undefined;
}

export interface ResolvedDeploy {
  readonly kind: 'Deployment';
  readonly name: string;
  readonly namespace: string | undefined;
  readonly by: 'digest' | 'tag';
  readonly timeout: number;
}

/** `root` is the directory of the configuration file. */
export function resolveConfig(config: ValidConfig, root: string): ResolvedConfig {
  const { cluster, registry, kaniko } = config;
  const { repo: _, ...cache } = kaniko.cache;
  return {
    cluster: {
      context: cluster.context,
      kubeconfig: optionalPath(root, cluster.kubeconfig),
      namespace: cluster.namespace,
    },
    runner: resolveRunner(config, root),
    registry: {
      ...registry,
      certificates: mapValues(registry.certificates, (path) => absolute(root, path)),
    },
    kaniko: { ...kaniko, cache },
    tag: config.tag,
    build: config.build,
    targets: mapValues(config.targets, (target, name) =>
      resolveTarget(target, name, cacheRepoOf(config, target.image), cluster, root),
    ),
  };
}

function resolveRunner({ runner, cluster }: ValidConfig, root: string): ResolvedRunner {
  if (runner.type === 'local') {
    return {
      ...runner,
      executor: optionalPath(root, runner.executor),
      busybox: optionalPath(root, runner.busybox),
      certificates: optionalPath(root, runner.certificates),
      rootless: runner.rootless,
    };
  }
  return {
    ...runner,
    type: 'kubernetes',
    namespace: runner.namespace ?? cluster.namespace,
    container: runner.container,
  };
}

/** What pushes nothing keeps its layers in the runner's own cache, too. */
function cacheRepoOf({ kaniko, runner }: ValidConfig, image: string): string {
  const keepsAll = runner.type === 'local' && !runner.push;
  return kaniko.cache.repo ?? (keepsAll ? 'oci:/cache/layers' : `${image}/cache`);
}

function resolveTarget(
  target: ValidConfig['targets'][string],
  name: string,
  cacheRepo: string,
  cluster: ValidConfig['cluster'],
  root: string,
): ResolvedTarget {
  const { image, buildArgs, stage, platform, watch, deploy } = target;
  const context = absolute(root, target.context);
  return {
    name,
    context,
    dockerfile: absolute(context, target.dockerfile),
    image,
    cacheRepo,
    buildArgs,
    stage,
    platform,
    watch,
    deploy: deploy === false ? undefined : { ...deploy, namespace: deploy.namespace ?? cluster.namespace },
  };
}

function optionalPath(root: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : absolute(root, path);
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  map: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
