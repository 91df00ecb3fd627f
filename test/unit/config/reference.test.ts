import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { z } from 'zod';
import { jsonSchema, renderReference } from '../../../src/config/reference.ts';
import * as schema from '../../../src/config/schema.ts';
import { loadConfig } from '../../../src/config/load.ts';
import example from '../../../kaniko.config.ts';
import { value } from './project.ts';

const root = new URL('../../../', import.meta.url);

function committed(path: string): Promise<string> {
  return readFile(new URL(path, root), 'utf8');
}

test('the reference page is what the schema says; scripts/write-docs.ts writes it', async () => {
  assert.equal(await committed('docs/configuration.md'), renderReference());
});

test('the JSON Schema is what the schema says; scripts/write-docs.ts writes it', async () => {
  const text = await committed('docs/kaniko.config.schema.json');
  assert.equal(text, `${JSON.stringify(jsonSchema(), undefined, 2)}\n`);
});

test('the JSON Schema accepts the example and refuses what the program refuses', async () => {
  const parsed: z.core.JSONSchema.BaseSchema = JSON.parse(await committed('docs/kaniko.config.schema.json'));
  const read = z.fromJSONSchema(parsed);
  const config: unknown = JSON.parse(JSON.stringify(example));
  assert.deepEqual(read.parse(config), z.fromJSONSchema(jsonSchema()).parse(config));
  assert.equal(read.safeParse({ ...example, contxt: 1 }).success, false);
  assert.equal(read.safeParse({ targets: { api: { context: 'api', image: 'r/x:tag' } } }).success, false);
  assert.equal(read.safeParse({ targets: { Api: { context: 'api', image: 'r/x' } } }).success, false);
});

test('the example is found, and its contexts need not exist', async () => {
  const { config } = value(await loadConfig({ cwd: new URL('.', root).pathname.replace(/\/$/, '') }));
  assert.deepEqual(
    Object.values(config.targets).map(({ name, image, deploy }) => [
      name,
      image,
      deploy?.namespace,
      deploy?.name,
    ]),
    [
      ['api', 'ghcr.io/ardenone/moltbook-api', 'moltbook', 'moltbook-api'],
      ['frontend', 'ghcr.io/ardenone/moltbook-frontend', 'moltbook', 'moltbook-frontend'],
    ],
  );
});

const interfaces = {
  KanikoDevConfig: schema.configSchema,
  ClusterConfig: schema.clusterSchema,
  KubernetesRunnerConfig: schema.kubernetesRunnerSchema,
  LocalRunnerConfig: schema.localRunnerSchema,
  RegistryConfig: schema.registrySchema,
  KanikoConfig: schema.kanikoSchema,
  CacheConfig: schema.cacheSchema,
  BuildConfig: schema.buildSchema,
  TargetConfig: schema.targetSchema,
  WatchConfig: schema.watchSchema,
  DeployConfig: schema.deploySchema,
} as const;

for (const [name, described] of Object.entries(interfaces)) {
  test(`every option of ${name} is described, and its doc comment says the same`, async () => {
    const { properties = {} } = z.toJSONSchema(described, { io: 'input' });
    const descriptions = Object.fromEntries(
      Object.entries(properties).map(([key, node]) => [
        key,
        typeof node === 'object' ? node.description : undefined,
      ]),
    );
    assert.equal(Object.values(descriptions).includes(undefined), false);
    assert.deepEqual(docComments(await committed('src/config/config.ts'), name), descriptions);
  });
}

/** Key → doc comment of an interface of the source. */
function docComments(source: string, name: string): Record<string, string> {
  const body = new RegExp(`^export interface ${name} \\{\n([\\s\\S]*?)^\\}`, 'm').exec(source)?.[1] ?? '';
  return Object.fromEntries(
    [...body.matchAll(/\/\*\*([\s\S]*?)\*\/\s*([$\w]+)\??:/g)].map(([, comment = '', key = '']) => [
      key,
      comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim(),
    ]),
  );
}
