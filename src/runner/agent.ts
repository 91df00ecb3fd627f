/**
 * The client of the agent (agent.sh): commands out, answers back in order, deadlines on everything.
 *
 *   opening ── "agent 1" ──▶ asking ── answers in order ──▶ …
 *      │                        │
 *      └── channel closed, deadline missed, line not understood ──▶ lost (for good; a new agent is opened)
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../host.ts';
import { type Failure, type Result, fail, failure, ok } from '../result.ts';
import type { Channel } from './channel.ts';
import { type Message, MessageReader } from './frames.ts';

const agentProgram = readFileSync(new URL('./agent.sh', import.meta.url));

/** The shell's command line: reads the agent by its size and evaluates it. `sh` must be busybox's. */
export const agentCommand: readonly string[] = [
  '/busybox/sh',
  '-c',
  'PATH=/busybox:$PATH; IFS= read -r n && p=$(dd bs=65536 iflag=fullblock,count_bytes count="$n" 2>/dev/null) && eval "$p"',
];

/** Milliseconds without a byte from the agent, while it owes an answer, after which it counts as gone. */
const answerDeadline = 30_000;
/** Milliseconds between pings of an idle connection; the agent itself leaves after 60 s of silence. */
const pingInterval = 10_000;

interface Pending {
  readonly resolve: (result: Result<readonly Uint8Array[]>) => void;
}

/** A frame of the log follower. */
export type FollowerFrame =
  | { readonly type: 'data'; readonly offset: number; readonly data: Uint8Array }
  | { readonly type: 'exit'; readonly id: string; readonly exitCode: number; readonly digest: string };

export class Agent {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #pending: Pending[] = [];
  #writing: Promise<unknown> = Promise.resolve();
  #heard: number;
  #greeted: (() => void) | undefined;
  /** Receives the follower's frames. */
  onFrame: (frame: FollowerFrame) => void = () => {};

  private constructor(channel: Channel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    this.#heard = clock.monotonic();
    const answers = new MessageReader(answerCounts);
    channel.onStdout = (data) => {
      this.#heard = clock.monotonic();
      const { messages, broken } = answers.push(data);
      for (const message of messages) this.#answer(message);
      if (broken !== undefined) this.#lose(notUnderstood(broken));
    };
    const frames = new MessageReader(frameCounts);
    channel.onStderr = (data) => {
      this.#heard = clock.monotonic();
      const { messages, broken } = frames.push(data);
      for (const message of messages) this.onFrame(toFrame(message));
      if (broken !== undefined) this.#lose(notUnderstood(broken));
    };
    void channel.closed.then((reason) => this.#lose(lostFailure(reason)));
  }

  /** Sends the agent over the channel and waits for its greeting. */
  static async open(channel: Channel, clock: Clock): Promise<Result<Agent>> {
    const agent = new Agent(channel, clock);
    const greeted = new Promise<void>((resolve) => {
      agent.#greeted = resolve;
    });
    await channel.write(Buffer.concat([Buffer.from(`${agentProgram.length}\n`), agentProgram]));
    const late = clock.sleep(answerDeadline, agent.lost).then(() => 'late' as const);
    const first = await Promise.race([greeted, late]);
    if (first === 'late') {
      agent.#lose(lostFailure('the agent did not answer'));
      return { ok: false, failure: agent.#failure() };
    }
    void agent.#supervise();
    return ok(agent);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Sends one command with its payloads and returns the payloads of its answer. `body` writes further bytes, whose
   * length was not known, before the next command may go out.
   */
  async ask(
    line: string,
    payloads: readonly Uint8Array[] = [],
    body?: (write: (data: Uint8Array) => Promise<void>) => Promise<void>,
  ): Promise<Result<readonly Uint8Array[]>> {
    if (this.lost.aborted) return { ok: false, failure: this.#failure() };
    const answer = new Promise<Result<readonly Uint8Array[]>>((resolve) => {
      const send = async (): Promise<void> => {
        if (this.lost.aborted) {
          resolve({ ok: false, failure: this.#failure() });
          return;
        }
        if (this.#pending.length === 0) this.#heard = this.#clock.monotonic();
        this.#pending.push({ resolve });
        const head = Buffer.concat([Buffer.from(`${line}\n`), ...payloads]);
        if (body === undefined) {
          await this.#channel.write(head);
          return;
        }
        // The head travels with the first bytes of the body: one message for a small change.
        let held: Buffer | undefined = head;
        await body(async (data) => {
          const bytes: Uint8Array = held === undefined ? data : Buffer.concat([held, data]);
          held = undefined;
          // The reader of the files may have been slow; the agent owes nothing before this has arrived.
          this.#heard = this.#clock.monotonic();
          await this.#channel.write(bytes);
          this.#heard = this.#clock.monotonic();
        });
        if (held !== undefined) await this.#channel.write(held);
      };
      this.#writing = this.#writing.then(send, send);
    });
    return answer;
  }

  /** Ends the agent and its channel. */
  close(reason: string): void {
    this.#lose(lostFailure(reason));
  }

  #answer(message: Message): void {
    const [word] = message.words;
    if (word === 'agent') {
      this.#greeted?.();
      return;
    }
    const pending = this.#pending.shift();
    if (pending === undefined) {
      this.#lose(notUnderstood(message.words.join(' ')));
      return;
    }
    if (word === 'err') {
      const text = Buffer.from(message.payloads[0] ?? [])
        .toString('utf8')
        .trim();
      pending.resolve(fail('runner-protocol', text, 'See the runner with `kubectl logs` and try again.'));
    } else {
      pending.resolve(ok(message.payloads));
    }
  }

  /** Pings while idle and ends the connection when an answer is overdue. */
  async #supervise(): Promise<void> {
    while (!this.lost.aborted) {
      await this.#clock.sleep(pingInterval, this.lost);
      if (this.lost.aborted) return;
      const silent = this.#clock.monotonic() - this.#heard;
      if (this.#pending.length > 0 && silent > answerDeadline) {
        this.#lose(
          failure(
            'runner-timeout',
            `the runner has not answered for ${Math.round(silent / 1000)} s`,
            reconnecting,
          ),
        );
        return;
      }
      if (this.#pending.length === 0) void this.ask('ping');
    }
  }

  #lose(cause: Failure): void {
    if (this.lost.aborted) return;
    this.#lost.abort(cause);
    this.#channel.close();
    for (const pending of this.#pending.splice(0)) pending.resolve({ ok: false, failure: cause });
  }

  #failure(): Failure {
    return this.lost.reason as Failure;
  }
}

const reconnecting =
  'kaniko-dev connects again by itself; if it does not, look at the pod with `kubectl describe pod`.';

function lostFailure(reason: string): Failure {
  return failure('runner-lost', `the connection to the runner ended: ${reason}`, reconnecting);
}

function notUnderstood(line: string): Failure {
  const shown = line.length > 200 ? `${line.slice(0, 200)}…` : line;
  return failure(
    'runner-protocol',
    `the runner answered something unexpected: ${JSON.stringify(shown)}`,
    'The runner image must be a kaniko debug image; another program may be writing to its terminal.',
  );
}

function answerCounts(words: readonly string[]): readonly number[] | undefined {
  const [word, ...rest] = words;
  if (word === 'agent') return [];
  return word === 'ok' || word === 'err' ? rest.map(Number) : undefined;
}

function frameCounts(words: readonly string[]): readonly number[] | undefined {
  if (words[0] === 'data' && words.length === 3) return [Number(words[2])];
  return words[0] === 'exit' && words.length === 4 ? [] : undefined;
}

function toFrame(message: Message): FollowerFrame {
  const [word, first = '', second = '', third = ''] = message.words;
  return word === 'data'
    ? { type: 'data', offset: Number(first), data: message.payloads[0] ?? new Uint8Array(0) }
    : { type: 'exit', id: first, exitCode: Number(second), digest: third === '-' ? '' : third };
}
