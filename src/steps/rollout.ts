/** Rolls what was built out to the workload that runs it. A newer roll-out takes over from an older one. */
import type { Emit } from '../event.ts';
import type { Host } from '../host.ts';
import { type Result, exitCodes, failureExits, ok } from '../result.ts';
import { type Tagged, type TargetPlan, eventOf, referenceOf } from './plan.ts';

export interface RollInput {
  readonly content: Tagged;
  readonly digest: string;
  readonly generation: number;
  /** When the generation began, on the monotonic clock. */
  readonly started: number;
}

export class RollOut {
  readonly #host: Host;
  readonly #plan: TargetPlan;
  readonly #emit: Emit;
  #current: { readonly abort: AbortController; readonly ended: Promise<Result<void>> } | undefined;
  #unrolled: Pick<RollInput, 'content' | 'digest'> | undefined;

  constructor(host: Host, plan: TargetPlan, emit: Emit) {
    this.#host = host;
    this.#plan = plan;
    this.#emit = emit;
  }

  /** What is built, but not rolled out for a reason that has nothing to do with it: no cluster, no permission. */
  get unrolled(): Pick<RollInput, 'content' | 'digest'> | undefined {
    return this.#unrolled;
  }

  /** The result of the last one that was started, once it has ended. */
  async ended(): Promise<Result<void>> {
    return (await this.#current?.ended) ?? ok(undefined);
  }

  start(input: RollInput, signal?: AbortSignal): void {
    this.#current?.abort.abort();
    this.#unrolled = undefined;
    const abort = new AbortController();
    const stop = signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]);
    this.#current = { abort, ended: this.#roll(input, stop) };
  }

  async stop(): Promise<void> {
    this.#current?.abort.abort();
    await this.#current?.ended;
  }

  async #roll(
    { content, digest, generation, started }: RollInput,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const { name: target, deploy, repository } = this.#plan;
    const { clock, cluster } = this.#host;
    let result: Result<void> = ok(undefined);
    if (deploy !== undefined && cluster !== undefined) {
      const of = eventOf(this.#plan, generation, content);
      const { workload, by, timeout } = deploy;
      const name = `${workload.kind.toLowerCase()}/${workload.name}`;
      const tagged = referenceOf(this.#plan, content);
      const reference = by === 'digest' ? `${tagged}@${digest}` : tagged;
      this.#emit({ type: 'roll-started', ...of, workload: name, image: reference });
      const rollStarted = clock.monotonic();
      const rolled = await cluster.roll(
        { workload, image: repository, reference, digest, timeout },
        (message) => this.#emit({ type: 'roll-progress', ...of, workload: name, message }),
        signal,
      );
      if (rolled.ok) {
        const { changed, pods } = rolled.value;
        this.#emit({
          type: 'rolled',
          ...of,
          workload: name,
          changed,
          pods,
          ms: clock.monotonic() - rollStarted,
        });
      } else {
        result = rolled;
        // A newer roll-out took over: its own events follow.
        if (signal.aborted) return result;
        if (failureExits[rolled.failure.code] === exitCodes.runner) this.#unrolled = { content, digest };
        this.#emit({ type: 'step-failed', target, generation, step: 'roll', failure: rolled.failure });
      }
    }
    this.#emit({ type: 'settled', target, generation, ok: result.ok, ms: clock.monotonic() - started });
    return result;
  }
}
