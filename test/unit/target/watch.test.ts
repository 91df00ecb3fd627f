import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { failure } from '../../../src/result.ts';
import { idle } from '../fakes/clock.ts';
import { Loop, dockerfile } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

const updated = ['sync-started', 'synced', 'build-started', 'built', 'roll-started', 'rolled', 'settled'];

describe('a change', () => {
  test('goes all the way: sync, build, roll', async () => {
    const loop = new Loop();
    await loop.watch();
    await loop.quiet();
    const build = await loop.succeed();
    assert.deepEqual(loop.take(), ['session-started', 'watching', ...updated]);
    assert.deepEqual(loop.cluster.digests, [build.digest]);
    const { image, digest } = loop.last('built');
    assert.equal(loop.last('roll-started').image, `${image}@${digest}`);
    assert.equal(loop.last('settled').ok, true);

    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    const next = await loop.succeed();
    assert.deepEqual(loop.take(), updated);
    assert.deepEqual(loop.last('synced').paths, ['src/main.ts']);
    assert.notEqual(next.contentHash, build.contentHash);
    assert.equal(loop.last('built').generation, 2);
    assert.equal(await loop.stop(), 0);
    assert.equal(loop.runner.closed, true);
  });

  test('of nothing does nothing', async () => {
    const loop = await Loop.settled();
    await loop.hint();
    await loop.save('src/main.ts', 'first');
    await loop.clock.advance(10_000);
    assert.deepEqual(loop.take(), []);
    assert.equal(loop.runner.builds.length, 1);
  });

  test('that no instruction reads is synced and not built', async () => {
    const loop = await Loop.settled();
    await loop.save('README.md', 'new words');
    await loop.quiet();
    assert.deepEqual(loop.take(), ['sync-started', 'synced', 'change-unread', 'settled']);
    assert.equal(loop.runner.texts('api').get('README.md'), 'new words');
    assert.equal(loop.runner.builds.length, 1);
  });

  test('back to what was built before needs no build, but a roll-out', async () => {
    const loop = await Loop.settled();
    const [first] = loop.cluster.digests;
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    await loop.succeed();
    loop.take();
    await loop.save('src/main.ts', 'first');
    await loop.quiet();
    assert.deepEqual(loop.take(), [
      'sync-started',
      'synced',
      'build-unneeded',
      'roll-started',
      'rolled',
      'settled',
    ]);
    assert.equal(loop.cluster.digests.at(-1), first);
    assert.equal(loop.runner.builds.length, 2);
  });

  test('whose tag somebody moved is built', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    const { image } = loop.last('built');
    await loop.quiet();
    await loop.succeed();
    // The tag of the first content leads to the image of the second.
    loop.registry.tags.set(image.slice(image.indexOf('/') + 1), loop.last('built').digest);
    await loop.save('src/main.ts', 'first');
    await loop.quiet();
    assert.equal(loop.runner.builds.length, 3);
  });
});

describe('hints', () => {
  test('within the settle time make one build', async () => {
    const loop = await Loop.settled();
    for (let edit = 0; edit < 5; edit += 1) {
      await loop.save('src/main.ts', `edit ${edit}`);
      await loop.clock.advance(40);
    }
    assert.equal(loop.runner.builds.length, 1);
    await loop.clock.advance(50);
    assert.equal(loop.runner.running?.context.get('src/main.ts'), 'edit 4');
    assert.equal(loop.runner.builds.length, 2);
  });

  test('without end make a build after two seconds', async () => {
    const loop = await Loop.settled();
    const started = loop.clock.monotonic();
    for (let edit = 0; loop.runner.running === undefined; edit += 1) {
      await loop.save('src/main.ts', `edit ${edit}`);
      await loop.clock.advance(40);
      assert.ok(edit < 100);
    }
    const waited = loop.clock.monotonic() - started;
    assert.ok(waited >= 1_950 && waited <= 2_050, `${waited}`);
  });

  test('after a cancelled build have the settle time again', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.clock.advance(60_000);
    await loop.save('src/a.ts', 'one of many');
    await loop.clock.advance(40);
    assert.equal(loop.runner.builds.length, 2, 'the first was cancelled, the next waits for quiet');
    await loop.save('src/b.ts', 'another');
    await loop.quiet();
    assert.equal(loop.runner.running?.context.get('src/b.ts'), 'another');
  });
});

describe('a change during a build', () => {
  test('cancels it, and the newest content is built', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.take();
    await loop.save('src/main.ts', 'third');
    assert.equal(loop.runner.builds[1]?.killed, true);
    await loop.quiet();
    const build = await loop.succeed();
    assert.equal(build.context.get('src/main.ts'), 'third');
    assert.deepEqual(loop.take(), ['build-cancelled', ...updated]);
    assert.equal(loop.cluster.digests.at(-1), build.digest);
  });

  test('never cancels twice in a row, and the newest content is built last', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', '2');
    await loop.quiet();
    await loop.save('src/main.ts', '3');
    await loop.quiet();
    await loop.save('src/main.ts', '4');
    await loop.save('src/main.ts', '5');
    await loop.quiet();
    assert.equal(loop.runner.running?.context.get('src/main.ts'), '3');
    assert.equal(loop.runner.running?.killed, false);
    await loop.succeed();
    await loop.quiet();
    assert.equal(loop.runner.running?.context.get('src/main.ts'), '5');
    // One has finished: the next may be cancelled again.
    await loop.save('src/main.ts', '6');
    await loop.quiet();
    const build = await loop.succeed();
    assert.equal(build.context.get('src/main.ts'), '6');
    assert.deepEqual(
      loop.runner.builds.map(({ killed }) => killed),
      [false, true, false, true, false],
    );
    assert.equal(loop.cluster.digests.at(-1), build.digest);
  });

  test('waits for its end when that is configured', async () => {
    const loop = await Loop.settled(targetPlan('api', { onChange: 'queue' }));
    await loop.save('src/main.ts', '2');
    await loop.quiet();
    await loop.save('src/main.ts', '3');
    await loop.save('src/main.ts', '4');
    assert.equal(loop.runner.running?.context.get('src/main.ts'), '2');
    await loop.succeed();
    await loop.quiet();
    assert.equal((await loop.succeed()).context.get('src/main.ts'), '4');
    assert.equal(loop.runner.builds.length, 3);
    assert.equal(loop.take().includes('build-cancelled'), false);
  });

  test('of a file that the build does not read is synced after it', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.take();
    await loop.save('README.md', 'new words');
    await loop.clock.advance(1_000);
    assert.equal(loop.runner.running?.killed, false);
    assert.equal(loop.runner.texts('api').get('README.md'), 'read me');
    await loop.succeed();
    assert.deepEqual(loop.take(), [
      'built',
      'roll-started',
      'rolled',
      'settled',
      'sync-started',
      'synced',
      'change-unread',
      'settled',
    ]);
    assert.equal(loop.runner.texts('api').get('README.md'), 'new words');
  });

  test('seen in the middle of a save does not stop the looking', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    await loop.save('Dockerfile', undefined);
    await loop.save('Dockerfile', `${dockerfile}RUN more\n`);
    assert.equal(loop.runner.builds[1]?.killed, true);
    await loop.quiet();
    assert.match(loop.runner.running?.dockerfile ?? '', /RUN more/);
  });

  test('and back again is told', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.take();
    await loop.save('src/main.ts', 'first');
    await loop.quiet();
    assert.deepEqual(loop.take(), ['build-cancelled', 'sync-started', 'synced', 'build-unneeded', 'settled']);
    assert.equal(loop.last('build-unneeded').digest, loop.cluster.digests.at(-1));
    assert.equal(loop.cluster.rolls.length, 1);
  });

  test('that comes while the registry is asked is a cancelled build, not a failed one', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.runner.end(0);
    await loop.clock.advance(600);
    loop.take();
    await loop.save('src/main.ts', 'third');
    await loop.quiet();
    assert.deepEqual(loop.take(), ['build-cancelled', 'sync-started', 'synced', 'build-started']);
  });
});

describe('a failed build', () => {
  test('is told once, and tried again only with another content', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'broken');
    await loop.quiet();
    loop.take();
    await loop.fail();
    assert.deepEqual(loop.take(), ['step-failed', 'settled']);
    const { failure: cause, step } = loop.last('step-failed');
    assert.equal(step, 'build');
    assert.equal(cause.code, 'build-run-failed');
    assert.equal(cause.message, 'RUN make (Dockerfile line 3) failed with exit code 2');
    assert.equal(loop.last('settled').ok, false);
    await loop.hint();
    await loop.clock.advance(10_000);
    assert.deepEqual(loop.take(), []);
    await loop.save('src/main.ts', 'mended');
    await loop.quiet();
    await loop.succeed();
    assert.equal(loop.last('settled').ok, true);
  });

  test('is told again when its content comes back', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'broken');
    await loop.quiet();
    await loop.fail();
    await loop.save('src/main.ts', 'other');
    await loop.quiet();
    await loop.succeed();
    loop.take();
    await loop.save('src/main.ts', 'broken');
    await loop.quiet();
    assert.deepEqual(loop.take(), ['sync-started', 'synced', 'step-failed', 'settled']);
  });

  test('is followed by what was good before: nothing to build', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'broken');
    await loop.quiet();
    await loop.fail();
    loop.take();
    await loop.save('src/main.ts', 'first');
    await loop.quiet();
    assert.deepEqual(loop.take(), ['sync-started', 'synced', 'build-unneeded', 'settled']);
    assert.equal(loop.last('settled').ok, true);
  });

  test('for want of a registry is tried again with the next hint', async () => {
    const loop = await Loop.settled();
    loop.registry.outage = failure('registry-unreachable', 'no answer', '');
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    assert.equal(loop.last('step-failed').failure.code, 'registry-unreachable');
    loop.registry.outage = undefined;
    await loop.hint();
    await loop.quiet();
    await loop.succeed();
    assert.equal(loop.last('settled').ok, true);
  });

  for (const [name, lines, exitCode] of [
    [
      'a base image that is not there',
      ['error building image: GET https://r/v2/a/manifests/1: MANIFEST_UNKNOWN: x'],
      1,
    ],
    ['no space', ['error building image: write /kaniko/1: no space left on device'], 1],
    ['an executor that was killed', [], 137],
    ['a refused push', ['error pushing image: failed to push to destination r/a:1: DENIED: no'], 1],
  ] as const) {
    test(`for ${name} is tried again with the next hint`, async () => {
      const loop = await Loop.settled();
      await loop.save('src/main.ts', 'second');
      await loop.quiet();
      await loop.fail(lines, exitCode);
      assert.equal(loop.last('settled').ok, false);
      await loop.hint();
      await loop.quiet();
      await loop.succeed();
      assert.equal(loop.last('settled').ok, true);
    });
  }

  test('is one that takes too long', async () => {
    const loop = await Loop.settled(targetPlan('api', { timeout: 60_000 }));
    await loop.save('src/main.ts', 'endless');
    await loop.quiet();
    await loop.clock.advance(60_000);
    assert.equal(loop.last('step-failed').failure.code, 'build-timeout');
    assert.equal(loop.runner.running, undefined);
  });

  test('is one whose image the registry does not show', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.runner.end(0);
    await loop.clock.advance(9_000);
    assert.equal(loop.take().includes('step-failed'), false);
    await loop.clock.advance(2_000);
    assert.equal(loop.last('step-failed').failure.code, 'registry-mismatch');
    assert.equal(loop.cluster.rolls.length, 1);
  });

  test('is one without a digest', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    loop.runner.end(0, '');
    await idle();
    assert.equal(loop.last('step-failed').failure.code, 'build-no-digest');
  });
});

describe('a missing Dockerfile', () => {
  test('is told with a generation, and its return is taken up', async () => {
    const loop = await Loop.settled();
    await loop.save('Dockerfile', undefined);
    const { step, generation, failure: cause } = loop.last('step-failed');
    assert.deepEqual(
      { step, generation, code: cause.code },
      { step: 'scan', generation: 2, code: 'dockerfile-missing' },
    );
    await loop.save('Dockerfile', `${dockerfile}RUN more\n`);
    await loop.quiet();
    await loop.succeed();
    assert.equal(loop.last('settled').ok, true);
  });
});

describe('files that move while they are sent', () => {
  test('are read and sent again', async () => {
    const loop = await Loop.settled();
    let moves = 2;
    loop.files.onRead = () => {
      if (moves-- > 0) loop.write('src/main.ts', `moved ${moves}`);
    };
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    assert.equal(loop.runner.running?.context.get('src/main.ts'), 'moved 0');
    assert.equal(loop.take().includes('step-failed'), false);
  });

  test('without end are told, and the next hint tries again', async () => {
    const loop = await Loop.settled();
    let count = 0;
    loop.files.onRead = () => loop.write('src/main.ts', `moved ${(count += 1)}`);
    await loop.save('src/main.ts', 'second');
    await loop.clock.advance(10_000);
    assert.equal(loop.last('step-failed').failure.code, 'file-unstable');
    loop.files.onRead = () => {};
    await loop.hint();
    await loop.quiet();
    assert.equal(loop.runner.running?.context.get('src/main.ts'), `moved ${count}`);
  });
});

describe('a request to build again', () => {
  test('builds what is built already', async () => {
    const loop = await Loop.settled();
    loop.targets[0]?.rebuild();
    await loop.quiet();
    assert.equal(loop.runner.builds.length, 2);
    await loop.succeed();
    await loop.hint();
    await loop.clock.advance(1_000);
    assert.equal(loop.runner.builds.length, 2);
  });

  test('builds what failed', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'broken');
    await loop.quiet();
    await loop.fail();
    loop.targets[0]?.rebuild();
    await loop.quiet();
    await loop.fail();
    await loop.hint();
    await loop.clock.advance(1_000);
    assert.equal(loop.runner.builds.length, 3);
  });

  test('is not lost when it comes while the registry is asked', async () => {
    const loop = await Loop.settled();
    await loop.save('src/main.ts', 'second');
    await loop.quiet();
    await loop.succeed();
    loop.write('src/main.ts', 'first');
    void loop.hint();
    const resolve = loop.registry.resolve.bind(loop.registry);
    loop.registry.resolve = async (...asked) => {
      loop.registry.resolve = resolve;
      const answer = await resolve(...asked);
      loop.targets[0]?.rebuild();
      return answer;
    };
    await loop.clock.advance(200);
    assert.equal(loop.runner.builds.length, 3);
  });
});
