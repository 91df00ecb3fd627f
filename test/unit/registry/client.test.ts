/** Against a real docker-registry. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeRegistry } from '../../../src/registry/client.ts';
import {
  certificate,
  dockerRegistry,
  push,
  pushManifest,
  sha256,
  type Certificate,
  type Running,
} from './rig.ts';

const { signal } = new AbortController();
const user = { name: 'jane', password: 'pw-s3cret' };
let directory: string;
let plain: Running;
let guarded: Running;
let own: Certificate;
let foreign: Certificate;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-test-'));
  own = certificate(directory, 'IP:127.0.0.1');
  foreign = certificate(directory, 'DNS:other.test');
  [plain, guarded] = await Promise.all([dockerRegistry(), dockerRegistry({ certificate: own, user })]);
});

after(async () => {
  await Promise.all([plain?.stop(), guarded?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

test('a tag resolves to its digest, labels are read, and a deleted tag is gone', async () => {
  const image = { registry: plain.host, repository: 'ardenone/api' };
  const registry = makeRegistry({});
  assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: undefined });
  const pushed = await push(plain.host, image.repository, 'v1', { 'dev.kaniko.content': 'abc' });
  assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: pushed.digest });
  assert.deepEqual(await registry.labels(image, pushed.digest, signal), {
    ok: true,
    value: { 'dev.kaniko.content': 'abc' },
  });
  const file = join(directory, 'layer');
  assert.deepEqual(await registry.blobToFile(image, pushed.layer, file, signal), {
    ok: true,
    value: undefined,
  });
  assert.equal(readFileSync(file, 'utf8'), 'layer of v1');
  assert.deepEqual(await registry.deleteManifest(image, pushed.digest, signal), {
    ok: true,
    value: undefined,
  });
  assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: undefined });
  assert.deepEqual(await registry.deleteManifest(image, pushed.digest, signal), {
    ok: true,
    value: undefined,
  });
  const gone = await registry.labels(image, pushed.digest, signal);
  assert.ok(!gone.ok && gone.failure.code === 'registry-protocol', JSON.stringify(gone));
});

test('of an index the linux/amd64 image is read', async () => {
  const image = { registry: plain.host, repository: 'multi' };
  const registry = makeRegistry({});
  const arm = await push(plain.host, 'multi', 'arm', { arch: 'arm64' });
  const amd = await push(plain.host, 'multi', 'amd', { arch: 'amd64' });
  const entry = (digest: string, os: string, architecture: string): object => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest,
    size: 1,
    platform: { os, architecture },
  });
  const type = 'application/vnd.oci.image.index.v1+json';
  const index = (...manifests: object[]): object => ({ schemaVersion: 2, mediaType: type, manifests });
  const both = index(
    entry(amd.digest, 'unknown', 'unknown'),
    entry(arm.digest, 'linux', 'arm64'),
    entry(amd.digest, 'linux', 'amd64'),
  );
  const digest = await pushManifest(plain.host, 'multi', 'both', type, both);
  assert.deepEqual(await registry.resolve(image, 'both', signal), { ok: true, value: digest });
  assert.deepEqual(await registry.labels(image, digest, signal), { ok: true, value: { arch: 'amd64' } });
  const other = await pushManifest(
    plain.host,
    'multi',
    'one',
    type,
    index(entry(arm.digest, 'linux', 'arm64')),
  );
  assert.deepEqual(await registry.labels(image, other, signal), { ok: true, value: { arch: 'arm64' } });
  const empty = await pushManifest(plain.host, 'multi', 'none', type, index());
  const none = await registry.manifest(image, empty, signal);
  assert.ok(!none.ok && none.failure.code === 'registry-protocol');
});

test('TLS and Basic credentials: right, missing and wrong', async () => {
  const image = { registry: guarded.host, repository: 'private/api' };
  const certificates = { [guarded.host]: own.pem };
  const right = makeRegistry({
    certificates,
    credentials: () => Promise.resolve({ username: user.name, password: user.password }),
  });
  assert.deepEqual(await right.resolve(image, 'v1', signal), { ok: true, value: undefined });
  const missing = await makeRegistry({ certificates }).resolve(image, 'v1', signal);
  assert.ok(!missing.ok);
  assert.equal(missing.failure.code, 'registry-unauthorized');
  assert.match(missing.failure.message, /there are none for it/);
  const wrong = await makeRegistry({
    certificates,
    credentials: () => Promise.resolve({ username: user.name, password: 'not-s3cret' }),
  }).resolve(image, 'v1', signal);
  assert.ok(!wrong.ok);
  assert.equal(wrong.failure.code, 'registry-unauthorized');
  assert.match(wrong.failure.message, /does not accept the credentials/);
  assert.doesNotMatch(JSON.stringify(wrong), /s3cret|amFuZ/);
});

test('certificates: unknown authority, another host name, and TLS spoken to plain HTTP or the reverse', async () => {
  const code = async (
    running: Running,
    certificates: Record<string, string>,
    pattern: RegExp,
  ): Promise<void> => {
    const image = { registry: running.host, repository: 'x' };
    const answer = await makeRegistry({ certificates, timeouts: { retry: 1 } }).resolve(image, 'v1', signal);
    assert.ok(!answer.ok, 'refused');
    assert.equal(answer.failure.code, 'registry-certificate', answer.failure.message);
    assert.match(`${answer.failure.message} ${answer.failure.remedy}`, pattern);
  };
  await code(guarded, { [guarded.host]: foreign.pem }, /unknown authority.*registry\.certificates/);
  await code(plain, { [plain.host]: own.pem }, /speaks plain HTTP.*registry\.insecure/);
  await code(guarded, {}, /speaks HTTPS.*registry\.insecure/);
  const elsewhere = await dockerRegistry({ certificate: foreign });
  try {
    await code(elsewhere, { [elsewhere.host]: foreign.pem }, /another host name/);
  } finally {
    await elsewhere.stop();
  }
});

test('a blob that exists as a local file is never overwritten', async () => {
  const image = { registry: plain.host, repository: 'keep' };
  const pushed = await push(plain.host, 'keep', 'v1', {});
  const file = join(directory, 'kept');
  writeFileSync(file, 'mine');
  await assert.rejects(makeRegistry({}).blobToFile(image, pushed.layer, file, signal), /EEXIST/);
  assert.ok(existsSync(file));
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});

test('a registry that is not there', async () => {
  const gone = await dockerRegistry();
  await gone.stop();
  const image = { registry: gone.host, repository: 'x' };
  const answer = await makeRegistry({ timeouts: { retry: 1 } }).resolve(image, 'v1', signal);
  assert.ok(!answer.ok);
  assert.equal(answer.failure.code, 'registry-unreachable');
  assert.match(answer.failure.message, new RegExp(`${gone.host}.*connection refused`));
});

test('blob digests are checked in memory', async () => {
  const image = { registry: plain.host, repository: 'ardenone/blob' };
  const pushed = await push(plain.host, image.repository, 'v1', { a: 'b' });
  const config = await makeRegistry({}).blob(image, pushed.config, signal);
  assert.ok(config.ok);
  assert.equal(sha256(config.value), pushed.config);
});
