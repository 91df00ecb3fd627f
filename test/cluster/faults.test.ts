/** The network between the program and the API server fails in `watch`: what runs in the end is what was saved. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Moltbook } from '../rig/moltbook.ts';
import { Program } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { Proxy } from '../rig/proxy.ts';

const page = 'moltbook-frontend/public/index.html';
const dockerfile = 'moltbook-frontend/Dockerfile';

describe('a failing network', { timeout: 400_000 }, () => {
  let moltbook: Moltbook;
  let place: Project;
  let proxy: Proxy;
  let watch: Program;
  let edits = 0;

  before(async () => {
    moltbook = await Moltbook.create();
    place = await Project.empty();
    proxy = await Proxy.before(moltbook.cluster.apiServer);
    await proxy.writeKubeconfig(moltbook.cluster.developerKubeconfig, place.path('kubeconfig'));
    const first = await moltbook.run(['once', 'frontend']);
    assert.equal(first.code, 0, first.stderr);
  });
  after(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await place?.[Symbol.asyncDispose]();
    await moltbook?.[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    watch = new Program(['watch', 'frontend', '--json'], {
      ...moltbook.developer,
      env: { KUBECONFIG: place.path('kubeconfig') },
    });
    await watch.waitFor('watching');
    await watch.waitFor('settled', ({ ok }) => ok);
    watch.mark();
  });
  afterEach(async () => {
    proxy.latency = 0;
    proxy.pass();
    assert.equal((await watch.interrupt()).code, 130);
  });

  const edit = async (): Promise<string> => {
    edits += 1;
    const text = `edit ${edits}\n`;
    await moltbook.project.write(page, text);
    return text;
  };
  const serves = async (text: string): Promise<void> => {
    await watch.waitFor('settled', ({ ok }) => ok);
    assert.equal(await moltbook.serves('moltbook-frontend', '/index.html'), text);
    assert.deepEqual(
      watch.events.filter(({ type }) => type === 'step-failed' || type === 'session-failed'),
      [],
      'nothing failed for the user',
    );
  };
  /** A build that says `begun N` and then takes some seconds. */
  const slowly = async (): Promise<void> => {
    edits += 1;
    await moltbook.project.edit(dockerfile, (text) =>
      text.replace(/(RUN echo begun[^\n]*\n)?COPY public/, `RUN echo begun ${edits}; sleep 3\nCOPY public`),
    );
    await watch.waitFor('build-output', ({ line }) => line === `begun ${edits}`);
  };
  const openExecutors = (): number => {
    const types = watch.events.map(({ type }) => type);
    const ended = ['built', 'build-cancelled', 'runner-lost'];
    let open = 0;
    for (const type of types) {
      if (type === 'build-started') open += 1;
      else if (ended.includes(type)) open = 0;
      assert.ok(open <= 1, 'one build at a time');
    }
    return open;
  };

  test('a connection that is dropped while idle is opened again at once; the next edit is right', async () => {
    proxy.drop();
    await watch.waitFor('runner-lost', undefined, 2_000);
    const text = await edit();
    const connected = await watch.waitFor('runner-connected', undefined, 10_000);
    assert.ok(connected.ms < 5_000);
    await serves(text);
  });

  test('an edit made while there is no way to the cluster ends up right', async () => {
    proxy.refuse();
    await watch.waitFor('runner-lost', undefined, 2_000);
    await edit();
    const text = await edit();
    const { accepted } = proxy;
    await watch.waitFor('runner-connecting');
    await until(() => proxy.accepted > accepted, 'another attempt');
    proxy.pass();
    await watch.waitFor('runner-connected');
    await serves(text);
  });

  test('a connection that is dropped in the middle of a build: built again, one at a time', async () => {
    await slowly();
    const text = await edit();
    proxy.drop();
    await watch.waitFor('runner-lost');
    await watch.waitFor('built');
    await serves(text);
    assert.equal(openExecutors(), 0);
  });

  test('a half-open connection is noticed by its silence while idle, and an edit made meanwhile ends up right', async () => {
    proxy.freeze();
    const started = performance.now();
    const text = await edit();
    await watch.waitFor('runner-lost', undefined, 50_000);
    assert.ok(performance.now() - started < 45_000);
    const connected = await watch.waitFor('runner-connected');
    assert.ok(connected.ms < 20_000, `connected after ${connected.ms} ms`);
    await serves(text);
  });

  test('a half-open connection in the middle of a build', async () => {
    await slowly();
    proxy.freeze();
    const started = performance.now();
    await watch.waitFor('runner-lost', undefined, 50_000);
    assert.ok(performance.now() - started < 45_000);
    const text = await edit();
    await watch.waitFor('built');
    await serves(text);
    assert.equal(openExecutors(), 0);
  });

  test('no way to the cluster when the image is to be rolled: it is rolled as soon as there is one', async () => {
    watch.onEvent = ({ type }) => {
      if (type === 'roll-started') proxy.refuse();
    };
    const text = await edit();
    await watch.waitFor('runner-lost');
    const { accepted } = proxy;
    // Both the roll-out and the connection to the runner have tried, more than once.
    await until(() => proxy.accepted > accepted + 6, 'further attempts');
    watch.onEvent = () => {};
    proxy.pass();
    await serves(text);
  });

  test('a connection that stalls for less than that goes on as if nothing had been', async () => {
    await slowly();
    const { bytes } = proxy;
    proxy.stall();
    const text = await edit();
    // The edit is seen and its cancelling is on its way.
    await watch.waitFor('build-cancelled');
    assert.equal(proxy.bytes, bytes, 'nothing passed');
    proxy.pass();
    await watch.waitFor('built');
    await serves(text);
    assert.ok(!watch.events.some(({ type }) => type === 'runner-lost'));
  });

  test('100 ms of latency each way: an edit takes longer, and works', async () => {
    proxy.latency = 100;
    const text = await edit();
    const synced = await watch.waitFor('synced');
    assert.ok(synced.ms >= 200 && synced.ms < 2_000, `one round trip or a few, not ${synced.ms} ms`);
    await watch.waitFor('built');
    await serves(text);
  });
});

/** Waits for a condition of the rig itself, which has no events. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `no ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
