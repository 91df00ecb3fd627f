import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Failure, Result } from '../../../src/result.ts';
import { Agent, type FollowerFrame } from '../../../src/runner/agent.ts';
import { FakeChannel } from '../fakes/channel.ts';
import { FakeClock, idle } from '../fakes/clock.ts';

interface Rig {
  readonly agent: Agent;
  readonly channel: FakeChannel;
  readonly clock: FakeClock;
}

async function open(): Promise<Rig> {
  const channel = new FakeChannel();
  const clock = new FakeClock();
  const opening = Agent.open(channel, clock);
  await idle();
  await channel.say('agent 1\n');
  const opened = await opening;
  assert.ok(opened.ok);
  await channel.written();
  return { agent: opened.value, channel, clock };
}

/** What an answer that must have come by now is. */
async function settled<T>(answer: Promise<T>): Promise<T> {
  await idle();
  const pending = Symbol('pending');
  const first = await Promise.race([answer, Promise.resolve(pending)]);
  assert.notEqual(first, pending, 'it was answered');
  return first as T;
}

const texts = (result: Result<readonly Uint8Array[]>): string[] => {
  assert.ok(result.ok);
  return result.value.map((bytes) => Buffer.from(bytes).toString());
};

const codeOf = (result: Result<unknown>): string => {
  assert.ok(!result.ok);
  return result.failure.code;
};

describe('opening', () => {
  test('sends the agent, counted, and waits for its greeting', async () => {
    const channel = new FakeChannel();
    const opening = Agent.open(channel, new FakeClock());
    const sent = await channel.written();
    const [count = ''] = sent.split('\n', 1);
    assert.equal(sent.length, count.length + 1 + Number(count));
    await channel.say('agent 1\n');
    assert.ok((await settled(opening)).ok);
  });

  test('fails when nothing comes', async () => {
    const channel = new FakeChannel();
    const clock = new FakeClock();
    const opening = Agent.open(channel, clock);
    await clock.advance(30_000);
    assert.equal(codeOf(await settled(opening)), 'runner-lost');
    assert.equal(channel.isClosed, true);
  });

  test('fails at once when the channel ends, and says why', async () => {
    const channel = new FakeChannel();
    const opening = Agent.open(channel, new FakeClock());
    channel.drop('the pod is gone');
    const opened = await settled(opening);
    assert.ok(!opened.ok);
    assert.match(opened.failure.message, /the pod is gone$/);
  });

  test('fails when something else speaks', async () => {
    const channel = new FakeChannel();
    const opening = Agent.open(channel, new FakeClock());
    await idle();
    await channel.say('bash: dd: command not found\n');
    const opened = await settled(opening);
    assert.equal(codeOf(opened), 'runner-protocol');
  });
});

describe('asking', () => {
  test('is answered in order', async () => {
    const { agent, channel } = await open();
    const answers = [agent.ask('one 3', [Buffer.from('abc')]), agent.ask('two'), agent.ask('three')];
    assert.equal(await channel.written(), 'one 3\nabctwo\nthree\n');
    await channel.say('ok 1\n1ok 2 0\n22');
    assert.deepEqual(texts(await settled(answers[0] as Promise<Result<readonly Uint8Array[]>>)), ['1']);
    assert.deepEqual(texts(await settled(answers[1] as Promise<Result<readonly Uint8Array[]>>)), ['22', '']);
    await channel.say('ok\n');
    assert.deepEqual(texts(await settled(answers[2] as Promise<Result<readonly Uint8Array[]>>)), []);
  });

  test('may be refused, and goes on', async () => {
    const { agent, channel } = await open();
    const refused = agent.ask('one');
    const fine = agent.ask('two');
    await channel.written();
    await channel.say('err 9\nno space\nok\n');
    const result = await settled(refused);
    assert.ok(!result.ok);
    assert.deepEqual([result.failure.code, result.failure.message], ['runner-protocol', 'no space']);
    assert.ok((await settled(fine)).ok);
    assert.equal(agent.lost.aborted, false);
  });

  test('with a body lets nothing between its pieces', async () => {
    const { agent, channel } = await open();
    const gate = Promise.withResolvers<void>();
    const long = agent.ask('apply 2', [Buffer.from('hd')], async (write) => {
      await write(Buffer.from('first'));
      await gate.promise;
      await write(Buffer.from('second'));
    });
    const short = agent.ask('ping');
    assert.equal(await channel.written(), 'apply 2\nhdfirst');
    gate.resolve();
    assert.equal(await channel.written(), 'secondping\n');
    await channel.say('ok\nok\n');
    assert.ok((await settled(long)).ok);
    assert.ok((await settled(short)).ok);
  });

  test('with a body that writes nothing sends the line', async () => {
    const { agent, channel } = await open();
    void agent.ask('apply 0', [], async () => {});
    assert.equal(await channel.written(), 'apply 0\n');
  });

  test('waits for room in the channel', async () => {
    const { agent, channel } = await open();
    channel.fill();
    void agent.ask('one');
    void agent.ask('two');
    assert.equal(await channel.written(), 'one\n');
    channel.drain();
    assert.equal(await channel.written(), 'two\n');
  });
});

describe('frames of the follower', () => {
  test('are handed on, and are no answers', async () => {
    const { agent, channel } = await open();
    const frames: FollowerFrame[] = [];
    agent.onFrame = (frame) => frames.push(frame);
    const answer = agent.ask('follow x 0');
    await channel.sayFrame('data 0 5\nhel');
    await channel.sayFrame('lodata 5 0\nexit x 42 -\nexit y 0 sha256:abc\n');
    await channel.say('ok\n');
    assert.ok((await settled(answer)).ok);
    assert.deepEqual(
      frames.map((frame) =>
        frame.type === 'data' ? [frame.offset, Buffer.from(frame.data).toString()] : frame,
      ),
      [
        [0, 'hello'],
        [5, ''],
        { type: 'exit', id: 'x', exitCode: 42, digest: '' },
        { type: 'exit', id: 'y', exitCode: 0, digest: 'sha256:abc' },
      ],
    );
  });

  test('that are not understood end the connection', async () => {
    const { agent, channel } = await open();
    await channel.sayFrame('sh: write error\n');
    assert.equal((agent.lost.reason as Failure).code, 'runner-protocol');
  });
});

describe('the end', () => {
  test('of the channel fails what was asked and what is asked later', async () => {
    const { agent, channel } = await open();
    const asked = [agent.ask('one'), agent.ask('two')];
    channel.drop('reset');
    for (const answer of [...asked, agent.ask('three')])
      assert.equal(codeOf(await settled(answer)), 'runner-lost');
    assert.equal((agent.lost.reason as Failure).message, 'the connection to the runner ended: reset');
  });

  test('by closing fails what was asked', async () => {
    const { agent, channel } = await open();
    const asked = agent.ask('one');
    await idle();
    agent.close('closed');
    assert.equal(codeOf(await settled(asked)), 'runner-lost');
    assert.equal(channel.isClosed, true);
  });

  test('fails what could not be sent yet', async () => {
    const { agent, channel } = await open();
    channel.fill();
    const asked = [agent.ask('one'), agent.ask('two')];
    await idle();
    channel.drop('reset');
    for (const answer of asked) assert.equal(codeOf(await settled(answer)), 'runner-lost');
  });

  test('comes with an answer that nobody asked for', async () => {
    const { agent, channel } = await open();
    await channel.say('ok\n');
    assert.equal((agent.lost.reason as Failure).code, 'runner-protocol');
  });

  test('comes with a line that is not understood, which is shown safely', async () => {
    const { agent, channel } = await open();
    const asked = agent.ask('one');
    await channel.say(`\u001b[2J${'x'.repeat(500)}\n`);
    const result = await settled(asked);
    assert.ok(!result.ok);
    assert.equal(result.failure.code, 'runner-protocol');
    assert.equal(result.failure.message.includes('\u001b'), false);
    assert.ok(result.failure.message.length < 300);
  });

  test('leaves nobody waiting for the time to pass', async () => {
    const { agent, clock } = await open();
    agent.close('closed');
    await idle();
    assert.equal(clock.sleeping, 0);
  });
});

describe('time', () => {
  test('an idle agent is pinged', async () => {
    const { agent, channel, clock } = await open();
    for (let count = 0; count < 10; count += 1) {
      await clock.advance(10_000);
      assert.equal(await channel.written(), 'ping\n');
      await channel.say('ok\n');
    }
    assert.equal(agent.lost.aborted, false);
  });

  test('an agent that owes an answer is not pinged, and is lost when it says nothing', async () => {
    const { agent, channel, clock } = await open();
    const asked = agent.ask('one');
    await channel.written();
    await clock.advance(30_000);
    assert.equal(agent.lost.aborted, false);
    assert.equal(await channel.written(), '');
    await clock.advance(10_000);
    assert.equal(codeOf(await settled(asked)), 'runner-timeout');
    assert.equal(channel.isClosed, true);
  });

  test('a pinged agent that says nothing is lost', async () => {
    const { agent, clock } = await open();
    await clock.advance(50_000);
    assert.equal((agent.lost.reason as Failure).code, 'runner-timeout');
  });

  test('an agent that answers slowly, but speaks, is not lost', async () => {
    const { agent, channel, clock } = await open();
    const asked = agent.ask('one');
    await idle();
    for (let count = 0; count < 8; count += 1) {
      await clock.advance(20_000);
      await channel.sayFrame('data 0 1\nx');
    }
    await channel.say('ok\n');
    assert.ok((await settled(asked)).ok);
  });

  test('an answer is awaited from when it was asked for, not from the last word before', async () => {
    const { agent, channel, clock } = await open();
    await clock.advance(9_000);
    void agent.ask('one');
    await clock.advance(29_000);
    assert.equal(agent.lost.aborted, false);
    await channel.say('ok\n');
    assert.equal(agent.lost.aborted, false);
  });

  test('a long body is progress, one that gets stuck is not', async () => {
    const { agent, channel, clock } = await open();
    const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const asked = agent.ask('apply', [], async (write) => {
      for (const step of steps) {
        await write(Buffer.from('piece'));
        await step.promise;
      }
      channel.fill();
      await write(Buffer.from('stuck'));
    });
    await clock.advance(20_000);
    steps[0]?.resolve();
    await clock.advance(20_000);
    steps[1]?.resolve();
    await clock.advance(20_000);
    assert.equal(agent.lost.aborted, false);
    await clock.advance(30_000);
    assert.equal(codeOf(await settled(asked)), 'runner-timeout');
  });
});
