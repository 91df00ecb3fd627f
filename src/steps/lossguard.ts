/** Keeps an accident on this side from emptying the mirror: most files gone at once stop a target until somebody agrees. */
import type { Emit } from '../event.ts';
import { type Loss, suspiciousLoss } from '../files/guard.ts';
import type { Manifest, Scan } from '../host.ts';
import { type Failure, type Result, failure, ok } from '../result.ts';
import type { Mirror } from './mirror.ts';

export class LossGuard {
  readonly #target: string;
  readonly #emit: Emit;
  /** Go on although most files are gone. */
  #forced = false;
  #paused = false;
  /** What the mirror was last made equal to. */
  #held: Pick<Scan, 'manifest' | 'ignoreFile'> | undefined;

  constructor(target: string, emit: Emit) {
    this.#target = target;
    this.#emit = emit;
  }

  /** The next loss is carried over, however large it is. */
  force(): void {
    this.#forced = true;
  }

  held(scan: Scan): void {
    this.#held = scan;
  }

  /** The loss since the mirror was last made equal to the context, when it looks like an accident. */
  async check(mirror: Mirror, scan: Scan): Promise<Result<Loss | undefined>> {
    if (this.#forced) return ok(undefined);
    // What the ignore file leaves out was not lost.
    if (this.#held !== undefined && this.#held.ignoreFile !== scan.ignoreFile) return ok(undefined);
    const before: Result<Manifest> =
      this.#held === undefined ? await mirror.holds() : ok(this.#held.manifest);
    return before.ok ? ok(suspiciousLoss(before.value, scan.manifest)) : before;
  }

  pause({ lost, of, examples }: Loss, generation: number): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#emit({ type: 'paused', target: this.#target, generation, lost, of, examples });
  }

  resume(generation: number): void {
    this.#forced = false;
    if (!this.#paused) return;
    this.#paused = false;
    this.#emit({ type: 'resumed', target: this.#target, generation });
  }
}

export function lossFailure({ lost, of, examples }: Loss): Failure {
  return failure(
    'root-vanished',
    `${lost} of ${of} files are gone since the runner last had them: ${examples.join(', ')}, …`,
    'Nothing was removed in the runner. If they are meant to go, run it again with --force.',
  );
}
