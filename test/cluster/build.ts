// Builds the Go programs, once. Each appears in the cache by a rename, so that a build that was
// cut off leaves nothing that looks finished.

import { access, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { executorDir, goModules, kanikoVersion, kubernetesVersion, type Cache } from './cache.ts';
import { run } from './command.ts';
import { findProgram } from './packages.ts';
import { say, step } from './progress.ts';

export const kubernetesNames = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
] as const;

type Program = {
  readonly name: string;
  readonly why: string;
  readonly module: 'kubernetes' | 'kaniko';
  readonly package: string;
  readonly output: string;
  readonly links: readonly string[];
};

const [, kubernetesMajor, kubernetesMinor] = /^v(\d+)\.(\d+)\./.exec(kubernetesVersion) ?? [];

const linkerFlags = {
  kaniko: `-s -w -X github.com/GoogleContainerTools/kaniko/pkg/version.version=${kanikoVersion}`,
  kubernetes: [
    '-s -w',
    `-X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`,
    `-X k8s.io/component-base/version.gitMajor=${kubernetesMajor}`,
    `-X k8s.io/component-base/version.gitMinor=${kubernetesMinor}`,
  ].join(' '),
};

export async function buildPrograms(cache: Cache): Promise<void> {
  const kaniko = 'github.com/GoogleContainerTools/kaniko/cmd';
  const why = `compiles ${kanikoVersion} from source, 1 to 3 minutes`;
  const programs: Program[] = [
    {
      name: 'kaniko executor',
      why,
      module: 'kaniko',
      package: `${kaniko}/executor`,
      output: join(executorDir, 'executor'),
      links: [],
    },
    {
      name: 'kaniko warmer',
      why,
      module: 'kaniko',
      package: `${kaniko}/warmer`,
      output: join(executorDir, 'warmer'),
      links: [],
    },
    {
      name: 'Kubernetes',
      why: `compiles the control plane and kubelet ${kubernetesVersion} from source, 4 to 8 minutes on 2 cores`,
      module: 'kubernetes',
      package: '.',
      output: join(cache.bin, 'kubernetes'),
      links: kubernetesNames,
    },
  ];
  if ((await findProgram('kubectl')) === undefined) {
    programs.push({
      name: 'kubectl',
      why: 'this machine has none on its PATH',
      module: 'kubernetes',
      package: 'k8s.io/kubernetes/cmd/kubectl',
      output: join(cache.bin, 'kubectl'),
      links: [],
    });
  }
  for (const program of programs) await build(program);
}

async function build(program: Program): Promise<void> {
  if (
    await access(program.output).then(
      () => true,
      () => false,
    )
  )
    return;
  const go = await findProgram('go');
  if (go === undefined) {
    throw new Error(
      `building ${program.name} needs the Go toolchain (1.24 or newer) on the PATH: https://go.dev/dl/`,
    );
  }
  say(`  first start only: ${program.name} (${program.why})`);
  await step(`build ${program.name}`, async () => {
    const folder = join(program.output, '..');
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      if (name.endsWith('.unfinished')) await rm(join(folder, name), { force: true });
    }
    const unfinished = `${program.output}.${process.pid}.unfinished`;
    try {
      await run(
        [
          go,
          'build',
          '-mod=readonly',
          '-buildvcs=false',
          '-trimpath',
          '-ldflags',
          linkerFlags[program.module],
          '-o',
          unfinished,
          program.package,
        ],
        // A workspace file above the checkout must not change what is built.
        {
          cwd: goModules[program.module],
          env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '' },
        },
      );
      for (const link of program.links) {
        await rm(join(folder, link), { force: true });
        await symlink('kubernetes', join(folder, link));
      }
      await rename(unfinished, program.output);
    } finally {
      await rm(unfinished, { force: true });
    }
  });
}

export async function kubectlProgram(cache: Cache): Promise<string> {
  return (await findProgram('kubectl')) ?? join(cache.bin, 'kubectl');
}
