/** The program is ended in the middle of a build: nothing of it is left, or the next start mends it. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Moltbook } from '../rig/moltbook.ts';
import type { Program } from '../rig/program.ts';
import { runnerIdle, stateOf } from '../rig/refusal.ts';

const dockerfile = 'moltbook-frontend/Dockerfile';

describe('the program ends in the middle of a build', { timeout: 300_000 }, () => {
  let moltbook: Moltbook;
  let build = 0;
  before(async () => {
    moltbook = await Moltbook.create();
    const first = await moltbook.run(['once', 'frontend']);
    assert.equal(first.code, 0, first.stderr);
  });
  beforeEach(async () => {
    build += 1;
    await moltbook.project.write(
      dockerfile,
      `FROM busybox:1.36\nRUN echo long ${build}; sleep 20; mkdir /www\nCOPY public /www\n`,
    );
  });
  after(async () => moltbook?.[Symbol.asyncDispose]());

  const building = async (argv: readonly string[]): Promise<Program> => {
    const program = moltbook.start(argv);
    await program.waitFor('build-output', (event) => event.line === `long ${build}`);
    return program;
  };
  const quickly = async (): Promise<void> =>
    moltbook.project.write(
      dockerfile,
      `FROM busybox:1.36\nRUN mkdir /www && echo ${build} > /www/build.txt\nCOPY public /www\nCMD ["httpd", "-f", "-p", "8080", "-h", "/www"]\n`,
    );

  for (const command of ['once', 'watch'] as const) {
    test(`Ctrl-C in ${command}: exit code 130, no executor, no lock, nothing pushed or rolled`, async () => {
      const before = await stateOf(moltbook);
      const program = await building([command, 'frontend']);
      const interrupted = performance.now();
      const { code, events, stderr } = await program.interrupt();
      assert.ok(performance.now() - interrupted < 5_000, 'it ends soon');
      assert.equal(code, 130, stderr);
      assert.deepEqual(events.at(-1)?.type, 'session-ended');
      assert.deepEqual(
        events.filter(({ type }) => type === 'step-failed' || type === 'session-failed'),
        [],
        'an interruption is no failure',
      );
      await runnerIdle(moltbook);
      assert.deepEqual(await stateOf(moltbook), before);
    });
  }

  test('SIGTERM ends it as Ctrl-C does', async () => {
    const program = await building(['once', 'frontend']);
    program.signal('SIGTERM');
    assert.equal((await program.finished).code, 130);
    await runnerIdle(moltbook);
  });

  test('kill -9: the next start takes over at once, ends the old build, and its image is right', async (context) => {
    const killed = await building(['watch', 'frontend']);
    killed.signal('SIGKILL');
    await killed.finished;
    await quickly();
    const next = moltbook.start(['once', 'frontend']);
    const connected = await next.waitFor('runner-connected');
    const { code, stdout } = await next.finished;
    assert.equal(code, 0, stdout);
    context.diagnostic(`taken over after ${Math.round(connected.ms)} ms`);
    assert.ok(connected.ms < 5_000, `taken over after ${connected.ms} ms`);
    assert.equal(await moltbook.serves('moltbook-frontend', '/build.txt'), `${build}\n`);
    await runnerIdle(moltbook);
  });

  test('kill -9 while files are sent: the mirror is mended and the image is right', async () => {
    await quickly();
    await moltbook.project.write('moltbook-frontend/public/big.bin', 'x'.repeat(80_000_000));
    const killed = moltbook.start(['once', 'frontend']);
    await killed.waitFor('sync-started', ({ bytes }) => bytes >= 80_000_000);
    killed.signal('SIGKILL');
    await killed.finished;
    await moltbook.project.write('moltbook-frontend/public/big.bin', 'small\n');
    const next = await moltbook.run(['once', 'frontend']);
    assert.equal(next.code, 0, next.stdout);
    assert.equal(await moltbook.serves('moltbook-frontend', '/big.bin'), 'small\n');
    await runnerIdle(moltbook);
  });
});
