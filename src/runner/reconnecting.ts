/**
 * A runner whose connection is opened when it is needed and again after every loss.
 *
 *   closed ──connect──▶ opening ──▶ open ──lost──▶ closed
 *                          └──────── Failure ─────────┘
 */
import type { Clock, Runner, RunnerConnection } from '../host.ts';
import type { Event } from '../event.ts';
import { type Failure, type Result, ok } from '../result.ts';

/** A connection that its owner can end. */
export interface OwnedConnection extends RunnerConnection {
  /** Id of a build that an earlier connection left running. */
  readonly leftoverBuild: string | undefined;
  /** Resolves when the other end is gone and everything that was held for it is released. */
  close(): Promise<void>;
}

/** Milliseconds that the end of a connection may take. */
const closeDeadline = 3_000;

export class ReconnectingRunner implements Runner {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #open: (signal: AbortSignal) => Promise<Result<OwnedConnection>>;
  readonly #emit: (event: Event) => void;
  #current: OwnedConnection | undefined;
  #opening: Promise<Result<RunnerConnection>> | undefined;
  /** The last reason that was told. */
  #told: string | undefined;
  #ended = false;

  /** `open` makes one attempt, bounded in time, and may wait for a pod to become ready. */
  constructor(
    name: string,
    clock: Clock,
    open: (signal: AbortSignal) => Promise<Result<OwnedConnection>>,
    emit: (event: Event) => void,
  ) {
    this.#name = name;
    this.#clock = clock;
    this.#open = open;
    this.#emit = emit;
  }

  async connect(signal: AbortSignal): Promise<Result<RunnerConnection>> {
    if (this.#current !== undefined && !this.#current.lost.aborted) return ok(this.#current);
    this.#opening ??= this.#connect(signal).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(signal: AbortSignal): Promise<Result<RunnerConnection>> {
    const started = this.#clock.monotonic();
    this.#emit({ type: 'runner-connecting', runner: this.#name });
    const opened = await this.#open(signal);
    if (!opened.ok) {
      // The first failure is the session's to tell; later ones are waited out, but not in silence.
      const reason = opened.failure.message;
      if (this.#current !== undefined && reason !== this.#told && !signal.aborted) {
        this.#told = reason;
        this.#emit({ type: 'runner-waiting', runner: this.#name, reason });
      }
      return opened;
    }
    this.#told = undefined;
    const connection = opened.value;
    if (this.#ended) {
      await connection.close();
      return ok(connection);
    }
    // Nothing waits for it any more, and two builds in one container spoil each other.
    if (connection.leftoverBuild !== undefined) await connection.killBuild(connection.leftoverBuild);
    this.#current = connection;
    connection.lost.addEventListener('abort', () => {
      if (this.#ended) return;
      this.#emit({
        type: 'runner-lost',
        runner: connection.identity.name,
        reason: (connection.lost.reason as Failure).message,
      });
    });
    this.#emit({
      type: 'runner-connected',
      runner: connection.identity.name,
      executor: connection.identity.executorVersion,
      ms: this.#clock.monotonic() - started,
    });
    return ok(connection);
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#opening;
    await Promise.race([this.#current?.close(), this.#clock.sleep(closeDeadline)]);
  }
}
