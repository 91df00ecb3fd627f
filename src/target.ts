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
import { diffManifests, hashManifest, manifestsEqual } from './files/manifest.ts';
import { Hints } from './hints.ts';
import type {
  ContextSource,
  Host,
  ImageReference,
  RunnerConnection,
  Scan,
  WatchOptions,
  Workload,
} from './host.ts';
import type { BuildOptions } from './kaniko/argv.ts';
import { contentHash } from './kaniko/content.ts';
import { dockerfileReads, relevantManifest } from './kaniko/relevance.ts';
import { imageTag, isContentTag } from './kaniko/tag.ts';
import { type Failure, type Result, exitCodes, fail, failure, failureExits, ok } from './result.ts';
import type { Slot } from './slot.ts';
import { type Built, type Destination, build } from './steps/build.ts';
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
/** Milliseconds between attempts to reach a lost runner. */
const reconnectPause = 1_000;
/** Milliseconds between looks at everything, whatever was hinted. */
const reconcileInterval = 300_000;
/** Names shown with an event. */
const shownPaths = 5;

interface Content {
  readonly scan: Scan;
  readonly hash: string;
  readonly tag: string;
}

export class Target {
  readonly plan: TargetPlan;
  readonly hints = new Hints();
  readonly #host: Host;
  readonly #slot: Slot;
  readonly #emit: Emit;
  #mirror: Mirror | undefined;
  #generation = 0;
  /** The content whose image is known to be in the registry. */
  #done: string | undefined;
  /** The content whose build failed for a reason that only another content can mend. */
  #failed: string | undefined;
  /** The last build was cancelled: the next one is let finish. */
  #cancelled = false;
  /** Build it even if the registry has it. */
  #fresh = false;
  #roll: { readonly abort: AbortController; readonly ended: Promise<Result<void>> } | undefined;

  constructor(host: Host, plan: TargetPlan, slot: Slot, emit: Emit) {
    this.#host = host;
    this.plan = plan;
    this.#slot = slot;
    this.#emit = emit;
  }

  /** Builds the content of now, even if there is an image of it. */
  rebuild(): void {
    this.#done = undefined;
    this.#failed = undefined;
    this.#fresh = true;
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
    content: Content,
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
    const { plan } = this;
    const { clock } = this.#host;
    const started = clock.monotonic();
    let generation = 0;
    const failed = (step: Step, cause: Failure): Result<void> => {
      if (signal.aborted) return { ok: false, failure: interrupted() };
      this.#emit({ type: 'step-failed', target: plan.name, generation, step, failure: cause });
      this.#emit({
        type: 'settled',
        target: plan.name,
        generation,
        ok: false,
        ms: clock.monotonic() - started,
      });
      return { ok: false, failure: cause };
    };

    for (let attempt = 1; ; attempt += 1) {
      if (signal.aborted) return { ok: false, failure: interrupted() };
      this.hints.take();
      const scanned = await this.#scan(signal);
      if (!scanned.ok) {
        if (scanned.failure.code === 'file-unstable' && attempt < maxAttempts) continue;
        return failed('scan', scanned.failure);
      }
      const content = scanned.value;
      const connected = await this.#connect(signal, live);
      if (!connected.ok) return failed('sync', connected.failure);
      const mirror = this.#mirrorOf(connected.value);
      const unbuilt = content.hash !== this.#done && content.hash !== this.#failed;
      if (!unbuilt && mirror.equals(content.scan.manifest)) return ok(undefined);

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
        if (retries(synced.failure) && (live || attempt < maxAttempts) && !signal.aborted) continue;
        return failed('sync', synced.failure);
      }
      if (!unbuilt) {
        const paths = synced.value;
        if (paths.length > 0 && content.hash === this.#done) {
          this.#emit({ type: 'change-unread', ...this.#of(generation, content), paths });
        }
        return ok(undefined);
      }
      if (live && (await this.#unsettled(started, signal))) {
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
        if (built === 'changed') continue;
        if (built === 'cancelled') {
          generation = ++this.#generation;
          attempt = 0;
          continue;
        }
        if (!built.ok) {
          if (retries(built.failure) && (live || attempt < maxAttempts) && !signal.aborted) continue;
          const exit = failureExits[built.failure.code];
          if (exit === exitCodes.build || exit === exitCodes.usage) this.#failed = content.hash;
          return failed('build', built.failure);
        }
        digest = built.value.digest;
        this.#fresh = false;
      }
      this.#done = content.hash;
      this.#startRoll(content, digest, generation, started);
      return ok(undefined);
    }
  }

  async #scan(signal: AbortSignal): Promise<Result<Content>> {
    const { plan } = this;
    const scanned = await this.#host.files.scan(plan.source, signal);
    if (!scanned.ok) return scanned;
    const scan = scanned.value;
    const hash = contentHash({
      manifest: hashManifest(relevantManifest(scan.manifest, dockerfileReads(scan.dockerfile))),
      dockerfile: scan.dockerfile,
      ignoreFile: scan.ignoreFile,
      options: plan.options,
    });
    return ok({ scan, hash, tag: imageTag(plan.tag, plan.name, hash, this.#host.clock.now()) });
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
    content: Content,
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
    return this.hints.pending || signal.aborted;
  }

  async #buildInTurn(
    mirror: Mirror,
    content: Content,
    generation: number,
    live: boolean,
    signal: AbortSignal,
  ): Promise<Result<Built> | 'changed' | 'cancelled'> {
    if (this.#slot.busy) this.#emit({ type: 'build-waiting', ...this.#of(generation, content) });
    const release = await this.#slot.acquire();
    try {
      if (signal.aborted || (live && this.hints.pending && !this.#cancelled)) return 'changed';
      const mended = await this.#mendDrift(mirror, content, generation, signal);
      if (!mended.ok) return mended;
      return await this.#build(mirror.connection, content, generation, live, signal);
    } finally {
      release();
    }
  }

  /** A difference between the mirror and the generation is repaired, never built. */
  async #mendDrift(
    mirror: Mirror,
    content: Content,
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
    content: Content,
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
    this.#cancelled = cancel.signal.aborted && !built.ok && built.failure.code === 'build-cancelled';
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
    content: Content,
    generation: number,
    cancel: AbortController,
    ended: AbortSignal,
  ): Promise<void> {
    let unsynced = false;
    while (!ended.aborted) {
      await this.hints.wait(ended);
      if (ended.aborted) break;
      this.hints.take();
      const newer = await this.#scan(ended);
      if (newer.ok && newer.value.hash === content.hash) {
        // Nothing that the build reads; it is synced when the build has ended.
        unsynced ||= !manifestsEqual(newer.value.scan.manifest, content.scan.manifest);
        continue;
      }
      this.hints.add('.');
      if (newer.ok && this.plan.onChange === 'cancel' && !this.#cancelled) {
        const { remove, write, link } = diffManifests(content.scan.manifest, newer.value.scan.manifest);
        const paths = [...write, ...link, ...remove].slice(0, shownPaths);
        this.#emit({ type: 'build-cancelled', ...this.#of(generation, content), paths });
        cancel.abort();
      }
      return;
    }
    if (unsynced) this.hints.add('.');
  }

  #startRoll(content: Content, digest: string, generation: number, started: number): void {
    this.#roll?.abort.abort();
    const abort = new AbortController();
    this.#roll = { abort, ended: this.#rollOut(content, digest, generation, started, abort.signal) };
  }

  async #rollOut(
    content: Content,
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

  #wanted(content: Content): Wanted {
    const { name, output, image, tag } = this.plan;
    const found = isContentTag(tag) ? content.tag : undefined;
    return { target: name, output, image, tag: found, contentHash: content.hash };
  }

  #reference(content: Content): string {
    return `${this.plan.repository}:${content.tag}`;
  }

  #of(generation: number, content: Content): { target: string; generation: number; contentHash: string } {
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

function interrupted(): Failure {
  return failure('interrupted', 'interrupted', 'Start it again; nothing was left half done.');
}
