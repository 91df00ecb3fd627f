// What tests see of the cluster, whether it is the one of `npm run cluster -- up` or one of
// the developer's own.

import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterNumber, layoutOf, paths } from './addresses.ts';
import { kubectlProgram } from './build.ts';
import { openCache } from './cache.ts';
import { run, type RunOptions } from './command.ts';
import { environmentOf } from './environment.ts';
import { baseImages, noShellImage, runnerImage } from './images.ts';
import { impersonate } from './impersonate.ts';
import { pushArchive } from './registry.ts';

export type KubectlOptions = {
  readonly input?: string;
  /** Whose rights to use; the administrator's when left out. */
  readonly kubeconfig?: string;
};

export type TestCluster = {
  readonly adminKubeconfig: string;
  /** User `developer` of group `developers`: no rights but those a test binds. */
  readonly developerKubeconfig: string;
  /** User `nobody-dev`: no rights ever. */
  readonly nobodyKubeconfig: string;
  readonly apiServer: string;
  readonly nodeIp: string;
  /** Plain HTTP, `address:port`; pods, kaniko, containerd and this machine reach it alike. */
  readonly registry: string;
  /** TLS and credentials (`writer:writer-password`, `reader:reader-password`). */
  readonly tlsRegistry: string;
  /** Path of the authority's certificate, which nothing trusts by itself. */
  readonly tlsRegistryCa: string;
  readonly stateDir: string;
  readonly runnerImage: string;
  readonly noShellImage: string;
  /** Answers kubectl's stdout; a failure throws a CommandError with its stderr. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<string>;
  createNamespace(prefix: string): Promise<string>;
  deleteNamespace(name: string): Promise<void>;
  /** Puts `library/busybox:1.36` and `library/node:20-alpine` into the plain registry. */
  pushBaseImages(): Promise<void>;
};

export async function testCluster(): Promise<TestCluster> {
  const cache = await openCache();
  const environment = await environmentOfTests();
  const value = (name: string): string => {
    const found = environment[name];
    if (found !== undefined && found !== '') return found;
    throw new Error(`this test needs ${name} beside TEST_KUBECONFIG`);
  };
  const program = await kubectlProgram(cache);
  const adminKubeconfig = value('TEST_KUBECONFIG');

  const kubectl = (args: readonly string[], { input, kubeconfig = adminKubeconfig }: KubectlOptions = {}) => {
    const options: RunOptions = input === undefined ? {} : { input };
    return run([program, '--kubeconfig', kubeconfig, ...args], options);
  };

  return {
    adminKubeconfig,
    developerKubeconfig:
      environment['TEST_DEVELOPER_KUBECONFIG'] ?? (await impersonate(kubectl, 'developer', ['developers'])),
    nobodyKubeconfig: environment['TEST_NOBODY_KUBECONFIG'] ?? (await impersonate(kubectl, 'nobody-dev', [])),
    apiServer: (
      await kubectl(['config', 'view', '--minify', '--output=jsonpath={.clusters[0].cluster.server}'])
    ).trim(),
    runnerImage,
    noShellImage,
    get nodeIp() {
      return value('TEST_NODE_IP');
    },
    get registry() {
      return value('TEST_REGISTRY');
    },
    get tlsRegistry() {
      return value('TEST_TLS_REGISTRY');
    },
    get tlsRegistryCa() {
      return value('TEST_TLS_REGISTRY_CA');
    },
    get stateDir() {
      return value('TEST_CLUSTER_STATE');
    },
    kubectl,
    async createNamespace(prefix) {
      const name = `${prefix}-${randomBytes(4).toString('hex')}`;
      await kubectl(['create', 'namespace', name]);
      return name;
    },
    async deleteNamespace(name) {
      await kubectl([
        'delete',
        'pods',
        '--all',
        '--namespace',
        name,
        '--grace-period=0',
        '--force',
        '--wait=false',
      ]);
      // Not waited for: names are unique, and the controller takes seconds to see the end.
      await kubectl(['delete', 'namespace', name, '--ignore-not-found', '--wait=false']);
    },
    async pushBaseImages() {
      for (const { name, file } of baseImages) {
        const [repository = '', tag = ''] = name.split(':');
        await pushArchive(join(cache.images, file), value('TEST_REGISTRY'), repository, tag);
      }
    },
  };
}

/** Set by `run` and `env`, or by the developer; a test started by hand finds a running cluster itself. */
async function environmentOfTests(): Promise<NodeJS.ProcessEnv> {
  if (process.env['TEST_KUBECONFIG'] !== undefined) return process.env;
  const layout = layoutOf(clusterNumber());
  const up = await access(paths.complete(layout)).then(
    () => true,
    () => false,
  );
  if (!up) {
    throw new Error(
      'no test cluster is up. Start it with: npm run cluster -- up\n' +
        'or run the tests with it: npm run test:cluster\n' +
        'or name one of yours in TEST_KUBECONFIG and TEST_REGISTRY',
    );
  }
  return { ...process.env, ...environmentOf(layout, await openCache()) };
}
