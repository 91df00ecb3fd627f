/** A cluster whose roll-outs end when the test says so. */
import type { Cluster, RollOutcome, RollRequest } from '../../../src/host.ts';
import { type Failure, type Result, fail, ok } from '../../../src/result.ts';

interface Roll {
  readonly request: RollRequest;
  readonly ended: PromiseWithResolvers<Result<RollOutcome>>;
  over: boolean;
}

export class FakeCluster implements Cluster {
  readonly rolls: Roll[] = [];
  /** Roll-outs end well at once. */
  prompt = true;

  async roll(
    request: RollRequest,
    onProgress: (message: string) => void,
    signal: AbortSignal,
  ): Promise<Result<RollOutcome>> {
    const roll: Roll = { request, ended: Promise.withResolvers(), over: false };
    this.rolls.push(roll);
    onProgress('0 of 1 pods are ready');
    const superseded = (): void => roll.ended.resolve(fail('roll-superseded', 'stopped waiting', ''));
    signal.addEventListener('abort', superseded, { once: true });
    if (signal.aborted) superseded();
    if (this.prompt) this.finish();
    const result = await roll.ended.promise;
    roll.over = true;
    return result;
  }

  /** Ends the last roll-out: well, or with the failure. */
  finish(failure?: Failure): void {
    const roll = this.rolls.at(-1);
    const outcome: RollOutcome = { changed: true, containers: ['app'], pods: ['app-1'] };
    roll?.ended.resolve(failure === undefined ? ok(outcome) : { ok: false, failure });
  }

  /** Digests that were rolled out, in order. */
  get digests(): string[] {
    return this.rolls.map(({ request }) => request.digest);
  }
}
