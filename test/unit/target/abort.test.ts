/** Ctrl-C in every state: the end comes without the time passing, and nothing fails for it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/result.ts';
import { Loop } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

type Arrange = (loop: Loop) => Promise<void>;

const save: Arrange = (loop) => loop.save('src/main.ts', 'second');
const saveQuietly: Arrange = async (loop) => {
  await save(loop);
  await loop.quiet();
};

const states: Readonly<Record<string, Arrange>> = {
  idle: async () => {},
  'waiting for quiet': save,
  building: saveQuietly,
  'building what may not be cancelled again': async (loop) => {
    await saveQuietly(loop);
    await loop.save('src/main.ts', 'third');
    await loop.quiet();
    await loop.save('src/main.ts', 'fourth');
  },
  'waiting for the turn': async (loop) => {
    await saveQuietly(loop);
    await loop.save('src/main.ts', 'second', 'web');
    await loop.quiet();
  },
  'waiting for the registry': async (loop) => {
    await saveQuietly(loop);
    loop.runner.end(0);
    await loop.clock.advance(700);
  },
  'without a runner': async (loop) => {
    loop.runner.unreachable = failure('runner-not-ready', 'no pod', '');
    loop.runner.lose(true);
    await loop.clock.advance(1_500);
  },
  'rolling out': async (loop) => {
    loop.cluster.prompt = false;
    await saveQuietly(loop);
    await loop.succeed();
  },
  'after a failure': async (loop) => {
    await saveQuietly(loop);
    await loop.fail();
  },
};

const rejections: unknown[] = [];
process.on('unhandledRejection', (reason) => rejections.push(reason));

describe('the end of a watch', () => {
  for (const [state, arrange] of Object.entries(states)) {
    test(state, async () => {
      const loop = await Loop.settled(targetPlan('api'), targetPlan('web'));
      await arrange(loop);
      const before = loop.events.length;
      assert.equal(await loop.stop(), 0);
      assert.deepEqual(
        loop.events.slice(before).filter(({ type }) => type === 'step-failed' || type === 'settled'),
        [],
      );
      assert.equal(loop.runner.running, undefined, 'no build is left behind');
      assert.equal(loop.runner.closed, true);
      assert.equal(loop.clock.sleeping, 0, 'nobody waits for the time to pass');
      assert.deepEqual(rejections, []);
    });
  }
});

describe('the end of a single run', () => {
  for (const [state, arrange] of Object.entries<Arrange>({
    building: async () => {},
    'rolling out': async (loop) => {
      loop.cluster.prompt = false;
      await loop.succeed();
    },
    'waiting for the registry': async (loop) => {
      loop.runner.end(0);
      await loop.clock.advance(700);
    },
  })) {
    test(state, async () => {
      const loop = new Loop();
      await loop.once();
      await arrange(loop);
      assert.equal(await loop.stop(), 130);
      assert.equal(loop.take().includes('step-failed'), false);
      assert.equal(loop.runner.running, undefined);
      assert.equal(loop.clock.sleeping, 0);
      assert.deepEqual(rejections, []);
    });
  }

  test('before it began', async () => {
    const loop = new Loop();
    loop.runner.connect = async () => {
      void loop.stop().catch(() => {});
      return { ok: false, failure: failure('runner-not-ready', 'gave up waiting', '') };
    };
    await loop.once();
    assert.equal(await loop.exitCode(), 130);
    assert.deepEqual(loop.take(), ['session-started']);
  });
});
