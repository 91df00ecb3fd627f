/** Finds and reads the kubeconfig, in the order of kubectl: explicit path, $KUBECONFIG, ~/.kube/config, in-cluster. */
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { KubeConfig, loadYaml, type User } from '@kubernetes/client-node';
import { fail, ok, type Result } from '../result.ts';
import { errorMessage, oneLine } from './errors.ts';

export interface KubeOptions {
  /** Path of a kubeconfig; wins over the environment. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace?: string | undefined;
  /** The environment: KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory of the pod's service account, for tests. */
  readonly serviceAccount?: string | undefined;
}

export interface LoadedConfig {
  readonly kc: KubeConfig;
  readonly namespace: string;
  /** Where it came from and what it points to, for people. */
  readonly describe: string;
  readonly server: string;
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Fails with `kubeconfig-missing` or `kubeconfig-invalid`. Reads files synchronously, as the client does. */
export function loadConfig(options: KubeOptions): Result<LoadedConfig> {
  const kc = new KubeConfig();
  let source: string;
  const files = candidates(options);
  const texts: { file: string; text: string }[] = [];
  for (const file of files.paths) {
    const text = readKubeconfig(file);
    if (!text.ok) return text;
    // Like kubectl, files of $KUBECONFIG that do not exist are skipped.
    if (text.value !== undefined) texts.push({ file, text: text.value });
  }
  if (texts.length > 0) {
    for (const { file, text } of texts) {
      const parsed = parse(file, text);
      if (!parsed.ok) return parsed;
      mergeFirstWins(kc, parsed.value);
    }
    source = texts.map(({ file }) => file).join(delimiter);
  } else {
    const account = options.serviceAccount ?? serviceAccountDirectory;
    if (options.kubeconfig !== undefined || !loadServiceAccount(kc, account, options.env)) {
      const looked =
        options.kubeconfig === undefined ? [...files.paths, join(account, 'token')] : files.paths;
      return fail(
        'kubeconfig-missing',
        `no kubeconfig found; looked at ${looked.join(', ')}`,
        'pass --kubeconfig, set $KUBECONFIG, or run in a pod with a service account token',
      );
    }
    source = 'in-cluster service account';
  }
  return choose(kc, source, options);
}

function candidates(options: KubeOptions): { paths: string[] } {
  if (options.kubeconfig !== undefined) return { paths: [resolve(options.kubeconfig)] };
  const listed = (options.env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (listed.length > 0) return { paths: listed.map((path) => resolve(path)) };
  const home = options.env['HOME'];
  return { paths: home === undefined || home === '' ? [] : [join(home, '.kube', 'config')] };
}

/** Undefined when there is none; one that is there but out of reach must not be passed over in silence. */
function readKubeconfig(file: string): Result<string | undefined> {
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return ok(undefined);
    return fail(
      'kubeconfig-invalid',
      `cannot read kubeconfig ${file}: ${code}`,
      'make it a file that you may read, or name another with --kubeconfig',
    );
  }
}

function parse(file: string, text: string): Result<KubeConfig> {
  const kc = new KubeConfig();
  try {
    const raw: unknown = loadYaml(text);
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new Error('it is not a mapping');
    kc.loadFromString(text);
    kc.makePathsAbsolute(dirname(file));
    kc.users = kc.users.map((user) => withTokenFile(user, raw, dirname(file)));
    return ok(kc);
  } catch (error) {
    return fail(
      'kubeconfig-invalid',
      `cannot read kubeconfig ${file}: ${oneLine(parseError(error))}`,
      'correct the file, or name another with --kubeconfig',
    );
  }
}

/** The message of the YAML parser quotes the lines around, which may hold a token: only its reason is told. */
function parseError(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('reason' in error)) return errorMessage(error);
  const mark = 'mark' in error ? (error.mark as { line?: unknown } | null) : null;
  return `${String(error.reason)}${typeof mark?.line === 'number' ? ` (line ${mark.line + 1})` : ''}`;
}

/** The client ignores the user field `tokenFile`; its own provider of that name does what kubectl does. */
function withTokenFile(user: User, raw: object, root: string): User {
  const users: unknown = 'users' in raw ? raw.users : undefined;
  if (!Array.isArray(users)) return user;
  const entry: unknown = users.find((one: { name?: unknown } | null) => one?.name === user.name);
  const fields = (entry as { user?: { tokenFile?: unknown } | null } | undefined)?.user;
  if (typeof fields?.tokenFile !== 'string' || user.token) return user;
  const tokenFile = resolve(root, fields.tokenFile);
  return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } };
}

/** Merges as kubectl does: the first file that names something wins. The client's own merge throws on duplicates. */
function mergeFirstWins(into: KubeConfig, from: KubeConfig): void {
  const fresh = <T extends { readonly name: string }>(mine: T[] | undefined, theirs: T[]): T[] => [
    ...(mine ?? []),
    ...theirs.filter((one) => !(mine ?? []).some((other) => other.name === one.name)),
  ];
  into.clusters = fresh(into.clusters, from.clusters);
  into.users = fresh(into.users, from.users);
  into.contexts = fresh(into.contexts, from.contexts);
  if (!into.currentContext && from.currentContext) into.currentContext = from.currentContext;
}

function loadServiceAccount(kc: KubeConfig, directory: string, env: KubeOptions['env']): boolean {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const tokenFile = join(directory, 'token');
  if (host === undefined || host === '' || readText(tokenFile) === undefined) return false;
  const namespace = readText(join(directory, 'namespace'))?.trim();
  kc.loadFromOptions({
    clusters: [
      {
        name: 'in-cluster',
        caFile: join(directory, 'ca.crt'),
        server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
        skipTLSVerify: false,
      },
    ],
    users: [{ name: 'in-cluster', authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [{ name: 'in-cluster', cluster: 'in-cluster', user: 'in-cluster', namespace }],
    currentContext: 'in-cluster',
  });
  return true;
}

function choose(kc: KubeConfig, source: string, options: KubeOptions): Result<LoadedConfig> {
  const names = kc.getContexts().map((one) => one.name);
  const known = names.length === 0 ? 'none' : names.join(', ');
  const name = options.context ?? kc.getCurrentContext();
  if (!name) {
    return fail(
      'kubeconfig-invalid',
      `${source} has no current context`,
      `choose one with --context: ${known}`,
    );
  }
  const context = kc.getContextObject(name);
  if (context === null) {
    return fail('kubeconfig-invalid', `context "${name}" is not in ${source}`, `known contexts: ${known}`);
  }
  kc.setCurrentContext(name);
  const cluster = kc.getCurrentCluster();
  if (cluster === null) {
    return fail(
      'kubeconfig-invalid',
      `context "${name}" of ${source} names cluster "${context.cluster}", which is not there`,
      'correct the kubeconfig',
    );
  }
  if (!URL.canParse(cluster.server)) {
    return fail(
      'kubeconfig-invalid',
      `cluster "${cluster.name}" of ${source} has no valid server URL: ${cluster.server}`,
      'correct the kubeconfig',
    );
  }
  if (context.user && kc.getCurrentUser() === null) {
    return fail(
      'kubeconfig-invalid',
      `context "${name}" of ${source} names user "${context.user}", which is not there`,
      'correct the kubeconfig',
    );
  }
  const namespace = options.namespace ?? context.namespace ?? 'default';
  const describe = `context ${name} (${cluster.server}), namespace ${namespace}`;
  return ok({ kc, namespace, describe, server: cluster.server });
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
