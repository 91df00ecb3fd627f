/**
 * What a user writes. The comments are shown by editors and equal the descriptions in schema.ts; see there.
 * Optional keys take `undefined` as well, so that a value from the environment can be passed on as it is.
 */

/** Milliseconds as a whole number, or text with a unit: `100ms`, `2s`, `5m`, `336h`. */
export type Duration = number | string;

/** Where images are built. */
export type RunnerConfig = KubernetesRunnerConfig | LocalRunnerConfig;

/** The configuration of a project. */
export interface KanikoDevConfig {
  /** Address of the JSON Schema, for editors of JSON and YAML files. */
  $schema?: string | undefined;
  /** The Kubernetes cluster. */
  cluster?: ClusterConfig | undefined;
  /** Where images are built. */
  runner?: RunnerConfig | undefined;
  /** How registries are reached. */
  registry?: RegistryConfig | undefined;
  /** The executor that builds. */
  kaniko?: KanikoConfig | undefined;
  /**
   * Tag of every image: `content` (`dev-{hash}`), `timestamp` (`dev-{time}`), or a template with
   * `{hash}` or `{time}`, and `{target}`.
   */
  tag?: string | undefined;
  /** When builds start and end. */
  build?: BuildConfig | undefined;
  /** The images to build, by name. A name has at most 63 lower-case letters, digits and inner `-`. */
  targets: Record<string, TargetConfig>;
}

/** The Kubernetes cluster. */
export interface ClusterConfig {
  /** Context of the kubeconfig. Default: its current context, or the pod's own account inside a cluster. */
  context?: string | undefined;
  /** Kubeconfig file. Default: what `KUBECONFIG` names, or `~/.kube/config`. */
  kubeconfig?: string | undefined;
  /** Namespace of everything that does not name its own. Default: the namespace of the context. */
  namespace?: string | undefined;
}

/** A runner in the cluster. */
export interface KubernetesRunnerConfig {
  /** A pod of a Deployment in the cluster. This is the default. */
  type?: 'kubernetes' | undefined;
  /** Name of the Deployment whose pod builds. */
  deployment?: string | undefined;
  /** Namespace of the Deployment. Default: `cluster.namespace`. */
  namespace?: string | undefined;
  /** Container of the pod that holds the executor. Default: the only one, or the one with a kaniko image. */
  container?: string | undefined;
  /** Directory in the runner that holds the mirrors of the contexts. It must outlive a build: a volume. */
  workspace?: string | undefined;
  /** How long `once` waits for a ready runner. */
  timeout?: Duration | undefined;
}

/** A runner on this machine. */
export interface LocalRunnerConfig {
  /** A sandbox on this machine: no cluster is needed to build. */
  type: 'local';
  /** The kaniko executor's binary. Default: from the cache, from `kaniko.image`, or built with Go. */
  executor?: string | undefined;
  /** A static busybox. Default: from the cache, from `kaniko.image`, or from this machine. */
  busybox?: string | undefined;
  /** PEM file with the certificate authorities that the executor trusts. Default: as for `busybox`. */
  certificates?: string | undefined;
  /** Whether images are pushed and rolled. Default: kept as OCI layouts in `.kaniko-dev/images`. */
  push?: boolean | undefined;
  /** Whether to build in a user namespace. Default: only when this process is not root. */
  rootless?: boolean | undefined;
  /** What isolates the executor: namespaces of Linux, or a container engine that runs `kaniko.image`. */
  engine?: 'sandbox' | 'docker' | 'podman' | undefined;
  /** Further arguments for the `run` command of docker or podman. */
  engineArgs?: string[] | undefined;
  /** How long `once` waits for a ready runner. */
  timeout?: Duration | undefined;
}

/** How registries are reached. */
export interface RegistryConfig {
  /** Registries, as `host` or `host:port`, that are reached over plain HTTP. */
  insecure?: string[] | undefined;
  /** Registry to PEM file with the certificate authority to trust for it. */
  certificates?: Record<string, string> | undefined;
  /** Registry to the registry, or path in one, that base images are pulled from in its place. */
  mirrors?: Record<string, string> | undefined;
  /** How long a pushed image may take to be visible in its registry. */
  verifyTimeout?: Duration | undefined;
}

/** The executor that builds. */
export interface KanikoConfig {
  /**
   * Image of the runner, in rendered resource files and for the local engines. It needs a shell:
   * `-debug`.
   */
  image?: string | undefined;
  /** The cache of layers. */
  cache?: CacheConfig | undefined;
  /** How changed files are found after a command: `redo` by size, owner and time, `full` by content. */
  snapshotMode?: 'redo' | 'full' | 'time' | undefined;
  /** Whether `RUN` finds its changes by comparing times instead of a snapshot before it. */
  useNewRun?: boolean | undefined;
  /** Whether times are stripped, so that equal content gives an equal digest. It costs memory and time. */
  reproducible?: boolean | undefined;
  /** Further flags for the executor, each in one piece: `--label=team=web`. */
  flags?: string[] | undefined;
}

/** The cache of layers. */
export interface CacheConfig {
  /** Whether layers of earlier builds are used again. */
  enabled?: boolean | undefined;
  /** Repository for cached layers, or `oci:` and a directory in the runner. Default: `<image>/cache`. */
  repo?: string | undefined;
  /** Age after which a cached layer is not used any more. */
  ttl?: Duration | undefined;
  /** Whether layers of `COPY` are cached too. It seldom pays off for sources that change all the time. */
  copyLayers?: boolean | undefined;
}

/** When builds start and end. */
export interface BuildConfig {
  /** How long a context must be at rest before it is read. */
  settle?: Duration | undefined;
  /** What a change does to a running build of the same target: `cancel` it, or `queue` behind it. */
  onChange?: 'cancel' | 'queue' | undefined;
  /** How long a build may take. */
  timeout?: Duration | undefined;
}

/** One image, built from one directory. */
export interface TargetConfig {
  /** Directory with the sources: the context of the build. */
  context: string;
  /** Dockerfile, relative to the context. It may lie outside of it. */
  dockerfile?: string | undefined;
  /** Repository that the image is pushed to. */
  image: string;
  /** Values for `ARG`. They end up in the image and in logs: no place for secrets. */
  buildArgs?: Record<string, string> | undefined;
  /** Stage to build. Default: the last one. */
  stage?: string | undefined;
  /** Platform to build for. Default: that of the runner. */
  platform?: string | undefined;
  /** How changes of the context are noticed. */
  watch?: WatchConfig | undefined;
  /** Workload that runs the image and is rolled after each build; `false` when there is none. */
  deploy?: false | DeployConfig | undefined;
}

/** How changes of the context are noticed. */
export interface WatchConfig {
  /**
   * Patterns, as in `.dockerignore`, of files whose changes start nothing. The next build still sees
   * them.
   */
  ignore?: string[] | undefined;
  /** Whether to look for changes at intervals, where the file system does not report them. */
  polling?: boolean | undefined;
}

/** The workload that runs the image. */
export interface DeployConfig {
  /** Kind of the workload. */
  kind: 'Deployment';
  /** Name of the workload. */
  name: string;
  /** Namespace of the workload. Default: `cluster.namespace`. */
  namespace?: string | undefined;
  /** Whether the workload names the image by tag and digest, or by tag alone. */
  by?: 'digest' | 'tag' | undefined;
  /** How long the new pods may take to be ready. */
  timeout?: Duration | undefined;
}

/** What a configuration file exports by default. */
export type ConfigExport = KanikoDevConfig | (() => KanikoDevConfig | Promise<KanikoDevConfig>);

/** Returns its argument: only there for completion and checks in an editor. */
export function defineConfig(config: KanikoDevConfig): KanikoDevConfig;
export function defineConfig(
  config: () => KanikoDevConfig | Promise<KanikoDevConfig>,
): () => KanikoDevConfig | Promise<KanikoDevConfig>;
export function defineConfig(config: ConfigExport): ConfigExport {
  return config;
}
