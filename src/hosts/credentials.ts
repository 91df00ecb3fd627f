/** Registry credentials: those of this machine, and those of the runner. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Runner } from '../host.ts';
import { type CredentialsProvider, dockerCredentials } from '../registry/credentials.ts';
import { runHelper } from '../registry/helper.ts';

/** Docker's credentials file of this machine; it may not exist. */
export function dockerConfigFile(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['DOCKER_CONFIG'] ?? join(env['HOME'] ?? '/root', '.docker'), 'config.json');
}

/** What `docker login` left on this machine. A file that is not there or not valid gives nothing. */
export function machineCredentials(file: string): CredentialsProvider {
  return lazyCredentials(async () => {
    try {
      return { text: readFileSync(file, 'utf8'), source: file };
    } catch {
      return undefined;
    }
  });
}

/** Whoever pushes can also be asked: most devpods have no credentials of their own. */
export function runnerCredentials(runner: Runner): CredentialsProvider {
  return lazyCredentials(async () => {
    const connection = await runner.connect(AbortSignal.timeout(10_000));
    const config = connection.ok ? await connection.value.dockerConfig() : connection;
    return config.ok && config.value !== undefined
      ? { text: config.value, source: '/kaniko/.docker/config.json in the runner' }
      : undefined;
  });
}

/** Reads once; what was not there is looked for again the next time. */
function lazyCredentials(
  read: () => Promise<{ readonly text: string; readonly source: string } | undefined>,
): CredentialsProvider {
  let provider: CredentialsProvider | undefined;
  return async (host) => {
    if (provider === undefined) {
      const config = await read();
      const parsed =
        config === undefined ? undefined : dockerCredentials(config.text, config.source, runHelper);
      if (parsed?.ok === true) provider = parsed.value;
    }
    return provider?.(host);
  };
}
