/** Turns a resolved configuration into what a session works from. */
import { readFile } from 'node:fs/promises';
import type { LoadedConfig } from '../config/load.ts';
import type { ResolvedConfig, ResolvedTarget } from '../config/resolve.ts';
import type { ImageReference } from '../host.ts';
import { parseReference } from '../image.ts';
import { type Result, fail, ok } from '../result.ts';
import type { SessionPlan } from '../session.ts';
import type { Destination } from '../steps/build.ts';
import type { TargetPlan } from '../steps/plan.ts';

/** However often files change, a build starts after this many milliseconds. */
const settleCap = 2_000;

/** What the outside world decides. */
export interface PlanFacts {
  /** Namespace of the kube context, for deploys that name none. */
  readonly namespace: string;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  readonly output: Destination;
}

/** Registry host → PEM text of the files that the configuration names. */
export async function readCertificates(
  config: ResolvedConfig,
): Promise<Result<Readonly<Record<string, string>>>> {
  const certificates: Record<string, string> = {};
  for (const [registry, file] of Object.entries(config.registry.certificates)) {
    try {
      certificates[registry] = await readFile(file, 'utf8');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return fail(
        'config-invalid',
        `registry.certificates[${registry}]: ${why}`,
        'Correct the path in the configuration.',
      );
    }
  }
  return ok(certificates);
}

export function planSession(
  loaded: LoadedConfig,
  names: readonly string[],
  certificates: Readonly<Record<string, string>>,
  facts: PlanFacts,
  force: boolean,
): SessionPlan {
  const targets = names.flatMap((name) => {
    const target = loaded.config.targets[name];
    return target === undefined ? [] : [planTarget(loaded.config, target, certificates, facts)];
  });
  return { config: loaded.file, targets, force };
}

function planTarget(
  config: ResolvedConfig,
  target: ResolvedTarget,
  certificates: Readonly<Record<string, string>>,
  facts: PlanFacts,
): TargetPlan {
  const { kaniko, registry, build } = config;
  const { deploy } = target;
  return {
    name: target.name,
    source: { root: target.context, dockerfile: target.dockerfile },
    watch: target.watch,
    image: imageOf(target.image),
    repository: target.image,
    tag: config.tag,
    options: {
      buildArgs: target.buildArgs,
      stage: target.stage,
      platform: target.platform,
      snapshotMode: kaniko.snapshotMode,
      useNewRun: kaniko.useNewRun,
      reproducible: kaniko.reproducible,
      cache: { ...kaniko.cache, repo: target.cacheRepo },
      insecureRegistries: registry.insecure,
      mirrors: registry.mirrors,
      flags: kaniko.flags,
    },
    certificates,
    workspace: facts.workspace,
    settle: build.settle,
    settleCap,
    onChange: build.onChange,
    output: facts.output,
    verifyTimeout: registry.verifyTimeout,
    timeout: build.timeout,
    deploy:
      deploy === undefined || facts.output.type === 'layout'
        ? undefined
        : {
            workload: {
              kind: deploy.kind,
              namespace: deploy.namespace ?? facts.namespace,
              name: deploy.name,
            },
            by: deploy.by,
            timeout: deploy.timeout,
          },
  };
}

/** Validation has seen the image: it parses. */
function imageOf(image: string): ImageReference {
  const parsed = parseReference(image);
  if (parsed === undefined) throw new Error(`${image} is not an image`);
  return { registry: parsed.registry, repository: parsed.repository };
}
