/**
 * One image's way from saved files to a running pod. A generation is one attempt to bring it up to date:
 *
 *            hint          content differs
 *   idle ─────────▶ scan ─────────────────▶ sync ──────▶ settle ──────▶ wait ──────▶ build ──────▶ roll ──▶ idle
 *    ▲               │ ▲                      │ runner     │ hint         │ hint       │ newer        (goes on beside
 *    │   unchanged   │ └──────────────────────┴────────────┴──────────────┴────────────┘ content      the next one)
 *    ├───────────────┘                          lost                                     cancels
 *    └── a step failed: told once, the next change starts over
 *
 * Nothing is written into the mirror while its build runs: the loop is one line of control, and a change during a
 * build either cancels it or waits for its end.
 */
import type { Emit, Step } from './event.ts';
import { diffManifests, manifestsEqual } from './files/manifest.ts';
import { Hints } from './hints.ts';
import type { Host, Manifest, RunnerConnection } from './host.ts';
import { imageTag, isContentTag } from './kaniko/tag.ts';
import { type Failure, type Result, exitCodes, fail, failure, failureExits, ok } from './result.ts';
import type { Slot } from './slot.ts';
import type { Built } from './steps/build.ts';
import { ContentReader } from './steps/content.ts';
import { type Wanted, findBuilt } from './steps/find.ts';
import { LossGuard, lossFailure } from './steps/lossguard.ts';
import { Mirror } from './steps/mirror.ts';
import { type Tagged, type TargetPlan, eventOf, referenceOf, shownPaths } from './steps/plan.ts';
import { RollOut } from './steps/rollout.ts';
import { settle } from './steps/settle.ts';
import { syncMirror } from './steps/sync.ts';
import { watchedBuild } from './steps/watchedbuild.ts';

/** Attempts at a generation whose files moved while they were read, or whose runner went away. */
const maxAttempts = 5;
/** Milliseconds between attempts to reach a lost runner, and between further attempts with one that keeps going away. */
const reconnectPause = 1_000;
/** Milliseconds between looks at everything, whatever was hinted. */
const reconcileInterval = 300_000;
export class Target {
  readonly plan: TargetPlan;
  readonly hints = new Hints();
  /** Called when a directory has taken the place of something else: a watch may have missed that it is one. */
  onReplaced: () => void = () => {};
  readonly #host: Host;
  readonly #slot: Slot;
  readonly #emit: Emit;
  readonly #reader: ContentReader;
  readonly #guard: LossGuard;
  readonly #roll: RollOut;
  #mirror: Mirror | undefined;
  #generation = 0;
  /** What the mirror was last made equal to. */
  #held: { readonly hash: string; readonly manifest: Manifest } | undefined;
  /** The content whose image is known to be in the registry. */
  #done: { readonly hash: string; readonly image: string; readonly digest: string } | undefined;
  /** The content whose build failed for a reason that only another content can mend. */
  #failed: { readonly hash: string; readonly failure: Failure } | undefined;
  /** The last build was cancelled: the next one is let finish. */
  #cancelled = false;
  /** Build it even if the registry has it. */
  #fresh = false;
  /** Gives the turn to build back; it is kept while a content that changed meanwhile is looked at again. */
  #release: (() => void) | undefined;

  constructor(host: Host, plan: TargetPlan, slot: Slot, emit: Emit) {
    this.#host = host;
    this.plan = plan;
    this.#slot = slot;
    this.#emit = emit;
    this.#reader = new ContentReader(host.files, plan.source, plan.options);
    this.#guard = new LossGuard(plan.name, emit);
    this.#roll = new RollOut(host, plan, emit);
  }

  /** Reads the context while the runner is being connected; what it finds is remembered by the files. */
  async lookAhead(signal: AbortSignal): Promise<void> {
    await this.#scan(signal);
  }

  /** Builds the content of now, even if there is an image of it. */
  rebuild(): void {
    this.#done = undefined;
    this.#failed = undefined;
    this.#fresh = true;
    this.hints.add('.');
  }

  /** Carries the next loss of files over to the runner, however large it is. */
  force(): void {
    this.#guard.force();
    this.hints.add('.');
  }

  /** Brings the target up to date once, roll-out included. */
  async once(signal: AbortSignal): Promise<Result<void>> {
    const result = await this.#bringUpToDate(signal, false);
    return result.ok ? this.#roll.ended() : result;
  }

  /** Makes the mirror equal to the context, and reads all of it again with `verify`; builds nothing. */
  async sync(verify: boolean, signal: AbortSignal): Promise<Result<void>> {
    const generation = ++this.#generation;
    for (let attempt = 1; ; attempt += 1) {
      const content = await this.#scan(signal);
      const synced = content.ok ? await this.#syncOnly(content.value, generation, verify, signal) : content;
      if (synced.ok) return ok(undefined);
      if (signal.aborted) return { ok: false, failure: interrupted() };
      if (retries(synced.failure) && attempt < maxAttempts) continue;
      const step = content.ok ? 'sync' : 'scan';
      this.#emit({ type: 'step-failed', target: this.plan.name, generation, step, failure: synced.failure });
      return synced;
    }
  }

  async #syncOnly(
    content: Tagged,
    generation: number,
    verify: boolean,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const connected = await this.#connect(signal, false);
    if (!connected.ok) return connected;
    const mirror = this.#mirrorOf(connected.value);
    const synced = await this.#sync(mirror, content, generation, signal);
    if (!synced.ok || !verify) return synced.ok ? ok(undefined) : synced;
    const started = this.#host.clock.monotonic();
    mirror.forget();
    const read = await mirror.verify();
    if (!read.ok) return read;
    const { manifest } = content.scan;
    if (!mirror.equals(manifest)) {
      return fail(
        'sync-failed',
        'the mirror is another than was written',
        'Something else writes into the workspace of the runner; find it and sync again.',
      );
    }
    const ms = this.#host.clock.monotonic() - started;
    this.#emit({ type: 'verified', ...eventOf(this.plan, generation, content), entries: manifest.size, ms });
    return ok(undefined);
  }

  /** Brings the target up to date after every hint until the signal aborts. Failures are events. */
  async watch(signal: AbortSignal): Promise<void> {
    this.hints.add('.');
    void this.#lookNowAndThen(signal);
    while (!signal.aborted) {
      await this.hints.wait(signal);
      if (!signal.aborted) await this.#bringUpToDate(signal, true);
    }
    await this.#roll.stop();
  }

  /** A kernel that drops file events says nothing. */
  async #lookNowAndThen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#host.clock.sleep(reconcileInterval, signal);
      if (!signal.aborted) this.hints.add('.');
    }
  }

  async #bringUpToDate(signal: AbortSignal, live: boolean): Promise<Result<void>> {
    try {
      return await this.#attempts(signal, live);
    } finally {
      this.#endTurn();
    }
  }

  async #attempts(signal: AbortSignal, live: boolean): Promise<Result<void>> {
    const { plan } = this;
    const { clock } = this.#host;
    const started = clock.monotonic();
    let settling = started;
    let generation = 0;
    let tries = 0;
    /** Every hint of this generation. */
    const seen: string[] = [];
    const settled = (ok: boolean): void => {
      const ms = clock.monotonic() - started;
      this.#emit({ type: 'settled', target: plan.name, generation, ok, ms });
    };
    const failed = (step: Step, cause: Failure): Result<void> => {
      if (signal.aborted) return { ok: false, failure: interrupted() };
      if (generation === 0) generation = ++this.#generation;
      this.#emit({ type: 'step-failed', target: plan.name, generation, step, failure: cause });
      settled(false);
      return { ok: false, failure: cause };
    };
    const again = async (cause: Failure): Promise<boolean> => {
      if (signal.aborted || !retries(cause)) return false;
      tries += 1;
      if (tries < maxAttempts) return true;
      if (!live || cause.code === 'file-unstable') return false;
      await clock.sleep(reconnectPause, signal);
      return true;
    };

    for (;;) {
      if (signal.aborted) return { ok: false, failure: interrupted() };
      // What was only supposed is looked at whole: after a failure, nothing is sure.
      const hinted = this.hints.take();
      seen.push(...hinted);
      const scanned = await this.#scan(signal, tries > 0 ? undefined : hinted);
      if (!scanned.ok) {
        if (await again(scanned.failure)) continue;
        return failed('scan', this.#explainScan(scanned.failure));
      }
      const content = scanned.value;
      const connected = await this.#connect(signal, live);
      if (!connected.ok) return failed('sync', connected.failure);
      const mirror = this.#mirrorOf(connected.value);
      const loss = await this.#guard.check(mirror, content.scan);
      if (!loss.ok) {
        if (await again(loss.failure)) continue;
        return failed('sync', loss.failure);
      }
      if (loss.value !== undefined) {
        if (!live) return failed('sync', lossFailure(loss.value));
        this.#guard.pause(loss.value, this.#generation);
        return ok(undefined);
      }
      this.#guard.resume(this.#generation);
      const isDone = content.hash === this.#done?.hash;
      const unbuilt = this.#fresh || (!isDone && content.hash !== this.#failed?.hash);
      const before = this.#held;
      const returned = before !== undefined && before.hash !== content.hash;
      if (!unbuilt && !returned && mirror.equals(content.scan.manifest)) {
        // A roll-out that failed because the cluster could not be reached, or refused the user, is tried again.
        const { unrolled } = this.#roll;
        if (isDone && unrolled !== undefined) {
          this.#roll.start({ ...unrolled, generation: ++this.#generation, started });
        }
        return ok(undefined);
      }

      // Asked while the files are on their way: most often the answer is no, and costs nothing then.
      const lookup =
        unbuilt && !this.#fresh ? findBuilt(this.#host, this.#wanted(content), signal) : undefined;
      if (generation === 0) {
        generation = ++this.#generation;
        for (const { path, reason } of content.scan.skipped) {
          this.#emit({ type: 'skipped-file', target: plan.name, generation, path, reason });
        }
      }
      const synced = await this.#sync(mirror, content, generation, signal);
      if (!synced.ok) {
        await lookup;
        if (await again(synced.failure)) continue;
        return failed('sync', synced.failure);
      }
      if (live && before !== undefined && hasNewDirectory(before.manifest, content.scan.manifest))
        this.onReplaced();
      if (!unbuilt) {
        const paths = synced.value;
        const of = eventOf(this.plan, generation, content);
        if (returned) {
          // Edited and edited back: say again what is known of this content.
          if (this.#failed?.hash === content.hash) return failed('build', this.#failed.failure);
          const { image = '', digest = '' } = this.#done ?? {};
          this.#emit({ type: 'build-unneeded', ...of, image, digest });
        } else if (paths.length === 0) {
          return ok(undefined);
        } else if (
          isDone &&
          before !== undefined &&
          !manifestsEqual(before.manifest, content.scan.manifest)
        ) {
          this.#emit({ type: 'change-unread', ...of, paths });
        }
        settled(isDone);
        return ok(undefined);
      }
      if (live && !(await this.#isSettled(content, settling, seen, signal))) {
        await lookup;
        continue;
      }
      const found = await lookup;
      if (found?.ok === false) return failed('build', found.failure);
      let digest = found?.value;
      if (digest !== undefined) {
        this.#emit({
          type: 'build-unneeded',
          ...eventOf(this.plan, generation, content),
          image: referenceOf(plan, content),
          digest,
        });
      } else {
        const built = await this.#buildInTurn(mirror, content, generation, live, signal);
        if (built === 'changed' || built === 'cancelled') {
          // What comes now may be the first of many saves again.
          settling = clock.monotonic();
          if (built === 'cancelled') generation = ++this.#generation;
          continue;
        }
        if (!built.ok) {
          // A build that takes its runner down each time is not tried for ever.
          if (tries + 1 < maxAttempts && (await again(built.failure))) continue;
          if (!signal.aborted && (decidedByContent(built.failure) || retries(built.failure))) {
            this.#failed = { hash: content.hash, failure: built.failure };
            this.#fresh = false;
          }
          return failed('build', built.failure);
        }
        digest = built.value.digest;
        this.#fresh = false;
      }
      this.#done = { hash: content.hash, image: referenceOf(plan, content), digest };
      this.#roll.start({ content, digest, generation, started }, signal);
      return ok(undefined);
    }
  }

  /** Without hints everything is looked at. */
  async #scan(signal: AbortSignal, hints?: readonly string[]): Promise<Result<Tagged>> {
    const { plan } = this;
    const read = await this.#reader.read(signal, hints);
    if (!read.ok) return read;
    const content = read.value;
    return ok({ ...content, tag: imageTag(plan.tag, plan.name, content.hash, this.#host.clock.now()) });
  }

  /** In `watch` a lost runner is waited for; its reasons are told by the runner itself. */
  async #connect(signal: AbortSignal, live: boolean): Promise<Result<RunnerConnection>> {
    for (;;) {
      const connected = await this.#host.runner.connect(signal);
      if (connected.ok || !live || signal.aborted) return connected;
      await this.#host.clock.sleep(reconnectPause, signal);
    }
  }

  #mirrorOf(connection: RunnerConnection): Mirror {
    if (this.#mirror?.connection !== connection) {
      this.#mirror = new Mirror(this.plan.name, connection);
      // The next runner may hold nothing: look at once, not with the next save.
      connection.lost.addEventListener('abort', () => this.hints.add('.'), { once: true });
    }
    return this.#mirror;
  }

  async #sync(
    mirror: Mirror,
    content: Tagged,
    generation: number,
    signal: AbortSignal,
  ): Promise<Result<readonly string[]>> {
    const synced = await syncMirror(
      this.#host,
      this.plan,
      { mirror, content, generation },
      this.#emit,
      signal,
    );
    if (!synced.ok) return synced;
    this.#held = { hash: content.hash, manifest: content.scan.manifest };
    this.#guard.held(content.scan);
    return synced;
  }

  /**
   * Waits for quiet and looks once more at everything that was hinted: editors put files beside the one that is saved
   * and take them away again, without a hint, because they must not start anything.
   */
  async #isSettled(
    content: Tagged,
    started: number,
    seen: readonly string[],
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!(await settle(this.#host, this.plan, this.hints, started, signal))) return false;
    const now = await this.#scan(signal, seen);
    if (now.ok && manifestsEqual(now.value.scan.manifest, content.scan.manifest)) return true;
    this.hints.add('.');
    return false;
  }

  /** A root that was there and is gone is another thing than a wrong configuration. */
  #explainScan(cause: Failure): Failure {
    if (cause.code !== 'context-missing' || this.#held === undefined) return cause;
    return failure(
      'root-vanished',
      `${this.plan.source.root} is gone`,
      'Nothing was removed in the runner; it goes on by itself when the directory is back.',
    );
  }

  async #buildInTurn(
    mirror: Mirror,
    content: Tagged,
    generation: number,
    live: boolean,
    signal: AbortSignal,
  ): Promise<Result<Built> | 'changed' | 'cancelled'> {
    if (this.#release === undefined) {
      if (this.#slot.busy) this.#emit({ type: 'build-waiting', ...eventOf(this.plan, generation, content) });
      this.#release = await this.#slot.acquire();
    }
    if (signal.aborted || (live && this.hints.pending && !this.#cancelled)) return 'changed';
    try {
      const mended = await this.#mendDrift(mirror, content, generation, signal);
      if (!mended.ok) return mended;
      const { hints } = this;
      const built = await watchedBuild(
        this.#host,
        {
          plan: this.plan,
          connection: mirror.connection,
          content,
          generation,
          watched: live
            ? { hints, scan: (stop, hinted) => this.#scan(stop, hinted), letFinish: this.#cancelled }
            : undefined,
        },
        this.#emit,
        signal,
      );
      this.#cancelled = built === 'cancelled';
      return built;
    } finally {
      this.#endTurn();
    }
  }

  #endTurn(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** A difference between the mirror and the generation is repaired, never built. */
  async #mendDrift(
    mirror: Mirror,
    content: Tagged,
    generation: number,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const drift = await mirror.verify();
    if (!drift.ok) return drift;
    if (drift.value.length > 0) {
      this.#emit({
        type: 'drift-repaired',
        ...eventOf(this.plan, generation, content),
        paths: drift.value.slice(0, shownPaths),
      });
    }
    if (mirror.equals(content.scan.manifest)) return ok(undefined);
    const synced = await this.#sync(mirror, content, generation, signal);
    return synced.ok ? ok(undefined) : synced;
  }

  #wanted(content: Tagged): Wanted {
    const { name, output, image, tag } = this.plan;
    const found = isContentTag(tag) ? content.tag : undefined;
    return { target: name, output, image, tag: found, contentHash: content.hash };
  }
}

/** Whether something that was no directory has become one. */
function hasNewDirectory(before: Manifest, now: Manifest): boolean {
  return diffManifests(before, now).remove.some((path) => now.get(path)?.kind === 'dir');
}

/** Failures that another look at the files, or another connection, mends. */
function retries(cause: Failure): boolean {
  switch (cause.code) {
    case 'file-unstable':
    case 'runner-lost':
    case 'runner-timeout':
      return true;
    default:
      return false;
  }
}

/** Failed builds that fail again until the content changes; the others may have been bad luck. */
function decidedByContent(cause: Failure): boolean {
  switch (cause.code) {
    case 'build-run-failed':
    case 'build-failed':
    case 'build-dockerfile-invalid':
    case 'build-copy-missing':
    case 'build-timeout':
      return true;
    default:
      return failureExits[cause.code] === exitCodes.usage;
  }
}

function interrupted(): Failure {
  return failure('interrupted', 'interrupted', 'Start it again; nothing was left half done.');
}
