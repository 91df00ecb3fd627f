// One line a step with its time on stderr (stdout belongs to `env` and to the command of `run`).

const heartbeatMs = 15_000;

/** Ctrl-C or SIGTERM during a start. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

const interruption = new AbortController();

/** Ends the start that is under way at its next step; `up` then removes what there is. */
export function interrupt(): void {
  interruption.abort(new Interrupted('interrupted'));
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  interruption.signal.throwIfAborted();
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
  // A silent minute looks like a hang: long steps say that they are alive.
  const heartbeat = setInterval(() => say(`    … ${name}: still at it, ${seconds()}`), heartbeatMs);
  try {
    const result = await work();
    say(`  ✓ ${name} (${seconds()})`);
    return result;
  } catch (error) {
    say(`  ✗ ${name} (${seconds()})`);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Asks `ready` until it answers true, and says what the last refusal was when time is up. */
export async function waitUntil(
  what: string,
  deadlineMs: number,
  ready: () => Promise<boolean>,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  let refusal = '';
  for (;;) {
    interruption.signal.throwIfAborted();
    try {
      if (await ready()) return;
    } catch (error) {
      refusal = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > end) throw new Error(`${what}: not after ${deadlineMs / 1000} s${refusal}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
