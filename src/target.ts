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
import { type Loss, suspiciousLoss } from './files/guard.ts';
import { diffManifests, manifestsEqual } from './files/manifest.ts';
import { Hints } from './hints.ts';
import type {
  ContextSource,
  Host,
  ImageReference,
  Manifest,
  RunnerConnection,
  WatchOptions,
  Workload,
} from './host.ts';
import type { BuildOptions } from './kaniko/argv.ts';
import { imageTag, isContentTag } from './kaniko/tag.ts';
import { type Failure, type Result, exitCodes, fail, failure, failureExits, ok } from './result.ts';
import type { Slot } from './slot.ts';
import { type Built, type Destination, build } from './steps/build.ts';
import { type Content, ContentReader } from './steps/content.ts';
import { type Wanted, findBuilt } from './steps/find.ts';
import { Mirror } from './steps/mirror.ts';

/** Everything about a target that its configuration decides. */
export interface TargetPlan {
  readonly name: string;
  readonly source: ContextSource;
  readonly watch: WatchOptions;
  readonly image: ImageReference;
  /** The image as the user wrote it, without a tag. */
  readonly repository: string;
  readonly tag: string;
  readonly options: BuildOptions;
  readonly certificates: Readonly<Record<string, string>>;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  /** Milliseconds of quiet before a build starts, and the longest wait for it. */
  readonly settle: number;
  readonly settleCap: number;
  readonly onChange: 'cancel' | 'queue';
  readonly output: Destination;
  /** Milliseconds that a pushed image may take to be visible. */
  readonly verifyTimeout: number;
  /** Milliseconds a build may take. */
  readonly timeout: number;
  readonly deploy:
    | { readonly workload: Workload; readonly by: 'digest' | 'tag'; readonly timeout: number }
    | undefined;
}

/** Attempts at a generation whose files moved while they were read, or whose runner went away. */
const maxAttempts = 5;
/** Milliseconds between attempts to reach a lost runner, and between further attempts with one that keeps going away. */
const reconnectPause = 1_000;
/** Milliseconds between looks at a git command that is at work. */
const gitPause = 100;
/** Milliseconds between looks at everything, whatever was hinted. */
const reconcileInterval = 300_000;
/** Names shown with an event. */
const shownPaths = 5;

interface Tagged extends Content {
  readonly tag: string;
}

export class Target {
  readonly plan: TargetPlan;
  readonly hints = new Hints();
  readonly #host: Host;
  readonly #slot: Slot;
  readonly #emit: Emit;
  readonly #reader: ContentReader;
  #mirror: Mirror | undefined;
  #generation = 0;
  /** What the mirror was last made equal to. */
  #held:
    | { readonly hash: string; readonly manifest: Manifest; readonly ignoreFile: string | undefined }
    | undefined;
  /** The content whose image is known to be in the registry. */
  #done: { readonly hash: string; readonly image: string; readonly digest: string } | undefined;
  /** The content whose build failed for a reason that only another content can mend. */
  #failed: { readonly hash: string; readonly failure: Failure } | undefined;
  /** The last build was cancelled: the next one is let finish. */
  #cancelled = false;
  /** Build it even if the registry has it. */
  #fresh = false;
  /** Go on although most files are gone. */
  #forced = false;
  /** Most files are gone, and nobody has said that they are meant to be. */
  #paused = false;
  /** Gives the turn to build back; it is kept while a content that changed meanwhile is looked at again. */
  #release: (() => void) | undefined;
  /** What is built, but not rolled out for a reason that has nothing to do with it. */
  #unrolled: { readonly content: Tagged; readonly digest: string } | undefined;
  #roll: { readonly abort: AbortController; readonly ended: Promise<Result<void>> } | undefined;

  constructor(host: Host, plan: TargetPlan, slot: Slot, emit: Emit) {
    this.#host = host;
    this.plan = plan;
    this.#slot = slot;
    this.#emit = emit;
    this.#reader = new ContentReader(host.files, plan.source, plan.options);
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
    this.#forced = true;
    this.hints.add('.');
  }

  /** Brings the target up to date once, roll-out included. */
  async once(signal: AbortSignal): Promise<Result<void>> {
    const result = await this.#bringUpToDate(signal, false);
    if (!result.ok) return result;
    return (await this.#roll?.ended) ?? result;
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
    this.#emit({ type: 'verified', ...this.#of(generation, content), entries: manifest.size, ms });
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
    this.#roll?.abort.abort();
    await this.#roll?.ended;
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
      const loss = await this.#suspicious(mirror, content);
      if (!loss.ok) {
        if (await again(loss.failure)) continue;
        return failed('sync', loss.failure);
      }
      if (loss.value !== undefined) {
        if (!live) return failed('sync', lossFailure(loss.value));
        this.#pause(loss.value);
        return ok(undefined);
      }
      this.#resume();
      const isDone = content.hash === this.#done?.hash;
      const unbuilt = this.#fresh || (!isDone && content.hash !== this.#failed?.hash);
      const before = this.#held;
      const returned = before !== undefined && before.hash !== content.hash;
      if (!unbuilt && !returned && mirror.equals(content.scan.manifest)) {
        if (isDone) this.#rollAgain(started);
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
      if (!unbuilt) {
        const paths = synced.value;
        const of = this.#of(generation, content);
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
      if (
        live &&
        ((await this.#unsettled(settling, signal)) || (await this.#passing(content, seen, signal)))
      ) {
        await lookup;
        continue;
      }
      const found = await lookup;
      if (found?.ok === false) return failed('build', found.failure);
      let digest = found?.value;
      if (digest !== undefined) {
        this.#emit({
          type: 'build-unneeded',
          ...this.#of(generation, content),
          image: this.#reference(content),
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
      this.#done = { hash: content.hash, image: this.#reference(content), digest };
      this.#startRoll(content, digest, generation, started, signal);
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
    const started = this.#host.clock.monotonic();
    const of = this.#of(generation, content);
    const synced = await mirror.sync(
      this.#host.files,
      this.plan.source.root,
      content.scan.manifest,
      (write, remove, bytes) => this.#emit({ type: 'sync-started', ...of, write, remove, bytes }),
      signal,
    );
    if (!synced.ok) return synced;
    this.#held = {
      hash: content.hash,
      manifest: content.scan.manifest,
      ignoreFile: content.scan.ignoreFile,
    };
    const { written, removed, bytes } = synced.value;
    const paths = [...written, ...removed].slice(0, shownPaths);
    if (written.length + removed.length > 0) {
      this.#emit({
        type: 'synced',
        ...of,
        written: written.length,
        removed: removed.length,
        bytes,
        ms: this.#host.clock.monotonic() - started,
        paths,
      });
    }
    return ok(paths);
  }

  /** Waits for quiet; true when another hint came, so that the files must be looked at again. */
  async #unsettled(started: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#host;
    const left = started + this.plan.settleCap - clock.monotonic();
    if (left <= 0) return false;
    const woken = new AbortController();
    await Promise.race([
      clock.sleep(Math.min(this.plan.settle, left), AbortSignal.any([signal, woken.signal])),
      this.hints.wait(AbortSignal.any([signal, woken.signal])),
    ]);
    woken.abort();
    // A checkout passes through states that nobody meant to build.
    while (!signal.aborted && (await this.#host.files.busy(this.plan.source.root))) {
      await clock.sleep(gitPause, signal);
    }
    return this.hints.pending || signal.aborted;
  }

  /**
   * Whether the content was a passing one: editors put files beside the one that is saved and take them away again,
   * without a hint, because they must not start anything. Everything that was hinted is looked at once more.
   */
  async #passing(content: Tagged, seen: readonly string[], signal: AbortSignal): Promise<boolean> {
    const now = await this.#scan(signal, seen);
    if (now.ok && manifestsEqual(now.value.scan.manifest, content.scan.manifest)) return false;
    this.hints.add('.');
    return true;
  }

  /** The loss since the mirror was last made equal to the context, when it looks like an accident. */
  async #suspicious(mirror: Mirror, content: Tagged): Promise<Result<Loss | undefined>> {
    if (this.#forced) return ok(undefined);
    // What the ignore file leaves out was not lost.
    if (this.#held !== undefined && this.#held.ignoreFile !== content.scan.ignoreFile) return ok(undefined);
    const before: Result<Manifest> =
      this.#held === undefined ? await mirror.holds() : ok(this.#held.manifest);
    return before.ok ? ok(suspiciousLoss(before.value, content.scan.manifest)) : before;
  }

  #pause({ lost, of, examples }: Loss): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#emit({ type: 'paused', target: this.plan.name, generation: this.#generation, lost, of, examples });
  }

  #resume(): void {
    this.#forced = false;
    if (!this.#paused) return;
    this.#paused = false;
    this.#emit({ type: 'resumed', target: this.plan.name, generation: this.#generation });
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
      if (this.#slot.busy) this.#emit({ type: 'build-waiting', ...this.#of(generation, content) });
      this.#release = await this.#slot.acquire();
    }
    if (signal.aborted || (live && this.hints.pending && !this.#cancelled)) return 'changed';
    try {
      const mended = await this.#mendDrift(mirror, content, generation, signal);
      if (!mended.ok) return mended;
      return await this.#build(mirror.connection, content, generation, live, signal);
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
        ...this.#of(generation, content),
        paths: drift.value.slice(0, shownPaths),
      });
    }
    if (mirror.equals(content.scan.manifest)) return ok(undefined);
    const synced = await this.#sync(mirror, content, generation, signal);
    return synced.ok ? ok(undefined) : synced;
  }

  async #build(
    connection: RunnerConnection,
    content: Tagged,
    generation: number,
    live: boolean,
    signal: AbortSignal,
  ): Promise<Result<Built> | 'cancelled'> {
    const { plan } = this;
    const of = this.#of(generation, content);
    const started = this.#host.clock.monotonic();
    const cancel = new AbortController();
    const ended = new AbortController();
    this.#emit({ type: 'build-started', ...of, image: this.#reference(content) });
    const watching = live ? this.#cancelWhenChanged(content, generation, cancel, ended.signal) : undefined;
    const built = await build(
      this.#host,
      {
        target: plan.name,
        connection,
        workspace: plan.workspace,
        image: plan.image,
        tag: content.tag,
        contentHash: content.hash,
        manifest: content.scan.manifest,
        dockerfile: content.scan.dockerfile,
        options: plan.options,
        certificates: plan.certificates,
        output: plan.output,
        verifyTimeout: plan.verifyTimeout,
        timeout: plan.timeout,
      },
      {
        onLine: (line) => this.#emit({ type: 'build-output', ...of, line }),
        onProgress: (text) => this.#emit({ type: 'build-progress', ...of, text }),
      },
      AbortSignal.any([signal, cancel.signal]),
    );
    ended.abort();
    await watching;
    // Whatever it ended with: a runner that was lost meanwhile is connected to again in any case.
    this.#cancelled = cancel.signal.aborted && !built.ok;
    if (this.#cancelled) return 'cancelled';
    if (built.ok) {
      const { digest, executorMs, cacheHits, commands } = built.value;
      const ms = this.#host.clock.monotonic() - started;
      this.#emit({
        type: 'built',
        ...of,
        image: this.#reference(content),
        digest,
        executorMs,
        ms,
        cacheHits,
        commands,
      });
    }
    return built;
  }

  /** Looks at every hint during a build. A hint of newer content stays pending, so that the loop goes on with it. */
  async #cancelWhenChanged(
    content: Tagged,
    generation: number,
    cancel: AbortController,
    ended: AbortSignal,
  ): Promise<void> {
    let unsynced = false;
    while (!ended.aborted) {
      await this.hints.wait(ended);
      if (ended.aborted) break;
      const newer = await this.#scan(ended, this.hints.take());
      if (!newer.ok) {
        // In the middle of a save: another hint follows, and the end of the build looks in any case.
        unsynced = true;
        continue;
      }
      if (newer.value.hash === content.hash) {
        // Nothing that the build reads; it is synced when the build has ended.
        unsynced ||= !manifestsEqual(newer.value.scan.manifest, content.scan.manifest);
        continue;
      }
      this.hints.add('.');
      if (this.plan.onChange === 'cancel' && !this.#cancelled) {
        const { remove, write, link } = diffManifests(content.scan.manifest, newer.value.scan.manifest);
        const paths = [...write, ...link, ...remove].slice(0, shownPaths);
        this.#emit({ type: 'build-cancelled', ...this.#of(generation, content), paths });
        cancel.abort();
      }
      return;
    }
    if (unsynced) this.hints.add('.');
  }

  /** A roll-out that failed because the cluster could not be reached, or refused the user, is tried again. */
  #rollAgain(started: number): void {
    if (this.#unrolled === undefined) return;
    const { content, digest } = this.#unrolled;
    this.#startRoll(content, digest, ++this.#generation, started);
  }

  #startRoll(
    content: Tagged,
    digest: string,
    generation: number,
    started: number,
    signal?: AbortSignal,
  ): void {
    this.#roll?.abort.abort();
    this.#unrolled = undefined;
    const abort = new AbortController();
    const stop = signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]);
    this.#roll = { abort, ended: this.#rollOut(content, digest, generation, started, stop) };
  }

  async #rollOut(
    content: Tagged,
    digest: string,
    generation: number,
    started: number,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    const { plan } = this;
    const { clock, cluster } = this.#host;
    let result: Result<void> = ok(undefined);
    if (plan.deploy !== undefined && cluster !== undefined) {
      const of = this.#of(generation, content);
      const { workload, by, timeout } = plan.deploy;
      const name = `${workload.kind.toLowerCase()}/${workload.name}`;
      const reference = this.#reference(content);
      const image = by === 'digest' ? `${reference}@${digest}` : reference;
      this.#emit({ type: 'roll-started', ...of, workload: name, image });
      const rollStarted = clock.monotonic();
      const rolled = await cluster.roll(
        { workload, image: plan.repository, reference: image, digest, timeout },
        (message) => this.#emit({ type: 'roll-progress', ...of, workload: name, message }),
        signal,
      );
      if (rolled.ok) {
        const { changed, pods } = rolled.value;
        const ms = clock.monotonic() - rollStarted;
        this.#emit({ type: 'rolled', ...of, workload: name, changed, pods, ms });
      } else {
        result = rolled;
        // A newer roll-out took over: its own events follow.
        if (signal.aborted) return result;
        if (failureExits[rolled.failure.code] === exitCodes.runner) this.#unrolled = { content, digest };
        this.#emit({
          type: 'step-failed',
          target: plan.name,
          generation,
          step: 'roll',
          failure: rolled.failure,
        });
      }
    }
    this.#emit({
      type: 'settled',
      target: plan.name,
      generation,
      ok: result.ok,
      ms: clock.monotonic() - started,
    });
    return result;
  }

  #wanted(content: Tagged): Wanted {
    const { name, output, image, tag } = this.plan;
    const found = isContentTag(tag) ? content.tag : undefined;
    return { target: name, output, image, tag: found, contentHash: content.hash };
  }

  #reference(content: Tagged): string {
    return `${this.plan.repository}:${content.tag}`;
  }

  #of(generation: number, content: Tagged): { target: string; generation: number; contentHash: string } {
    return { target: this.plan.name, generation, contentHash: content.hash };
  }
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

function lossFailure({ lost, of, examples }: Loss): Failure {
  return failure(
    'root-vanished',
    `${lost} of ${of} files are gone since the runner last had them: ${examples.join(', ')}, …`,
    'Nothing was removed in the runner. If they are meant to go, run it again with --force.',
  );
}

function interrupted(): Failure {
  return failure('interrupted', 'interrupted', 'Start it again; nothing was left half done.');
}
