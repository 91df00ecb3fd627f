/** A runner connection: the port's methods, spoken to one agent. The same for a pod and for the local sandbox. */
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import type {
  BuildEnd,
  BuildStart,
  Change,
  Clock,
  Holder,
  Manifest,
  RemoteEntry,
  RunnerIdentity,
  Written,
} from '../host.ts';
import { type Failure, type Result, fail, failure, ok } from '../result.ts';
import { Agent, type FollowerFrame } from './agent.ts';
import type { Channel } from './channel.ts';
import type { OwnedConnection } from './reconnecting.ts';
import { fromPaths, parseHashes, parseNames, parseStats, toPaths } from './listing.ts';
import { Transfer } from './transfer.ts';

const buildProgram = readFileSync(new URL('./build.sh', import.meta.url));

/** From so many files on, reading them is shared between two processes. */
const manyFiles = 500;

/** The executor's argv travels through xargs, which must not split it. */
const maxArgvBytes = 24_000;

export interface RunnerPlace {
  /** Shown to people: `pod/kaniko-build-runner-abc`. */
  readonly name: string;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  /** Called once the channel is gone. */
  readonly release?: () => Promise<void>;
}

/** Opens the agent over the channel, takes the workspace's writer lock and checks that the executor runs. */
export async function openConnection(
  channel: Channel,
  clock: Clock,
  place: RunnerPlace,
  holder: Holder,
): Promise<Result<OwnedConnection>> {
  const opened = await Agent.open(channel, clock);
  if (!opened.ok) return opened;
  const agent = opened.value;
  const name = holder.name.replaceAll(/[^\w.@-]/g, '_');
  const hello = await agent.ask(
    `hello ${place.workspace} ${holder.session} ${name} ${randomUUID()} ${buildProgram.length}`,
    [buildProgram],
  );
  if (!hello.ok) {
    agent.close('refused');
    return { ok: false, failure: explainHello(hello.failure, place) };
  }
  const [workspaceId = '', executorVersion = '', running = '-'] = text(hello.value[0]).split('\n');
  const identity: RunnerIdentity = { name: place.name, workspaceId, executorVersion: executorVersion.trim() };
  const gone = channel.closed.then(async () => place.release?.());
  return ok(new Connection(agent, identity, place, gone, running === '-' ? undefined : running));
}

class Connection implements OwnedConnection {
  readonly identity: RunnerIdentity;
  /** Id of a build that another connection left running. */
  readonly leftoverBuild: string | undefined;
  readonly #agent: Agent;
  readonly #place: RunnerPlace;
  readonly #gone: Promise<void>;

  constructor(
    agent: Agent,
    identity: RunnerIdentity,
    place: RunnerPlace,
    gone: Promise<void>,
    leftoverBuild: string | undefined,
  ) {
    this.#agent = agent;
    this.#gone = gone;
    this.identity = identity;
    this.#place = place;
    this.leftoverBuild = leftoverBuild;
  }

  get lost(): AbortSignal {
    return this.#agent.lost;
  }

  async close(): Promise<void> {
    this.#agent.close('closed');
    await this.#gone;
  }

  async list(target: string): Promise<Result<ReadonlyMap<string, RemoteEntry>>> {
    const answer = await this.#agent.ask(`list ${target}`);
    if (!answer.ok) return answer;
    const [names, stats] = answer.value;
    const paths = parseNames(names);
    const entries = parseStats(stats);
    if (paths.length !== entries.length) return changedWhileListed(target);
    const listing = new Map<string, RemoteEntry>();
    for (const [index, path] of paths.entries()) {
      const entry = entries[index];
      if (path !== '.' && entry !== undefined) listing.set(path.slice(2), entry);
    }
    return ok(listing);
  }

  async read(
    target: string,
    files: readonly string[],
    links: readonly string[],
  ): Promise<Result<ReadonlyMap<string, string>>> {
    // The agent works on two questions at once.
    const half = files.length < manyFiles ? files.length : Math.ceil(files.length / 2);
    const parts = await Promise.all([
      this.#readSome(target, files.slice(0, half), links),
      ...(half < files.length ? [this.#readSome(target, files.slice(half), [])] : []),
    ]);
    const contents = new Map<string, string>();
    for (const part of parts) {
      if (!part.ok) return part;
      for (const [path, content] of part.value) contents.set(path, content);
    }
    return ok(contents);
  }

  async #readSome(
    target: string,
    files: readonly string[],
    links: readonly string[],
  ): Promise<Result<ReadonlyMap<string, string>>> {
    const filePaths = toPaths(files);
    const linkPaths = toPaths(links);
    const answer = await this.#agent.ask(`contents ${target} ${filePaths.length} ${linkPaths.length}`, [
      filePaths,
      linkPaths,
    ]);
    if (!answer.ok) return answer;
    const contents = parseHashes(answer.value[0], files);
    const targets = fromPaths(answer.value[1]);
    if (targets.length === links.length) {
      for (const [index, path] of links.entries()) contents.set(path, targets[index] ?? '');
    }
    return ok(contents);
  }

  async apply(
    target: string,
    change: Change,
    manifest: Manifest,
    pack: (paths: readonly string[]) => AsyncIterable<Uint8Array>,
    acknowledged: (written: ReadonlyMap<string, Written>, removed: readonly string[]) => void,
    signal: AbortSignal,
  ): Promise<Result<void>> {
    return new Transfer(this.#agent, { target, manifest, pack, acknowledged }).apply(change, signal);
  }

  async put(name: string, content: string | undefined): Promise<Result<string>> {
    const body = Buffer.from(content ?? '');
    const answer = await this.#agent.ask(`put ${name} ${content === undefined ? -1 : body.length}`, [body]);
    return answer.ok ? ok(`${this.#place.workspace}/.kaniko-dev/${name}`) : answer;
  }

  async startBuild(start: BuildStart): Promise<Result<void>> {
    const argv = Buffer.from(start.argv.map((argument) => `${argument}\0`).join(''));
    if (argv.length > maxArgvBytes) {
      return fail(
        'build-failed',
        `the executor's arguments take ${argv.length} bytes, more than ${maxArgvBytes}`,
        'Pass large values as files in the context instead of build args.',
      );
    }
    const answer = await this.#agent.ask(`start-build ${start.id} ${argv.length}`, [argv]);
    return answer.ok ? ok(undefined) : answer;
  }

  async followBuild(
    id: string,
    offset: number,
    onData: (data: Uint8Array) => void,
  ): Promise<Result<BuildEnd>> {
    let expected = offset;
    const ended = new Promise<Result<BuildEnd>>((resolve) => {
      this.lost.addEventListener(
        'abort',
        () => resolve({ ok: false, failure: this.lost.reason as Failure }),
        {
          once: true,
        },
      );
      this.#agent.onFrame = (frame: FollowerFrame) => {
        if (frame.type === 'data') {
          // A follower that was replaced may have had a frame under way.
          const fresh = frame.data.subarray(Math.max(0, expected - frame.offset));
          expected += fresh.length;
          if (fresh.length > 0) onData(fresh);
        } else if (frame.id === id) {
          resolve(ok({ exitCode: frame.exitCode, digest: frame.digest }));
        }
      };
    });
    const answer = await this.#agent.ask(`follow ${id} ${offset}`);
    return answer.ok ? ended : answer;
  }

  async killBuild(id: string): Promise<Result<void>> {
    const answer = await this.#agent.ask(`kill-build ${id}`);
    return answer.ok ? ok(undefined) : answer;
  }

  async dockerConfig(): Promise<Result<string | undefined>> {
    const answer = await this.#agent.ask('docker-config');
    if (!answer.ok) return answer;
    const config = text(answer.value[0]);
    return ok(config === '' ? undefined : config);
  }
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('utf8');
}

function changedWhileListed(target: string): Result<never> {
  return fail(
    'sync-failed',
    `the mirror of ${target} changed while it was listed`,
    'Something else writes into the runner’s workspace; find it with `kubectl exec … -- ps`.',
  );
}

/** The agent refuses a hello with "held NAME", "workspace PATH" or "executor TEXT". */
function explainHello(cause: Failure, place: RunnerPlace): Failure {
  if (cause.code !== 'runner-protocol') return cause;
  const [word, ...rest] = cause.message.split(' ');
  switch (word) {
    case 'held':
      return failure(
        'runner-held',
        `${place.name} is in use by ${rest.join(' ')}`,
        'One daemon writes to a workspace at a time: stop the other one, or use another runner.',
      );
    case 'workspace':
      return failure(
        'runner-not-ready',
        `${place.workspace} in ${place.name} cannot be written`,
        'Mount an emptyDir there, as k8s/ does, and check that it is not full.',
      );
    case 'executor':
      return failure(
        'runner-no-executor',
        `/kaniko/executor does not run in ${place.name}`,
        'The runner must use a kaniko debug image: gcr.io/kaniko-project/executor:v1.24.0-debug.',
        rest.join(' ') === '' ? undefined : [rest.join(' ')],
      );
    default:
      return cause;
  }
}
