/** The executor's arguments for one build. Pure; the executor takes them as an argv, never through a shell. */

export interface BuildOptions {
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Stage to build; the last one when undefined. */
  readonly stage: string | undefined;
  /** `linux/amd64`; the runner's own when undefined. */
  readonly platform: string | undefined;
  readonly snapshotMode: 'full' | 'redo' | 'time';
  readonly useNewRun: boolean;
  readonly reproducible: boolean;
  readonly cache: {
    readonly enabled: boolean;
    /** Repository of the cached layers, or `oci:` and a directory in the runner. */
    readonly repo: string;
    /** Milliseconds after which a cached layer is not used any more. */
    readonly ttl: number;
    readonly copyLayers: boolean;
  };
  /** `host[:port]` of registries that speak plain HTTP. */
  readonly insecureRegistries: readonly string[];
  /** Registry host → host of the registry to pull from in its place. */
  readonly mirrors: Readonly<Record<string, string>>;
  /** Further flags, as the user wrote them. */
  readonly flags: readonly string[];
}

/** Where the image goes. */
export type Output =
  | { readonly type: 'push'; readonly destination: string }
  /** An OCI layout under this name below /images, and an archive beside it; nothing is pushed. */
  | {
      readonly type: 'layout';
      readonly name: string;
      readonly archive: boolean;
      readonly destination: string;
    };

export interface Places {
  /** Absolute path of the context's mirror in the runner. */
  readonly context: string;
  readonly dockerfile: string;
  /** Registry host → path of its CA certificate in the runner. */
  readonly certificates: Readonly<Record<string, string>>;
}

export function executorArgv(
  options: BuildOptions,
  places: Places,
  output: Output,
  labels: Readonly<Record<string, string>>,
): string[] {
  const { cache } = options;
  return [
    `--context=dir://${places.context}`,
    `--dockerfile=${places.dockerfile}`,
    `--destination=${output.destination}`,
    ...(output.type === 'layout' ? ['--no-push', `--oci-layout-path=/images/${output.name}`] : []),
    ...(output.type === 'layout' && output.archive ? [`--tar-path=/images/${output.name}.tar`] : []),
    // Without it the files of this build become part of the next image.
    '--cleanup',
    ...(cache.enabled
      ? ['--cache=true', `--cache-repo=${cache.repo}`, `--cache-ttl=${Math.ceil(cache.ttl / 1000)}s`]
      : []),
    ...(cache.enabled && cache.copyLayers ? ['--cache-copy-layers=true'] : []),
    `--snapshot-mode=${options.snapshotMode}`,
    ...(options.useNewRun ? ['--use-new-run'] : []),
    ...(options.reproducible ? ['--reproducible'] : []),
    ...(options.stage === undefined ? [] : [`--target=${options.stage}`]),
    ...(options.platform === undefined ? [] : [`--custom-platform=${options.platform}`]),
    ...Object.entries(options.buildArgs).map(([name, value]) => `--build-arg=${name}=${value}`),
    ...Object.entries(labels).map(([name, value]) => `--label=${name}=${value}`),
    ...options.insecureRegistries.map((host) => `--insecure-registry=${host}`),
    ...Object.entries(places.certificates).map(([host, path]) => `--registry-certificate=${host}=${path}`),
    ...Object.entries(options.mirrors).map(([from, to]) => `--registry-map=${from}=${to}`),
    // In its place, not before it: where there is no way to the original, looking for it takes minutes.
    ...(Object.keys(options.mirrors).length > 0 ? ['--skip-default-registry-fallback'] : []),
    // A link that fails once must not cost a build; an image that is not there is asked for as often.
    '--image-download-retry=1',
    '--image-fs-extract-retry=3',
    '--push-retry=3',
    '--log-format=json',
    ...options.flags,
  ];
}
