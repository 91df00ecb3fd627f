/** A target's plan with nothing special about it. */
import type { BuildOptions } from '../../../src/kaniko/argv.ts';
import type { TargetPlan } from '../../../src/steps/plan.ts';

export const buildOptions: BuildOptions = {
  buildArgs: {},
  stage: undefined,
  platform: undefined,
  snapshotMode: 'full',
  useNewRun: false,
  reproducible: false,
  cache: { enabled: false, repo: 'oci:/cache/layers', ttl: 3_600_000, copyLayers: false },
  insecureRegistries: [],
  mirrors: {},
  flags: [],
};

export function targetPlan(name: string, changes: Partial<TargetPlan> = {}): TargetPlan {
  return {
    name,
    source: { root: `/project/${name}`, dockerfile: `/project/${name}/Dockerfile` },
    watch: { ignore: [], polling: false },
    image: { registry: 'registry.test', repository: `team/${name}` },
    repository: `registry.test/team/${name}`,
    tag: 'content',
    options: buildOptions,
    certificates: {},
    workspace: '/workspace',
    settle: 50,
    settleCap: 2_000,
    onChange: 'cancel',
    output: { type: 'push' },
    verifyTimeout: 10_000,
    timeout: 3_600_000,
    deploy: {
      workload: { kind: 'Deployment', namespace: 'team', name },
      by: 'digest',
      timeout: 120_000,
    },
    ...changes,
  };
}
