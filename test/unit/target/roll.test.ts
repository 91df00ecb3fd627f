import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/result.ts';
import { idle } from '../fakes/clock.ts';
import { Loop } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

describe('a roll-out', () => {
  test('goes on beside the next build, and ends for the next roll-out', async () => {
    const loop = await Loop.settled();
    loop.cluster.prompt = false;
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    await loop.succeed();
    await loop.save('src/main.ts', 'third');
    await loop.quiet();
    assert.equal(loop.cluster.rolls[1]?.over, false);
    loop.take();
    const build = await loop.succeed();
    assert.equal(loop.cluster.rolls[1]?.over, true);
    assert.deepEqual(loop.take(), ['built', 'roll-started']);
    loop.cluster.finish();
    await idle();
    assert.deepEqual(loop.take(), ['rolled', 'settled']);
    assert.equal(loop.cluster.digests.at(-1), build.digest);
  });

  test('that fails is told, once', async () => {
    const loop = await Loop.settled();
    loop.cluster.prompt = false;
    await loop.save('src/main.ts', 'crashes');
    await loop.quiet();
    await loop.succeed();
    loop.take();
    loop.cluster.finish(failure('roll-crash', 'app-2 crashes', ''));
    await idle();
    assert.deepEqual(loop.take(), ['step-failed', 'settled']);
    assert.equal(loop.last('step-failed').step, 'roll');
    assert.equal(loop.last('settled').ok, false);
    await loop.hint();
    assert.deepEqual(loop.take(), []);
  });

  test('that could not reach the cluster is tried again with the next hint', async () => {
    const loop = await Loop.settled();
    loop.cluster.prompt = false;
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    const build = await loop.succeed();
    loop.cluster.finish(failure('cluster-unreachable', 'no answer', ''));
    await idle();
    loop.take();
    loop.cluster.prompt = true;
    await loop.hint();
    assert.deepEqual(loop.take(), ['roll-started', 'rolled', 'settled']);
    assert.equal(loop.cluster.digests.at(-1), build.digest);
    await loop.hint();
    assert.deepEqual(loop.take(), []);
  });

  test('by tag names no digest', async () => {
    const { deploy } = targetPlan('api');
    assert.ok(deploy);
    const loop = await Loop.settled(targetPlan('api', { deploy: { ...deploy, by: 'tag' } }));
    assert.equal(loop.cluster.rolls[0]?.request.reference, loop.last('built').image);
  });

  test('of what is not deployed is none', async () => {
    const loop = new Loop(targetPlan('api', { deploy: undefined }));
    await loop.watch();
    await loop.quiet();
    await loop.succeed();
    assert.deepEqual(loop.take().slice(-2), ['built', 'settled']);
    assert.equal(loop.cluster.rolls.length, 0);
  });
});
