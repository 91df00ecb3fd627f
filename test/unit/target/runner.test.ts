/** The runner goes away, is changed by somebody else, and is shared. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/result.ts';
import { Loop } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

const all = 'apply api +Dockerfile +README.md +src/main.ts';

describe('a runner that is lost', () => {
  test('while nothing happens is asked what it holds, and filled when it is empty', async () => {
    const loop = await Loop.settled();
    loop.runner.lose(false);
    await loop.clock.advance(1_000);
    assert.equal(loop.runner.connects, 2);
    assert.deepEqual(loop.take(), []);
    loop.runner.lose(true);
    await loop.clock.advance(1_000);
    assert.deepEqual(loop.take(), ['sync-started', 'synced', 'settled']);
    assert.equal(loop.runner.calls.at(-1), all);
    assert.equal(loop.runner.builds.length, 1);
  });

  test('during a sync gets everything again', async () => {
    const loop = await Loop.settled();
    loop.files.onRead = () => {
      loop.files.onRead = () => {};
      loop.runner.lose(true);
    };
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    assert.equal(loop.runner.connects, 2);
    assert.equal(loop.runner.calls.at(-2), all);
    assert.equal(loop.runner.running?.context.get('src/main.ts'), 'second');
    await loop.succeed();
    assert.equal(loop.last('settled').ok, true);
  });

  test('during a build gets everything again, and builds again', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.runner.lose(true);
    await loop.quiet();
    assert.deepEqual(loop.runner.calls.slice(-2), [all, 'build api']);
    await loop.succeed();
    assert.equal(loop.take().includes('step-failed'), false);
    assert.equal(loop.last('settled').ok, true);
  });

  test('by every build of one content is told, and this content is not built again', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'takes all memory');
    for (let losses = 0; losses < 5; losses += 1) {
      await loop.quiet();
      assert.notEqual(loop.runner.running, undefined, `after ${losses} losses`);
      loop.runner.lose(true);
    }
    await loop.clock.advance(60_000);
    assert.equal(loop.runner.running, undefined);
    assert.equal(loop.last('step-failed').failure.code, 'runner-lost');
    await loop.save('src/main.ts', 'takes less');
    await loop.quiet();
    await loop.succeed();
    assert.equal(loop.last('settled').ok, true);
  });

  test('for long is waited for', async () => {
    const loop = await Loop.settled();
    loop.runner.unreachable = failure('runner-not-ready', 'no pod is ready', '');
    loop.runner.lose(true);
    await loop.save('src/main.ts', 'second');
    await loop.clock.advance(60_000);
    assert.equal(loop.runner.builds.length, 1);
    loop.runner.unreachable = undefined;
    await loop.clock.advance(2_000);
    assert.equal(loop.runner.running?.context.get('src/main.ts'), 'second');
  });
});

describe('a mirror that somebody else changed', () => {
  for (const [name, path, text] of [
    ['another content', 'src/main.ts', 'theirs'],
    ['a foreign file', 'src/theirs.ts', 'theirs'],
    ['a file that is gone', 'src/main.ts', undefined],
  ] as const) {
    test(`is repaired before a build: ${name}`, async () => {
      const loop = await Loop.settled();
      loop.runner.tamper('api', path, text);
      await loop.save('src/other.ts', 'ours');
      await loop.quiet();
      assert.ok(loop.take().includes('drift-repaired'));
      assert.deepEqual(loop.last('drift-repaired').paths, [path]);
      assert.deepEqual(loop.runner.running?.context, loop.files.of('/project/api'));
    });
  }

  test('is not repaired for nothing', async () => {
    const loop = await Loop.settled();
    loop.runner.tamper('api', 'src/main.ts', 'first');
    await loop.save('src/other.ts', 'ours');
    await loop.quiet();
    assert.equal(loop.take().includes('drift-repaired'), false);
  });
});

describe('two targets', () => {
  const plans = [targetPlan('api'), targetPlan('web')] as const;

  test('build one after the other, in their order', async () => {
    const loop = new Loop(...plans);
    await loop.watch();
    await loop.quiet();
    assert.equal(loop.runner.running?.target, 'api');
    assert.equal(loop.take('web').at(-1), 'build-waiting');
    await loop.succeed();
    assert.equal(loop.runner.running?.target, 'web');
    await loop.succeed();
    assert.deepEqual(
      loop.cluster.rolls.map(({ request }) => request.workload.name),
      ['api', 'web'],
    );
  });

  test('are independent: one fails, the other goes on', async () => {
    const loop = await Loop.settled(...plans);
    await loop.save('src/main.ts', 'broken', 'api');
    await loop.save('src/main.ts', 'good', 'web');
    await loop.quiet();
    await loop.fail();
    const build = await loop.succeed();
    assert.equal(build.target, 'web');
    assert.equal(loop.last('rolled').target, 'web');
  });

  test('may be written while the other one builds', async () => {
    const loop = await Loop.settled(...plans);
    await loop.save('src/main.ts', 'slow', 'api');
    await loop.quiet();
    await loop.save('src/main.ts', 'next', 'web');
    await loop.quiet();
    assert.equal(loop.runner.running?.target, 'api');
    assert.equal(loop.runner.texts('web').get('src/main.ts'), 'next');
  });

  test('a change while a target waits for its turn is taken up in that turn', async () => {
    const loop = await Loop.settled(...plans);
    await loop.save('src/main.ts', 'slow', 'api');
    await loop.quiet();
    await loop.save('src/main.ts', '2', 'web');
    await loop.quiet();
    await loop.save('src/main.ts', '3', 'web');
    // The first is cancelled and wants the runner again at once.
    await loop.save('src/main.ts', 'slower', 'api');
    await loop.quiet();
    assert.equal(loop.runner.running?.target, 'web');
    assert.equal(loop.runner.running?.context.get('src/main.ts'), '3');
  });
});
