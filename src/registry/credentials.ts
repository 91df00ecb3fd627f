/**
 * Credentials from a docker `config.json`, as docker, kubectl and kaniko read it:
 *
 *   credHelpers[host] ▶ credsStore ▶ auths[host]      the helper wins over what is written in the file
 */
import { fail, ok, type Result } from '../result.ts';

export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth refresh token, exchanged at the registry's token endpoint. */
  | { readonly identityToken: string };

/** Credentials for a registry host (`ghcr.io`, `docker.io`, `host:5000`), undefined for anonymous access. */
export type CredentialsProvider = (host: string) => Promise<Credentials | undefined>;

/** Runs a program without a shell; resolves with its output and exit code, rejects when it cannot be started. */
export type HelperRunner = (
  command: string,
  argv: readonly string[],
  input: string,
) => Promise<{ readonly exitCode: number; readonly stdout: string }>;

interface DockerConfig {
  readonly auths: ReadonlyMap<string, Credentials>;
  readonly credHelpers: ReadonlyMap<string, string>;
  readonly credsStore: string | undefined;
}

const hub = 'docker.io';
/** The key under which docker stores Docker Hub, also what helpers are asked for. */
const hubKey = 'https://index.docker.io/v1/';

/**
 * A provider for the text of a config.json. Fails with `registry-unauthorized`, naming `source`, for a file that docker
 * could not read either. Helpers are run only when `runHelper` is given; one that fails counts as no credentials.
 */
export function dockerCredentials(
  text: string,
  source: string,
  runHelper?: HelperRunner,
): Result<CredentialsProvider> {
  const config = parseDockerConfig(text, source);
  if (!config.ok) return config;
  const { auths, credHelpers, credsStore } = config.value;
  return ok(async (registry) => {
    const host = normalHost(registry);
    const helper = credHelpers.get(host) ?? credsStore;
    if (helper !== undefined && runHelper !== undefined) {
      const given = await askHelper(helper, host, runHelper);
      if (given !== undefined) return given;
    }
    return auths.get(host);
  });
}

/** Asks each provider in turn. */
export function firstCredentials(providers: readonly CredentialsProvider[]): CredentialsProvider {
  return async (host) => {
    for (const provider of providers) {
      const found = await provider(host);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function parseDockerConfig(text: string, source: string): Result<DockerConfig> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and with it secrets.
    return malformed(source, 'it is not JSON');
  }
  if (!isRecord(parsed)) return malformed(source, 'it is not a JSON object');
  const rawAuths = parsed['auths'] ?? {};
  if (!isRecord(rawAuths)) return malformed(source, '"auths" is not an object');
  const auths = new Map<string, Credentials>();
  for (const [key, entry] of Object.entries(rawAuths)) {
    if (!isRecord(entry)) return malformed(source, `the entry for "${key}" is not an object`);
    const credentials = entryCredentials(entry);
    if (credentials === 'malformed') {
      return malformed(source, `the "auth" of "${key}" is not base64 of user:password`);
    }
    const host = normalHost(key);
    if (credentials !== undefined && !auths.has(host)) auths.set(host, credentials);
  }
  const helpers = isRecord(parsed['credHelpers']) ? Object.entries(parsed['credHelpers']) : [];
  const credHelpers = new Map<string, string>();
  for (const [key, name] of helpers) if (isHelperName(name)) credHelpers.set(normalHost(key), name);
  const store = parsed['credsStore'];
  return ok({ auths, credHelpers, credsStore: isHelperName(store) ? store : undefined });
}

function entryCredentials(entry: Readonly<Record<string, unknown>>): Credentials | undefined | 'malformed' {
  const { auth, username, password, identitytoken } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identityToken: identitytoken };
  if (typeof auth === 'string' && auth !== '') {
    if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(auth.trim())) return 'malformed';
    const decoded = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = decoded.indexOf(':');
    if (colon < 1) return 'malformed';
    return fromPair(decoded.slice(0, colon), decoded.slice(colon + 1));
  }
  if (typeof username === 'string' && username !== '' && typeof password === 'string') {
    return fromPair(username, password);
  }
  return undefined;
}

/** `<token>` as user name marks an identity token, in files and in the answers of helpers. */
function fromPair(username: string, password: string): Credentials {
  return username === '<token>' ? { identityToken: password } : { username, password };
}

async function askHelper(name: string, host: string, run: HelperRunner): Promise<Credentials | undefined> {
  const asked = host === hub ? [hubKey, host] : [host, `https://${host}`];
  for (const server of asked) {
    try {
      const { exitCode, stdout } = await run(`docker-credential-${name}`, ['get'], server);
      if (exitCode !== 0) continue;
      const answer: unknown = JSON.parse(stdout);
      if (!isRecord(answer)) continue;
      const { Username: username, Secret: secret } = answer;
      if (typeof username === 'string' && typeof secret === 'string' && secret !== '')
        return fromPair(username, secret);
    } catch {
      // Not installed, or it said something else: as docker does, go on without it.
    }
  }
  return undefined;
}

/** `https://index.docker.io/v1/` → `docker.io`, `https://ghcr.io/v2/` → `ghcr.io` */
export function normalHost(key: string): string {
  const host = key
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/, '')
    .toLowerCase();
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? hub : host;
}

/** Becomes part of a program's name: never a path. */
function isHelperName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9._-]+$/.test(name);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(source: string, why: string): Result<never> {
  return fail(
    'registry-unauthorized',
    `cannot read registry credentials from ${source}: ${why}`,
    'write it again with `docker login` or `kubectl create secret docker-registry`; it must be a docker config.json',
  );
}
