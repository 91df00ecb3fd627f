/** The session in memory: saves, builds that end on demand, and everything that was told about it. */
import assert from 'node:assert/strict';
import type { Event } from '../../../src/event.ts';
import type { Host } from '../../../src/host.ts';
import type { ExitCode, Failure } from '../../../src/result.ts';
import { type SessionPlan, runOnce, runWatch } from '../../../src/session.ts';
import type { TargetPlan } from '../../../src/steps/plan.ts';
import type { Target } from '../../../src/target.ts';
import { FakeClock, idle } from './clock.ts';
import { FakeCluster } from './cluster.ts';
import { FakeFiles } from './files.ts';
import { targetPlan } from './plan.ts';
import { FakeRegistry, noLayouts } from './registry.ts';
import { type FakeBuild, FakeRunner } from './runner.ts';

type EventOf<T extends Event['type']> = Extract<Event, { type: T }>;

export const dockerfile = 'FROM scratch\nCOPY src /src\nRUN make\n';

/** Lines of the executor for a command that failed. */
const failedRun = [
  JSON.stringify({ level: 'info', msg: 'RUN make', time: '' }),
  'make: *** no rule',
  'error building image: error building stage: failed to execute command: waiting for process to exit: exit status 2',
];

export class Loop {
  readonly clock = new FakeClock();
  readonly files = new FakeFiles();
  readonly runner = new FakeRunner();
  readonly registry = new FakeRegistry();
  readonly cluster = new FakeCluster();
  readonly events: Event[] = [];
  /** Why a context cannot be watched, by its root. */
  readonly unwatchable = new Map<string, Failure>();
  readonly watched = new Map<string, AbortSignal>();
  readonly #abort = new AbortController();
  readonly #hints = new Map<string, (path: string) => void>();
  readonly #plans: readonly TargetPlan[];
  #seen = 0;
  #ended: Promise<ExitCode> | undefined;
  targets: readonly Target[] = [];

  constructor(...plans: readonly TargetPlan[]) {
    this.#plans = plans.length === 0 ? [targetPlan('api')] : plans;
    for (const { source } of this.#plans) {
      this.files
        .of(source.root)
        .set('Dockerfile', dockerfile)
        .set('src/main.ts', 'first')
        .set('README.md', 'read me');
    }
  }

  /** A session whose first builds are done and told about. */
  static async settled(...plans: readonly TargetPlan[]): Promise<Loop> {
    const loop = new Loop(...plans);
    await loop.watch();
    await loop.quiet();
    for (const _ of loop.#plans) await loop.succeed();
    loop.take();
    return loop;
  }

  get host(): Host {
    return {
      clock: this.clock,
      files: this.files,
      watcher: {
        watch: async (source, _options, onHint, signal) => {
          const failure = this.unwatchable.get(source.root);
          if (failure !== undefined) return { ok: false, failure };
          this.#hints.set(source.root, onHint);
          this.watched.set(source.root, signal);
          return { ok: true, value: undefined };
        },
        watchFiles: () => {},
      },
      runner: this.runner,
      registry: this.registry,
      layouts: noLayouts,
      cluster: this.cluster,
    };
  }

  async watch(): Promise<void> {
    this.#ended = runWatch(this.host, this.#plan(), this.#emit, this.#abort.signal, (targets) => {
      this.targets = targets;
    });
    await idle();
  }

  async once(): Promise<void> {
    this.#ended = runOnce(this.host, this.#plan(), this.#emit, this.#abort.signal);
    await idle();
  }

  /** The exit code; only for a session that ends by itself. */
  async exitCode(): Promise<ExitCode> {
    const pending = Symbol('pending');
    await idle();
    const ended = await Promise.race([this.#ended, Promise.resolve(pending)]);
    assert.notEqual(ended, pending, 'the session has ended');
    return ended as ExitCode;
  }

  /** Ctrl-C: the session must end without the time passing. */
  async stop(): Promise<ExitCode> {
    this.#abort.abort();
    return this.exitCode();
  }

  /** Saves without anybody noticing. */
  write(path: string, text: string | undefined, target = 'api'): void {
    const files = this.files.of(`/project/${target}`);
    if (text === undefined) files.delete(path);
    else files.set(path, text);
  }

  /** The watcher says: look. */
  async hint(target = 'api'): Promise<void> {
    this.#hints.get(`/project/${target}`)?.('.');
    await idle();
  }

  async save(path: string, text: string | undefined, target = 'api'): Promise<void> {
    this.write(path, text, target);
    await this.hint(target);
  }

  /** Lets the settle time pass. */
  async quiet(): Promise<void> {
    await this.clock.advance(50);
  }

  /** The running build ends well and its image is pushed. */
  async succeed(): Promise<FakeBuild> {
    const { running } = this.runner;
    assert.ok(running, 'a build runs');
    this.registry.push(running);
    this.runner.end(0);
    await idle();
    return running;
  }

  /** A command of the running build fails. */
  async fail(lines: readonly string[] = failedRun, exitCode = 2): Promise<void> {
    this.runner.running?.print(...lines);
    this.runner.end(exitCode);
    await idle();
  }

  /** What was told since the last time: types of events, for one target when it is named. */
  take(target?: string): string[] {
    const events = this.events.slice(this.#seen);
    this.#seen = this.events.length;
    return events
      .filter((event) => target === undefined || !('target' in event) || event.target === target)
      .map(({ type }) => type)
      .filter((type) => !['build-output', 'build-progress', 'roll-progress'].includes(type));
  }

  last<T extends Event['type']>(type: T): EventOf<T> {
    const found = this.events.findLast((event): event is EventOf<T> => event.type === type);
    assert.ok(found, `there is a ${type}`);
    return found;
  }

  readonly #emit = (event: Event): void => {
    this.events.push(event);
  };

  #plan(): SessionPlan {
    return { config: 'kaniko.config.ts', targets: this.#plans, force: false };
  }
}
