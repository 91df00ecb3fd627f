/** The executor and its company for tests that build: from where the product itself takes them. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { makeRegistry } from '../../src/registry/client.ts';
import { type Tools, provision } from '../../src/runner/local/provision.ts';
import { provisionOptions } from '../../src/runner/local/local.ts';

const image = 'gcr.io/kaniko-project/executor:v1.24.0-debug';

let found: Promise<Tools> | undefined;

export async function localTools(): Promise<Tools> {
  found ??= find();
  return found;
}

async function find(): Promise<Tools> {
  const own = join(homedir(), '.cache/kaniko-dev/tests');
  const tools = await provision(
    provisionOptions(
      {
        engine: 'sandbox',
        engineArgs: [],
        executor: undefined,
        busybox: undefined,
        certificates: undefined,
        rootless: false,
      },
      {
        image,
        cacheTtl: 0,
        own,
        images: own,
        env: process.env,
        system: { platform: process.platform, root: true },
        holder: { name: 'tests', session: 'tests' },
        registry: makeRegistry({}),
        emit: () => {},
      },
    ),
    new AbortController().signal,
  );
  if (!tools.ok) throw new Error(JSON.stringify(tools.failure, undefined, 2));
  return tools.value;
}
