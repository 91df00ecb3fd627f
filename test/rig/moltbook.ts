/** A namespace of the test cluster with everything a user has: the applied k8s/ folder, the secret, the sample. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestCluster, testCluster } from '../cluster/cluster.ts';
import { Program, type ProgramOptions, run, type Finished } from './program.ts';
import { Project } from './project.ts';

const resources = join(import.meta.dirname, '../../k8s');

export interface MoltbookOptions {
  /** Leave the secret out: the runner never becomes ready. */
  readonly credentials?: boolean;
  /** Resource text changes, e.g. another runner image. */
  readonly change?: (text: string) => string;
  /** Leave the sample's Deployments out. */
  readonly workloads?: boolean;
}

export class Moltbook {
  readonly cluster: TestCluster;
  readonly namespace: string;
  readonly project: Project;
  /** Repository prefix of this namespace's images. */
  readonly owner: string;

  private constructor(cluster: TestCluster, namespace: string, project: Project) {
    this.cluster = cluster;
    this.namespace = namespace;
    this.owner = namespace;
    this.project = project;
  }

  static async create(options: MoltbookOptions = {}): Promise<Moltbook> {
    const cluster = await testCluster();
    const namespace = await cluster.createNamespace('moltbook');
    const project = await Project.fromTemplate('sample', {
      registry: cluster.registry,
      namespace,
      owner: namespace,
    });
    const moltbook = new Moltbook(cluster, namespace, project);
    const change = options.change ?? ((text: string) => text);
    const files = (await readdir(resources)).filter((name) => name.endsWith('.yml')).toSorted();
    const texts = await Promise.all(files.map(async (name) => readFile(join(resources, name), 'utf8')));
    const applied = change(texts.join('\n---\n'))
      .replaceAll('namespace: moltbook', `namespace: ${namespace}`)
      .replaceAll('name: moltbook\n', `name: ${namespace}\n`);
    await cluster.kubectl(['apply', '-f', '-'], { input: applied });
    if (options.credentials !== false) {
      await moltbook.kubectl([
        'create',
        'secret',
        'generic',
        'ghcr-credentials',
        '--type=kubernetes.io/dockerconfigjson',
        '--from-literal=.dockerconfigjson={"auths":{}}',
      ]);
    }
    if (options.workloads !== false) await moltbook.kubectl(['apply', '-f', project.path('k8s')]);
    return moltbook;
  }

  async kubectl(args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(['-n', this.namespace, ...args]);
  }

  /** The environment of the restricted user; all that a developer has. */
  get developer(): ProgramOptions {
    return { cwd: this.project.root, env: { KUBECONFIG: this.cluster.developerKubeconfig } };
  }

  start(argv: readonly string[]): Program {
    return new Program([...argv, '--json'], this.developer);
  }

  async run(argv: readonly string[], options: ProgramOptions = this.developer): Promise<Finished> {
    return run([...argv, '--json'], options);
  }

  async runnerPod(): Promise<string> {
    const listed = await this.kubectl([
      'get',
      'pods',
      '-l',
      'app.kubernetes.io/name=kaniko-build-runner',
      '--field-selector=status.phase=Running',
      '-o',
      'jsonpath={.items[0].metadata.name}',
    ]);
    return listed.trim();
  }

  /** What the pod of the app answers over HTTP. */
  async serves(app: string, path = '/'): Promise<string> {
    const pod = await this.pod(app);
    const response = await fetch(`http://${pod.ip}:8080${path}`, { signal: AbortSignal.timeout(10_000) });
    return response.text();
  }

  /** The one pod of the app that is not ending. */
  async pod(app: string): Promise<{ name: string; ip: string; imageIds: string[] }> {
    const pods = JSON.parse(await this.kubectl(['get', 'pods', '-l', `app=${app}`, '-o', 'json'])) as {
      items: {
        metadata: { name: string; deletionTimestamp?: string };
        status: {
          podIP?: string;
          conditions?: { type: string; status: string }[];
          containerStatuses?: { imageID: string }[];
          initContainerStatuses?: { imageID: string }[];
        };
      }[];
    };
    const ready = pods.items.filter(
      ({ metadata, status }) =>
        metadata.deletionTimestamp === undefined &&
        status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    );
    const [pod] = ready;
    if (ready.length !== 1 || pod === undefined) throw new Error(`${ready.length} ready pods of ${app}`);
    const statuses = [...(pod.status.containerStatuses ?? []), ...(pod.status.initContainerStatuses ?? [])];
    return {
      name: pod.metadata.name,
      ip: pod.status.podIP ?? '',
      imageIds: statuses.map(({ imageID }) => imageID),
    };
  }

  async images(deployment: string): Promise<string> {
    return this.kubectl([
      'get',
      'deployment',
      deployment,
      '-o',
      'jsonpath={.spec.template.spec.containers[*].image} {.spec.template.spec.initContainers[*].image}',
    ]);
  }

  async tags(image: string): Promise<string[]> {
    const response = await fetch(`http://${this.cluster.registry}/v2/${this.owner}/${image}/tags/list`);
    if (response.status === 404) return [];
    return ((await response.json()) as { tags: string[] | null }).tags ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.project[Symbol.asyncDispose]();
    await this.cluster.deleteNamespace(this.namespace);
  }
}
