import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Content, contentHash } from '../../../src/kaniko/content.ts';
import { buildOptions } from '../fakes/plan.ts';

const content: Content = {
  manifest: 'm',
  dockerfile: 'FROM a\n',
  ignoreFile: undefined,
  options: buildOptions,
};
const withOptions = (options: Partial<Content['options']>): Content => ({
  ...content,
  options: { ...buildOptions, ...options },
});

const decisive: Readonly<Record<string, Content>> = {
  'the context': { ...content, manifest: 'n' },
  'the Dockerfile': { ...content, dockerfile: 'FROM b\n' },
  'an ignore file': { ...content, ignoreFile: 'x' },
  'an empty ignore file': { ...content, ignoreFile: '' },
  'a build arg': withOptions({ buildArgs: { A: '1' } }),
  'an empty build arg': withOptions({ buildArgs: { A: '' } }),
  'the stage': withOptions({ stage: 'a' }),
  'the platform': withOptions({ platform: 'linux/arm64' }),
  'the snapshot mode': withOptions({ snapshotMode: 'redo' }),
  'the new run': withOptions({ useNewRun: true }),
  reproducible: withOptions({ reproducible: true }),
  'a flag': withOptions({ flags: ['--a'] }),
  'two flags': withOptions({ flags: ['--a', '--b'] }),
  'two flags in another order': withOptions({ flags: ['--b', '--a'] }),
  'one flag of both texts': withOptions({ flags: ['--a,--b'] }),
};

describe('the content hash', () => {
  test('is lower-case hex SHA-256', () => assert.match(contentHash(content), /^[0-9a-f]{64}$/));

  test('differs with everything that decides the image', () => {
    const hashes = new Map([content, ...Object.values(decisive)].map((item) => [contentHash(item), item]));
    assert.equal(hashes.size, Object.keys(decisive).length + 1);
  });

  test('does not tell build args apart by their order', () => {
    const hash = (buildArgs: Record<string, string>): string => contentHash(withOptions({ buildArgs }));
    assert.equal(hash({ A: '1', B: '2', a: '3' }), hash({ a: '3', B: '2', A: '1' }));
    assert.notEqual(hash({ A: '1', B: '2' }), hash({ A: '2', B: '1' }));
  });

  for (const [name, options] of Object.entries({
    cache: { cache: { enabled: true, repo: 'r', ttl: 1, copyLayers: true } },
    mirrors: { mirrors: { 'docker.io': 'm' } },
    'insecure registries': { insecureRegistries: ['r'] },
  })) {
    test(`does not depend on ${name}`, () => {
      assert.equal(contentHash(withOptions(options)), contentHash(content));
    });
  }
});
