/**
 * A runner in memory that holds whoever uses it to the rules: one build at a time, and nothing is written into a mirror
 * while its build runs. Builds end when the test says so.
 */
import assert from 'node:assert/strict';
import { contentLabel } from '../../../src/kaniko/content.ts';
import type {
  BuildEnd,
  BuildStart,
  Change,
  Manifest,
  RemoteEntry,
  Runner,
  RunnerConnection,
  Written,
} from '../../../src/host.ts';
import { type Failure, type Result, failure, ok } from '../../../src/result.ts';
import { digestOf } from './files.ts';

interface Stored {
  readonly text: string;
  readonly stat: string;
}

/** A build that was started; it runs until it is ended, killed, or its runner is lost. */
export class FakeBuild {
  readonly id: string;
  readonly target: string;
  readonly argv: readonly string[];
  /** The mirror, as it was when the build began. */
  readonly context: ReadonlyMap<string, string>;
  readonly dockerfile: string;
  killed = false;
  readonly ended = Promise.withResolvers<Result<BuildEnd>>();
  onData: (data: Uint8Array) => void = () => {};

  constructor(start: BuildStart, context: ReadonlyMap<string, string>, dockerfile: string) {
    this.id = start.id;
    this.argv = start.argv;
    this.target = this.value('--context').split('/').at(-1) ?? '';
    this.context = context;
    this.dockerfile = dockerfile;
  }

  value(flag: string): string {
    return this.argv.find((argument) => argument.startsWith(`${flag}=`))?.slice(flag.length + 1) ?? '';
  }

  get contentHash(): string {
    return this.value(`--label=${contentLabel}`);
  }

  get tag(): string {
    return this.value('--destination').split(':').at(-1) ?? '';
  }

  /** What the image would be called by its content. */
  get digest(): string {
    return `sha256:${digestOf(this.contentHash)}`;
  }

  print(...lines: readonly string[]): void {
    this.onData(Buffer.from(lines.map((line) => `${line}\n`).join('')));
  }
}

export class FakeRunner implements Runner {
  readonly #mirrors = new Map<string, Map<string, Stored>>();
  readonly #puts = new Map<string, string>();
  readonly builds: FakeBuild[] = [];
  /** Calls of the current connection and those before it: `apply api +a -b`. */
  readonly calls: string[] = [];
  /** The running build; never more than one. */
  running: FakeBuild | undefined;
  /** What connecting fails with. */
  unreachable: Failure | undefined;
  /** A killed executor that does not notice. */
  ignoreKills = false;
  connects = 0;
  closed = false;
  #connection: FakeConnection | undefined;
  #stat = 0;

  async connect(signal: AbortSignal): Promise<Result<RunnerConnection>> {
    await Promise.resolve();
    if (signal.aborted) return { ok: false, failure: failure('interrupted', 'interrupted', '') };
    if (this.unreachable !== undefined) return { ok: false, failure: this.unreachable };
    if (this.#connection === undefined || this.#connection.lost.aborted) {
      this.connects += 1;
      this.#connection = new FakeConnection(this);
    }
    return ok(this.#connection);
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** The connection breaks; `emptied` when the next one leads to a new pod. A build left behind is killed then. */
  lose(emptied: boolean): void {
    const lost = failure('runner-lost', 'the connection to the runner ended: dropped', '');
    this.#connection?.lose(lost);
    this.running?.ended.resolve({ ok: false, failure: lost });
    this.running = undefined;
    if (emptied) this.#mirrors.clear();
  }

  /** Somebody else writes into a mirror. */
  tamper(target: string, path: string, text: string | undefined): void {
    if (text === undefined) this.mirror(target).delete(path);
    else this.#store(target, path, text);
  }

  /** Ends the running build. */
  end(exitCode: number, digest = this.running?.digest ?? ''): FakeBuild {
    const build = this.running;
    assert.ok(build, 'a build runs');
    assert.deepEqual(this.texts(build.target), build.context, 'the mirror is as it was when the build began');
    this.running = undefined;
    build.ended.resolve(ok({ exitCode, digest: exitCode === 0 ? digest : '' }));
    return build;
  }

  mirror(target: string): Map<string, Stored> {
    const mirror = this.#mirrors.get(target) ?? new Map<string, Stored>();
    this.#mirrors.set(target, mirror);
    return mirror;
  }

  texts(target: string): Map<string, string> {
    return new Map([...this.mirror(target)].map(([path, { text }]) => [path, text]));
  }

  written(target: string, path: string): Written {
    const { text, stat } = this.mirror(target).get(path) ?? { text: '', stat: '' };
    const remote: RemoteEntry = {
      kind: 'file',
      mode: 0o644,
      size: Buffer.byteLength(text),
      stat,
      changed: 0,
    };
    return { remote, content: digestOf(text) };
  }

  async apply(target: string, change: Change, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const names = [...change.write.map((path) => `+${path}`), ...change.remove.map((path) => `-${path}`)];
    this.calls.push(['apply', target, ...names].join(' '));
    assert.deepEqual([...change.link, ...(change.copy ?? [])], [], 'the contexts of these tests are simple');
    const write = (path: string, text: string | undefined): void => {
      assert.notEqual(this.running?.target, target, 'nothing is written into a mirror while its build runs');
      if (text === undefined) this.mirror(target).delete(path);
      else this.#store(target, path, text);
    };
    for (const path of change.remove) write(path, undefined);
    for await (const piece of pieces) {
      const [path, text] = JSON.parse(Buffer.from(piece).toString()) as [string, string];
      write(path, text);
    }
  }

  put(name: string, content: string | undefined): void {
    if (content === undefined) this.#puts.delete(name);
    else this.#puts.set(name, content);
  }

  start(start: BuildStart): void {
    assert.equal(this.running, undefined, 'one build at a time');
    const target = /ctx\/([^/]+)$/.exec(start.argv[0] ?? '')?.[1] ?? '';
    const dockerfile = this.#puts.get(`dockerfile/${target}/Dockerfile`) ?? '';
    const build = new FakeBuild(start, this.texts(target), dockerfile);
    this.calls.push(`build ${target}`);
    this.builds.push(build);
    this.running = build;
  }

  kill(id: string): void {
    if (this.running?.id !== id) return;
    this.calls.push(`kill ${this.running.target}`);
    this.running.killed = true;
    if (!this.ignoreKills) this.end(137);
  }

  #store(target: string, path: string, text: string): void {
    this.#stat += 1;
    this.mirror(target).set(path, { text, stat: `${this.#stat}` });
  }
}

class FakeConnection implements RunnerConnection {
  readonly identity = { name: 'pod/runner-1', workspaceId: 'id', executorVersion: 'v1.24.0' };
  readonly #lost = new AbortController();
  readonly #runner: FakeRunner;

  constructor(runner: FakeRunner) {
    this.#runner = runner;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(cause: Failure): void {
    this.#lost.abort(cause);
  }

  async list(target: string): Promise<Result<ReadonlyMap<string, RemoteEntry>>> {
    return this.#alive(() => {
      const paths = [...this.#runner.mirror(target).keys()];
      return new Map(paths.map((path) => [path, this.#runner.written(target, path).remote]));
    });
  }

  async read(target: string, files: readonly string[]): Promise<Result<ReadonlyMap<string, string>>> {
    return this.#alive(
      () => new Map(files.map((path) => [path, this.#runner.written(target, path).content])),
    );
  }

  async apply(
    target: string,
    change: Change,
    _manifest: Manifest,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
  ): Promise<Result<void>> {
    const applied = await this.#alive(() =>
      this.#runner.apply(target, change, this.#whileAlive(pack(change.write))),
    );
    if (!applied.ok) return applied;
    return this.#alive(() =>
      acknowledged(
        new Map(change.write.map((path) => [path, this.#runner.written(target, path)])),
        change.remove,
      ),
    );
  }

  async put(name: string, content: string | undefined): Promise<Result<string>> {
    return this.#alive(() => {
      this.#runner.put(name, content);
      return `/workspace/.kaniko-dev/${name}`;
    });
  }

  async startBuild(start: BuildStart): Promise<Result<void>> {
    return this.#alive(() => this.#runner.start(start));
  }

  async followBuild(
    id: string,
    _offset: number,
    onData: (data: Uint8Array) => void,
  ): Promise<Result<BuildEnd>> {
    const build = this.#runner.builds.find((candidate) => candidate.id === id);
    assert.ok(build);
    build.onData = onData;
    return build.ended.promise;
  }

  async killBuild(id: string): Promise<Result<void>> {
    return this.#alive(() => this.#runner.kill(id));
  }

  async dockerConfig(): Promise<Result<string | undefined>> {
    return ok(undefined);
  }

  async *#whileAlive(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of pieces) {
      if (this.lost.aborted) return;
      yield piece;
    }
  }

  async #alive<T>(answer: () => T | Promise<T>): Promise<Result<T>> {
    await Promise.resolve();
    if (this.lost.aborted) return { ok: false, failure: this.lost.reason as Failure };
    const value = await answer();
    return this.lost.aborted ? { ok: false, failure: this.lost.reason as Failure } : ok(value);
  }
}
