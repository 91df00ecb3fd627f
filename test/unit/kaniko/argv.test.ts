import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { executorArgv } from '../../../src/kaniko/argv.ts';
import { buildOptions } from '../fakes/plan.ts';

const places = {
  context: '/workspace/ctx/api',
  dockerfile: '/workspace/.kaniko-dev/Dockerfile',
  certificates: {},
};
const push = { type: 'push', destination: 'ghcr.io/a/api:dev-1' } as const;

describe('the arguments of the executor', () => {
  test('of a plain build', () => {
    assert.deepEqual(executorArgv(buildOptions, places, push, {}), [
      '--context=dir:///workspace/ctx/api',
      '--dockerfile=/workspace/.kaniko-dev/Dockerfile',
      '--destination=ghcr.io/a/api:dev-1',
      '--cleanup',
      '--snapshot-mode=full',
      '--image-download-retry=1',
      '--image-fs-extract-retry=3',
      '--push-retry=3',
      '--log-format=json',
    ]);
  });

  test('of a build with everything', () => {
    const options = {
      ...buildOptions,
      buildArgs: { VERSION: '1', EMPTY: '' },
      stage: 'production',
      platform: 'linux/arm64',
      snapshotMode: 'redo',
      useNewRun: true,
      reproducible: true,
      cache: { enabled: true, repo: 'ghcr.io/a/cache', ttl: 90_500, copyLayers: true },
      insecureRegistries: ['198.51.100.7:5000', 'registry.local'],
      mirrors: { 'docker.io': 'mirror.example' },
      flags: ['--verbosity=debug', '--single-snapshot'],
    } as const;
    const certificates = { 'registry.local': '/workspace/.kaniko-dev/certificates/0.pem' };
    assert.deepEqual(
      executorArgv(options, { ...places, certificates }, push, { 'dev.kaniko.content-hash': 'abc' }),
      [
        '--context=dir:///workspace/ctx/api',
        '--dockerfile=/workspace/.kaniko-dev/Dockerfile',
        '--destination=ghcr.io/a/api:dev-1',
        '--cleanup',
        '--cache=true',
        '--cache-repo=ghcr.io/a/cache',
        '--cache-ttl=91s',
        '--cache-copy-layers=true',
        '--snapshot-mode=redo',
        '--use-new-run',
        '--reproducible',
        '--target=production',
        '--custom-platform=linux/arm64',
        '--build-arg=VERSION=1',
        '--build-arg=EMPTY=',
        '--label=dev.kaniko.content-hash=abc',
        '--insecure-registry=198.51.100.7:5000',
        '--insecure-registry=registry.local',
        '--registry-certificate=registry.local=/workspace/.kaniko-dev/certificates/0.pem',
        '--registry-map=docker.io=mirror.example',
        '--skip-default-registry-fallback',
        '--image-download-retry=1',
        '--image-fs-extract-retry=3',
        '--push-retry=3',
        '--log-format=json',
        '--verbosity=debug',
        '--single-snapshot',
      ],
    );
  });

  test('of a layout, with and without an archive', () => {
    const layout = {
      type: 'layout',
      name: 'api-1',
      archive: false,
      destination: 'localhost/api:dev-1',
    } as const;
    const argv = executorArgv(buildOptions, places, layout, {});
    assert.deepEqual(argv.slice(2, 5), [
      '--destination=localhost/api:dev-1',
      '--no-push',
      '--oci-layout-path=/images/api-1',
    ]);
    assert.equal(
      argv.some((argument) => argument.startsWith('--tar-path')),
      false,
    );
    const both = executorArgv(buildOptions, places, { ...layout, archive: true }, {});
    assert.ok(both.includes('--tar-path=/images/api-1.tar'));
  });

  test('without a cache there is no word of it', () => {
    const options = { ...buildOptions, cache: { ...buildOptions.cache, copyLayers: true } };
    assert.doesNotMatch(executorArgv(options, places, push, {}).join('\n'), /cache/);
  });

  test('a value stays one argument, whatever is in it', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('two words', 'a\nb', `"'\`$(id)`, '--flag', 'a=b,c'),
    );
    const plain = executorArgv(buildOptions, places, push, {}).length;
    fc.assert(
      fc.property(value, value, (argument, label) => {
        const argv = executorArgv({ ...buildOptions, buildArgs: { NAME: argument } }, places, push, {
          key: label,
        });
        assert.ok(argv.includes(`--build-arg=NAME=${argument}`));
        assert.ok(argv.includes(`--label=key=${label}`));
        assert.equal(argv.length, plain + 2);
      }),
    );
  });
});
