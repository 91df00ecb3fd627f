/** Flags of the executor that a user may not set, each with what to use in its place. */

const byTheBuild = 'every build sets it itself';

const owned: Readonly<Record<string, string>> = {
  context: 'use targets.<name>.context',
  'context-sub-path': 'use targets.<name>.context',
  bucket: 'use targets.<name>.context',
  git: 'use targets.<name>.context',
  dockerfile: 'use targets.<name>.dockerfile',
  destination: 'use targets.<name>.image and tag',
  target: 'use targets.<name>.stage',
  'build-arg': 'use targets.<name>.buildArgs',
  'custom-platform': 'use targets.<name>.platform',
  customPlatform: 'use targets.<name>.platform',
  'snapshot-mode': 'use kaniko.snapshotMode',
  snapshotMode: 'use kaniko.snapshotMode',
  'use-new-run': 'use kaniko.useNewRun',
  reproducible: 'use kaniko.reproducible',
  cache: 'use kaniko.cache.enabled',
  'cache-repo': 'use kaniko.cache.repo',
  'cache-ttl': 'use kaniko.cache.ttl',
  'cache-copy-layers': 'use kaniko.cache.copyLayers',
  insecure: 'use registry.insecure',
  'insecure-pull': 'use registry.insecure',
  'insecure-registry': 'use registry.insecure',
  'registry-certificate': 'use registry.certificates',
  'registry-map': 'use registry.mirrors',
  'registry-mirror': 'use registry.mirrors',
  'kaniko-dir': 'the runner decides it',
  cleanup: byTheBuild,
  'no-push': byTheBuild,
  'oci-layout-path': byTheBuild,
  'tar-path': byTheBuild,
  tarPath: byTheBuild,
  'digest-file': byTheBuild,
  'image-name-with-digest-file': byTheBuild,
  'image-name-tag-with-digest-file': byTheBuild,
  'log-format': byTheBuild,
  verbosity: byTheBuild,
};

/** What is wrong with a user's flag, undefined when nothing is. */
export function flagProblem(flag: string): string | undefined {
  const name = /^--([A-Za-z][A-Za-z0-9-]*)(?:=|$)/.exec(flag)?.[1];
  if (name === undefined) {
    return `expected one whole flag such as "--label=team=web", got ${JSON.stringify(flag)}`;
  }
  return Object.hasOwn(owned, name)
    ? `--${name} cannot be set here: ${owned[name] ?? byTheBuild}`
    : undefined;
}
