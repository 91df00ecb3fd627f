/** The loop end to end: the real program as a restricted user, a real cluster, registry and executor. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rename, writeFile } from 'node:fs/promises';
import { Moltbook } from '../rig/moltbook.ts';

describe('the loop', { timeout: 600_000 }, () => {
  let moltbook: Moltbook;
  before(async () => {
    moltbook = await Moltbook.create();
  });
  after(async () => {
    await moltbook[Symbol.asyncDispose]();
  });

  test('a saved file is served by a rolled pod; the other target is left alone', async () => {
    const watch = moltbook.start(['watch']);
    try {
      await watch.waitFor('watching');
      const settled = [await watch.waitFor('settled'), await watch.waitFor('settled')];
      assert.deepEqual(settled.map((event) => [event.target, event.ok]).toSorted(), [
        ['api', true],
        ['frontend', true],
      ]);
      assert.equal(await moltbook.serves('moltbook-frontend', '/index.html'), 'frontend: first version\n');
      assert.equal(await moltbook.serves('moltbook-api'), 'api: first version\n');

      watch.mark();
      await moltbook.project.write('moltbook-frontend/public/index.html', 'frontend: second version\n');
      const built = await watch.waitFor('built');
      await watch.waitFor('settled', (event) => event.ok);
      assert.equal(built.target, 'frontend');
      assert.equal(await moltbook.serves('moltbook-frontend', '/index.html'), 'frontend: second version\n');

      const pod = await moltbook.pod('moltbook-frontend');
      assert.deepEqual(pod.imageIds, [
        `${moltbook.cluster.registry}/${moltbook.owner}/moltbook-frontend@${built.digest}`,
      ]);
      const tag = built.image.slice(built.image.lastIndexOf(':') + 1);
      const manifest = await fetch(
        `http://${moltbook.cluster.registry}/v2/${moltbook.owner}/moltbook-frontend/manifests/${tag}`,
        { headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json' } },
      );
      assert.equal(manifest.headers.get('docker-content-digest'), built.digest);
      const { config } = (await manifest.json()) as { config: { digest: string } };
      const blob = await fetch(
        `http://${moltbook.cluster.registry}/v2/${moltbook.owner}/moltbook-frontend/blobs/${config.digest}`,
      );
      const { config: image } = (await blob.json()) as { config: { Labels: Record<string, string> } };
      assert.equal(image.Labels['dev.kaniko.content-hash'], built.contentHash);

      assert.ok(!(await moltbook.tags('moltbook-frontend')).includes('latest'));
      assert.ok(!(await moltbook.tags('moltbook-api')).includes('latest'));
      const builds = watch.events
        .filter((event) => event.type === 'build-started')
        .map((event) => event.target);
      assert.deepEqual(builds.toSorted(), ['api', 'frontend', 'frontend']);
      const api = await moltbook.images('moltbook-api');
      const [container, init] = api.split(' ');
      assert.equal(container, init, 'container and init container run the same image');
      assert.match(container ?? '', /:dev-[0-9a-f]{12}@sha256:[0-9a-f]{64}$/);
    } finally {
      const { code } = await watch.interrupt();
      assert.equal(code, 130);
    }
  });

  test('once without a change builds nothing and rolls nothing, within a second after connecting', async () => {
    const first = await moltbook.run(['once', '--target', 'frontend']);
    assert.equal(first.code, 0, first.stderr);
    const second = await moltbook.run(['once', '--target', 'frontend']);
    assert.equal(second.code, 0, second.stderr);
    const types = second.events.map(({ type }) => type);
    assert.ok(types.includes('build-unneeded'));
    assert.ok(!types.includes('build-started') && !types.includes('synced'));
    const rolled = second.events.find((event) => event.type === 'rolled');
    assert.equal(rolled?.changed, false);
    const settled = second.events.find((event) => event.type === 'settled');
    assert.ok(settled !== undefined && settled.ms < 1_000, `took ${settled?.ms} ms`);
  });

  test('a failing RUN says which and why, pushes and rolls nothing; the next good build is right', async () => {
    const before = await moltbook.images('moltbook-frontend');
    const tags = await moltbook.tags('moltbook-frontend');
    const good = 'moltbook-frontend/Dockerfile';
    await moltbook.project.edit(good, (text) =>
      text.replace('COPY public', 'RUN echo about to fail; fi\nCOPY public'),
    );
    const failed = await moltbook.run(['once', 'frontend']);
    assert.equal(failed.code, 5);
    const event = failed.events.find(({ type }) => type === 'step-failed');
    assert.ok(event?.type === 'step-failed');
    assert.equal(event.failure.code, 'build-run-failed');
    assert.match(
      event.failure.message,
      /^RUN echo about to fail; fi \(Dockerfile line 3\) failed with exit code 2$/,
    );
    assert.match(event.failure.detail?.join('\n') ?? '', /syntax error/);
    assert.equal(await moltbook.images('moltbook-frontend'), before);
    assert.deepEqual(await moltbook.tags('moltbook-frontend'), tags);

    await moltbook.project.edit(good, (text) =>
      text.replace('RUN echo about to fail; fi', 'RUN echo well > /www/well.txt'),
    );
    const mended = await moltbook.run(['once', 'frontend']);
    assert.equal(mended.code, 0, mended.stderr);
    assert.equal(await moltbook.serves('moltbook-frontend', '/well.txt'), 'well\n');
  });

  test('deleted and renamed files are gone from the next image, from cached commands too', async () => {
    const { project } = moltbook;
    await project.write('api/src/index.ts', 'export {};\n');
    await project.write('api/src/gone.js', 'export {};\n');
    await project.edit('api/Dockerfile', (text) => `${text}RUN ls src > /app/listed.txt\n`);
    const listed = async (): Promise<string[]> => {
      const { name } = await moltbook.pod('moltbook-api');
      const files = await moltbook.kubectl(['exec', name, '-c', 'api', '--', 'ls', '/app/src']);
      const cached = await moltbook.kubectl(['exec', name, '-c', 'api', '--', 'cat', '/app/listed.txt']);
      assert.equal(files, cached, 'the RUN that lists the files saw the files of this image');
      return files.trim().split('\n');
    };
    assert.equal((await moltbook.run(['once', 'api'])).code, 0);
    assert.deepEqual(await listed(), ['gone.js', 'greeting.js', 'index.ts', 'migrate.js', 'server.js']);
    await project.remove('api/src/gone.js');
    await rename(project.path('api/src/index.ts'), project.path('api/src/index.tsx'));
    assert.equal((await moltbook.run(['once', 'api'])).code, 0);
    assert.deepEqual(await listed(), ['greeting.js', 'index.tsx', 'migrate.js', 'server.js']);
    await rename(project.path('api/src/index.tsx'), project.path('api/src/other.tsx'));
    assert.equal((await moltbook.run(['once', 'api'])).code, 0);
    assert.deepEqual(await listed(), ['greeting.js', 'migrate.js', 'other.tsx', 'server.js']);
  });

  test('a second daemon on the same workspace names the holder and leaves', async () => {
    const watch = moltbook.start(['watch', 'frontend']);
    try {
      await watch.waitFor('watching');
      const second = await moltbook.run(['once', 'api']);
      assert.equal(second.code, 3);
      const failed = second.events.find((event) => event.type === 'session-failed');
      assert.equal(failed?.failure.code, 'runner-held');
      assert.match(failed?.failure.message ?? '', /is in use by \w+@[\w.-]+$/);
    } finally {
      await watch.interrupt();
    }
    const free = await moltbook.run(['once', 'api']);
    assert.equal(free.code, 0, 'the lock went with its holder');
  });

  test('the runner pod is killed during a sync: the mirror is seeded again and the image is right', async () => {
    const { project } = moltbook;
    const watch = moltbook.start(['watch', 'frontend']);
    try {
      await watch.waitFor('settled', (event) => event.ok);
      watch.mark();
      const big = Buffer.alloc(150_000_000, 'kaniko-dev');
      await writeFile(project.path('moltbook-frontend/public/big.bin'), big);
      await watch.waitFor('sync-started', (event) => event.bytes >= big.length);
      const pod = await moltbook.runnerPod();
      await moltbook.kubectl(['delete', 'pod', pod, '--grace-period=0', '--force']);
      await watch.waitFor('runner-lost');
      await watch.waitFor('runner-connected', (event) => !event.runner.includes(pod));
      await watch.waitFor('built');
      await watch.waitFor('settled', (event) => event.ok);
      const { name } = await moltbook.pod('moltbook-frontend');
      const size = await moltbook.kubectl(['exec', name, '--', 'stat', '-c', '%s', '/www/big.bin']);
      assert.equal(Number(size), big.length);
    } finally {
      await watch.interrupt();
      await project.remove('moltbook-frontend/public/big.bin');
    }
  });

  test('the runner pod is killed during a build: it is built again and the image is right', async () => {
    const { project } = moltbook;
    const watch = moltbook.start(['watch', 'frontend']);
    try {
      await watch.waitFor('settled', (event) => event.ok);
      watch.mark();
      await project.edit('moltbook-frontend/Dockerfile', (text) =>
        text.replace('COPY public', 'RUN echo slow; sleep 3; echo slow > /www/slow.txt\nCOPY public'),
      );
      await watch.waitFor('build-progress', (event) => event.text.startsWith('RUN echo slow'));
      const pod = await moltbook.runnerPod();
      await moltbook.kubectl(['delete', 'pod', pod, '--grace-period=0', '--force']);
      await watch.waitFor('runner-lost');
      await watch.waitFor('built');
      await watch.waitFor('settled', (event) => event.ok);
      assert.equal(await moltbook.serves('moltbook-frontend', '/slow.txt'), 'slow\n');
    } finally {
      await watch.interrupt();
    }
  });
});
