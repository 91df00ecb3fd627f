/**
 * The configuration: one source for validation, the JSON Schema and the reference page. The interfaces that a user
 * sees in an editor are in config.ts; the compiler holds them equal to this schema, and a test holds their comments
 * equal to the descriptions here.
 */
import { z } from 'zod';
import type { KanikoDevConfig } from './config.ts';
import { dictionary, expected, flag, isPlainObject, list, object, oneOf, text } from './expect.ts';
import * as values from './values.ts';

export const clusterSchema = object('an object with context, kubeconfig or namespace', {
  context: text('the name of a kubeconfig context')
    .optional()
    .describe(
      "Context of the kubeconfig. Default: its current context, or the pod's own account inside a cluster.",
    ),
  kubeconfig: values.path
    .optional()
    .describe('Kubeconfig file. Default: what `KUBECONFIG` names, or `~/.kube/config`.'),
  namespace: values.namespace
    .optional()
    .describe('Namespace of everything that does not name its own. Default: the namespace of the context.'),
});

const runnerTimeout = values.timeout.prefault('60s').describe('How long `once` waits for a ready runner.');

export const kubernetesRunnerSchema = object('an object', {
  type: z
    .literal('kubernetes')
    .optional()
    .describe('A pod of a Deployment in the cluster. This is the default.'),
  deployment: values.kubernetesName
    .default('kaniko-build-runner')
    .describe('Name of the Deployment whose pod builds.'),
  namespace: values.namespace
    .optional()
    .describe('Namespace of the Deployment. Default: `cluster.namespace`.'),
  container: values.namespace
    .optional()
    .describe(
      'Container of the pod that holds the executor. Default: the only one, or the one with a kaniko image.',
    ),
  workspace: values.workspace
    .default('/workspace')
    .describe(
      'Directory in the runner that holds the mirrors of the contexts. It must outlive a build: a volume.',
    ),
  timeout: runnerTimeout,
});

export const localRunnerSchema = object('an object', {
  type: z.literal('local').describe('A sandbox on this machine: no cluster is needed to build.'),
  executor: values.path
    .optional()
    .describe(
      "The kaniko executor's binary. Default: from the cache, from `kaniko.image`, or built with Go.",
    ),
  busybox: values.path
    .optional()
    .describe('A static busybox. Default: from the cache, from `kaniko.image`, or from this machine.'),
  certificates: values.path
    .optional()
    .describe(
      'PEM file with the certificate authorities that the executor trusts. Default: as for `busybox`.',
    ),
  push: flag()
    .default(false)
    .describe('Whether images are pushed and rolled. Default: kept as OCI layouts in `.kaniko-dev/images`.'),
  rootless: flag()
    .optional()
    .describe('Whether to build in a user namespace. Default: only when this process is not root.'),
  engine: oneOf('sandbox', 'docker', 'podman')
    .default('sandbox')
    .describe(
      'What isolates the executor: namespaces of Linux, or a container engine that runs `kaniko.image`.',
    ),
  engineArgs: list('a list of arguments', z.string({ error: expected('an argument as text') }))
    .default([])
    .describe('Further arguments for the `run` command of docker or podman.'),
  timeout: runnerTimeout,
}).refine(({ engine, engineArgs }) => engine !== 'sandbox' || engineArgs.length === 0, {
  path: ['engineArgs'],
  error: 'only the engines "docker" and "podman" take arguments',
});

export const registrySchema = object('an object with insecure, certificates, mirrors or verifyTimeout', {
  insecure: list('a list of registries', values.registryHostText)
    .default([])
    .describe('Registries, as `host` or `host:port`, that are reached over plain HTTP.'),
  certificates: dictionary('an object from registry to PEM file', values.registryHost, values.path)
    .default({})
    .describe('Registry to PEM file with the certificate authority to trust for it.'),
  mirrors: dictionary('an object from registry to mirror', values.registryHost, values.mirrorText)
    .default({})
    .describe('Registry to the registry, or path in one, that base images are pulled from in its place.'),
  verifyTimeout: values.timeout
    .prefault('30s')
    .describe('How long a pushed image may take to be visible in its registry.'),
});

export const cacheSchema = object('an object with enabled, repo, ttl or copyLayers', {
  enabled: flag().default(true).describe('Whether layers of earlier builds are used again.'),
  repo: values.cacheRepository
    .optional()
    .describe(
      'Repository for cached layers, or `oci:` and a directory in the runner. Default: `<image>/cache`.',
    ),
  ttl: values.age.prefault('336h').describe('Age after which a cached layer is not used any more.'),
  copyLayers: flag()
    .default(false)
    .describe(
      'Whether layers of `COPY` are cached too. It seldom pays off for sources that change all the time.',
    ),
});

export const kanikoSchema = object('an object with options of the executor', {
  image: values.imageReference
    .default('gcr.io/kaniko-project/executor:v1.24.0-debug')
    .describe(
      'Image of the runner, in rendered resource files and for the local engines. It needs a shell: `-debug`.',
    ),
  cache: cacheSchema.prefault({}).describe('The cache of layers.'),
  snapshotMode: oneOf('redo', 'full', 'time')
    .default('redo')
    .describe(
      'How changed files are found after a command: `redo` by size, owner and time, `full` by content.',
    ),
  useNewRun: flag()
    .default(true)
    .describe('Whether `RUN` finds its changes by comparing times instead of a snapshot before it.'),
  reproducible: flag()
    .default(false)
    .describe(
      'Whether times are stripped, so that equal content gives an equal digest. It costs memory and time.',
    ),
  flags: list('a list of flags', values.executorFlag)
    .default([])
    .describe('Further flags for the executor, each in one piece: `--label=team=web`.'),
});

export const buildSchema = object('an object with settle, onChange or timeout', {
  settle: values.pause.prefault('100ms').describe('How long a context must be at rest before it is read.'),
  onChange: oneOf('cancel', 'queue')
    .default('cancel')
    .describe('What a change does to a running build of the same target: `cancel` it, or `queue` behind it.'),
  timeout: values.timeout.prefault('30m').describe('How long a build may take.'),
});

export const watchSchema = object('an object with ignore or polling', {
  ignore: list('a list of patterns', text('a pattern'))
    .default([])
    .describe(
      'Patterns, as in `.dockerignore`, of files whose changes start nothing. The next build still sees them.',
    ),
  polling: flag()
    .default(false)
    .describe('Whether to look for changes at intervals, where the file system does not report them.'),
});

export const deploySchema = object('an object', {
  kind: z.literal('Deployment', { error: expected('"Deployment"') }).describe('Kind of the workload.'),
  name: values.kubernetesName.describe('Name of the workload.'),
  namespace: values.namespace.optional().describe('Namespace of the workload. Default: `cluster.namespace`.'),
  by: oneOf('digest', 'tag')
    .default('digest')
    .describe('Whether the workload names the image by tag and digest, or by tag alone.'),
  timeout: values.timeout.prefault('120s').describe('How long the new pods may take to be ready.'),
});

export const targetSchema = object('an object with context and image', {
  context: values.path.describe('Directory with the sources: the context of the build.'),
  dockerfile: values.path
    .default('Dockerfile')
    .describe('Dockerfile, relative to the context. It may lie outside of it.'),
  image: values.repository.describe('Repository that the image is pushed to.'),
  buildArgs: dictionary(
    'an object from name to value',
    values.buildArgName,
    z.string({ error: expected('a value as text') }),
  )
    .default({})
    .describe('Values for `ARG`. They end up in the image and in logs: no place for secrets.'),
  stage: values.stage.optional().describe('Stage to build. Default: the last one.'),
  platform: values.platform.optional().describe('Platform to build for. Default: that of the runner.'),
  watch: watchSchema.prefault({}).describe('How changes of the context are noticed.'),
  deploy: z
    .union([z.literal(false), deploySchema], { error: expected('false or an object with kind and name') })
    .default(false)
    .describe('Workload that runs the image and is rolled after each build; `false` when there is none.'),
});

export const configSchema = object('an object with targets', {
  $schema: z
    .string({ error: expected('the address of a JSON Schema') })
    .optional()
    .describe('Address of the JSON Schema, for editors of JSON and YAML files.'),
  cluster: clusterSchema.prefault({}).describe('The Kubernetes cluster.'),
  runner: z
    .discriminatedUnion('type', [kubernetesRunnerSchema, localRunnerSchema], {
      error: (issue) =>
        issue.code === 'invalid_union' && isPlainObject(issue.input)
          ? expected('"kubernetes" or "local"')({ input: issue.input['type'] })
          : expected('an object with options of the runner')(issue),
    })
    .prefault({})
    .describe('Where images are built.'),
  registry: registrySchema.prefault({}).describe('How registries are reached.'),
  kaniko: kanikoSchema.prefault({}).describe('The executor that builds.'),
  tag: values.tagTemplate
    .default('content')
    .describe(
      'Tag of every image: `content` (`dev-{hash}`), `timestamp` (`dev-{time}`), or a template with `{hash}` or `{time}`, and `{target}`.',
    ),
  build: buildSchema.prefault({}).describe('When builds start and end.'),
  targets: dictionary('an object from name to target', values.label, targetSchema)
    .refine((targets) => Object.keys(targets).length > 0, { error: 'expected at least one target' })
    .describe(
      'The images to build, by name. A name has at most 63 lower-case letters, digits and inner `-`.',
    ),
}).superRefine(
  ({ tag, targets }, context) => {
    const longest = Object.keys(targets).toSorted((a, b) => b.length - a.length)[0];
    // The tag alone was looked at before; here only the length of the names can add a problem.
    if (values.tagProblem(tag) !== undefined) return;
    const problem = values.tagProblem(tag, longest);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['tag'], message: problem });
  },
  {
    when: ({ value }) =>
      isPlainObject(value) && typeof value['tag'] === 'string' && isPlainObject(value['targets']),
  },
);

/** What validation returns: defaults filled, durations in milliseconds, paths still as written. */
export type ValidConfig = z.output<typeof configSchema>;

// The only way to ask the compiler for identity, which assignability is not, needs a type parameter used once.
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expand<T> = T extends object ? { [K in keyof T]: Expand<T[K]> } : T;

/** A compile error here means that config.ts and this schema disagree. */
true satisfies Equal<Expand<KanikoDevConfig>, Expand<z.input<typeof configSchema>>>;
