/**
 * Any sequence of saves, hints, losses, foreign writes, build results and outages: when it is over, what runs is what
 * was saved last. That one build runs at a time, and that nothing is written into a mirror while its build runs, is
 * seen to by the fake runner.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { failure } from '../../../src/result.ts';
import { Loop } from '../fakes/loop.ts';
import { targetPlan } from '../fakes/plan.ts';

const names = ['api', 'web'] as const;
type Name = (typeof names)[number];

type Action =
  | { readonly type: 'save'; readonly target: Name; readonly text: string; readonly hint: boolean }
  | { readonly type: 'unread'; readonly target: Name; readonly text: string }
  | { readonly type: 'hint'; readonly target: Name }
  | { readonly type: 'end' }
  | { readonly type: 'wait'; readonly ms: number }
  | { readonly type: 'lose'; readonly emptied: boolean }
  | { readonly type: 'tamper'; readonly target: Name }
  | { readonly type: 'outage'; readonly begins: boolean }
  | { readonly type: 'unscannable' }
  | { readonly type: 'rebuild'; readonly target: Name };

const target = fc.constantFrom(...names);
// Contents that come back, and some whose build fails.
const text = fc.constantFrom('a', 'b', 'c', 'bad 1', 'bad 2');
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('save' as const), target, text, hint: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unread' as const), target, text }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('hint' as const), target }) },
  { weight: 4, arbitrary: fc.constant({ type: 'end' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(10, 60, 600, 3_000) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), emptied: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('tamper' as const), target }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('outage' as const), begins: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ type: 'unscannable' as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('rebuild' as const), target }) },
);

async function endBuild(loop: Loop): Promise<void> {
  const { running } = loop.runner;
  if (running === undefined) return;
  if (running.context.get('src/main.ts')?.startsWith('bad') === true) await loop.fail();
  else await loop.succeed();
}

async function perform(loop: Loop, step: Action): Promise<void> {
  switch (step.type) {
    case 'save':
      loop.write('src/main.ts', step.text, step.target);
      if (step.hint) await loop.hint(step.target);
      break;
    case 'unread':
      await loop.save('README.md', step.text, step.target);
      break;
    case 'hint':
      await loop.hint(step.target);
      break;
    case 'end':
      await endBuild(loop);
      break;
    case 'wait':
      await loop.clock.advance(step.ms);
      break;
    case 'lose':
      // More than this in a row is taken for the build's own doing.
      if (loop.runner.connects < 4) loop.runner.lose(step.emptied);
      break;
    case 'tamper':
      // What happens to a mirror during its build cannot be seen.
      if (loop.runner.running === undefined) loop.runner.tamper(step.target, 'src/theirs.ts', 'theirs');
      break;
    case 'outage':
      loop.registry.outage = step.begins ? failure('registry-unreachable', 'no answer', '') : undefined;
      break;
    case 'unscannable':
      loop.files.failures.push(failure('file-unstable', 'it moves', ''));
      break;
    case 'rebuild':
      loop.targets[names.indexOf(step.target)]?.rebuild();
      break;
  }
}

/** Every change was noticed, every build ended, all time has passed. */
async function quiescence(loop: Loop): Promise<void> {
  loop.registry.outage = undefined;
  loop.files.failures.length = 0;
  for (const name of names) await loop.hint(name);
  for (let round = 0; ; round += 1) {
    const before = loop.events.length;
    await loop.clock.advance(15_000);
    await endBuild(loop);
    if (loop.events.length === before && loop.runner.running === undefined) {
      // An outage may have ended after the last hint was taken: the next one finds everything as it is.
      for (const name of names) await loop.hint(name);
      await loop.clock.advance(15_000);
      if (loop.events.length === before) return;
    }
    assert.ok(round < 50, 'it comes to rest');
  }
}

function check(loop: Loop): void {
  for (const name of names) {
    const saved = loop.files.of(`/project/${name}`);
    const bad = saved.get('src/main.ts')?.startsWith('bad') === true;
    const images = new Map(loop.runner.builds.map((build) => [build.digest, build]));
    const roll = loop.cluster.rolls.findLast(({ request }) => request.workload.name === name);
    const running = images.get(roll?.request.digest ?? '')?.context.get('src/main.ts');
    if (bad) {
      const last = loop.events.findLast((event) => event.type === 'settled' && event.target === name);
      assert.ok(last?.type === 'settled' && !last.ok, `${name}: the failure is the last that was told`);
    } else {
      assert.equal(running, saved.get('src/main.ts'), `${name}: what runs is what was saved`);
    }
    for (const [path, content] of saved)
      assert.equal(loop.runner.texts(name).get(path), content, `${name}: the mirror holds what was saved`);
  }
  // Equal hashes promise equal contents, of builds and so of images.
  const sources = new Map<string, string | undefined>();
  for (const { contentHash, context, target: name } of loop.runner.builds) {
    const key = `${name} ${contentHash}`;
    const source = context.get('src/main.ts');
    assert.equal(sources.get(key) ?? source, source);
    sources.set(key, source);
    assert.equal(context.has('src/theirs.ts'), false, 'nothing foreign is built');
  }
  // A build that was cancelled is followed by one that was not.
  for (const name of names) {
    const cancelled = loop.events.filter(
      (event) =>
        'target' in event &&
        event.target === name &&
        ['build-cancelled', 'built', 'step-failed', 'build-unneeded', 'settled'].includes(event.type),
    );
    for (const [index, event] of cancelled.entries())
      assert.ok(event.type !== 'build-cancelled' || cancelled[index + 1]?.type !== 'build-cancelled');
  }
}

for (const onChange of ['cancel', 'queue'] as const) {
  test(`what runs is what was saved last: ${onChange}`, { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        const loop = new Loop(...names.map((name) => targetPlan(name, { onChange })));
        await loop.watch();
        for (const step of actions) await perform(loop, step);
        await quiescence(loop);
        check(loop);
        assert.equal(await loop.stop(), 0);
        assert.equal(loop.clock.sleeping, 0);
      }),
      { numRuns: 300 },
    );
  });
}
