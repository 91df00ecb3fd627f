import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/result.ts';
import { idle } from '../fakes/clock.ts';
import { Loop } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

const plans = [targetPlan('api'), targetPlan('web')] as const;

describe('once', () => {
  test('ends with 0 when everything runs, without waiting for quiet', async () => {
    const loop = new Loop(...plans);
    loop.cluster.prompt = false;
    await loop.once();
    await loop.succeed();
    loop.cluster.finish();
    await loop.succeed();
    assert.equal(loop.take('web').includes('settled'), false);
    loop.cluster.finish();
    assert.equal(await loop.exitCode(), 0);
    assert.equal(loop.runner.closed, true);
    assert.equal(loop.clock.monotonic(), 0);
  });

  test('does nothing twice', async () => {
    const loop = new Loop();
    await loop.once();
    await loop.succeed();
    assert.equal(await loop.exitCode(), 0);
    loop.take();
    await loop.once();
    assert.equal(await loop.exitCode(), 0);
    assert.deepEqual(loop.take(), ['session-started', 'build-unneeded', 'roll-started', 'rolled', 'settled']);
  });

  test('ends with the code of the first failure in the order of the targets', async () => {
    const loop = new Loop(...plans);
    await loop.once();
    loop.cluster.prompt = false;
    // The second target fails first, with a roll-out; the first one fails later.
    await loop.succeed();
    const api = loop.cluster.rolls[0];
    await loop.fail();
    api?.ended.resolve({ ok: false, failure: failure('roll-crash', 'crashes', '') });
    assert.equal(await loop.exitCode(), 7);
  });

  test('gives up on a runner that keeps going away', async () => {
    const loop = new Loop();
    await loop.once();
    for (let losses = 0; losses < 5; losses += 1) {
      loop.runner.lose(true);
      await idle();
    }
    assert.equal(await loop.exitCode(), 3);
    assert.equal(loop.last('step-failed').failure.code, 'runner-lost');
  });

  test('ends at once when there is no runner', async () => {
    const loop = new Loop();
    loop.runner.unreachable = failure('runner-missing', 'no such deployment', '');
    await loop.once();
    assert.equal(await loop.exitCode(), 3);
    assert.deepEqual(loop.take(), ['session-started', 'session-failed']);
  });

  test('waits for a roll-out, and says why it failed', async () => {
    const loop = new Loop();
    loop.cluster.prompt = false;
    await loop.once();
    await loop.succeed();
    loop.cluster.finish(failure('roll-timeout', 'not ready', ''));
    assert.equal(await loop.exitCode(), 7);
  });
});

describe('watch', () => {
  test('ends when a context cannot be watched, and watches none any more', async () => {
    const loop = new Loop(...plans);
    loop.unwatchable.set('/project/web', failure('context-missing', 'no /project/web', ''));
    await loop.watch();
    assert.equal(await loop.exitCode(), 2);
    assert.deepEqual(loop.take(), ['session-started', 'session-failed']);
    assert.equal(loop.watched.get('/project/api')?.aborted, true);
    assert.equal(loop.runner.closed, true);
  });
});
