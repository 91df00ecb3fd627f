/** Builds one generation's image with the executor in the runner and lets the registry confirm it. */
import { randomUUID } from 'node:crypto';
import type { Host, ImageReference, Manifest, RunnerConnection } from '../host.ts';
import { type BuildOptions, type Output, executorArgv } from '../kaniko/argv.ts';
import { keyDockerfile } from '../kaniko/cachekey.ts';
import { contentLabel } from '../kaniko/content.ts';
import { explainFailure } from '../kaniko/failure.ts';
import { linkTrouble, lostByLink } from '../kaniko/links.ts';
import { LineSplitter, type LogLine, parseLogLine, shortenLine } from '../kaniko/log.ts';
import { type Progress, ProgressTeller, foldProgress, noProgress } from '../kaniko/progress.ts';
import { redact } from '../kaniko/redact.ts';
import { dockerfileReads } from '../kaniko/relevance.ts';
import { readTest } from '../kaniko/sources.ts';
import { unsupported } from '../kaniko/unsupported.ts';
import { type Result, fail, ok } from '../result.ts';

export interface BuildInput {
  readonly target: string;
  readonly connection: RunnerConnection;
  /** Absolute path of the workspace in the runner. */
  readonly workspace: string;
  readonly image: ImageReference;
  readonly tag: string;
  readonly contentHash: string;
  readonly manifest: Manifest;
  readonly dockerfile: string;
  readonly options: BuildOptions;
  /** Registry host → PEM text of the authority that signed its certificate. */
  readonly certificates: Readonly<Record<string, string>>;
  readonly output: Destination;
  /** Milliseconds that a pushed image may take to be visible. */
  readonly verifyTimeout: number;
  /** Milliseconds after which the executor is killed. */
  readonly timeout: number;
}

/** Where finished images go. */
export type Destination =
  | { readonly type: 'push' }
  /** An OCI layout on this machine, and an archive for `docker load` beside it. */
  | { readonly type: 'layout'; readonly archive: string | undefined };

export interface BuildObserver {
  /** A line of the log for people, secrets taken out. */
  readonly onLine: (line: string) => void;
  /** What the executor does now. */
  readonly onProgress: (text: string) => void;
}

export interface Built {
  /** `sha256:…`, as the executor wrote it and the registry confirmed it. */
  readonly digest: string;
  readonly executorMs: number;
  readonly commands: number;
  readonly cacheHits: number;
}

/**
 * Succeeds only if the executor exited with 0, wrote a digest in this run, and the registry answers with that digest
 * for the tag, or every blob of the layout verifies. Aborting the signal kills the executor's whole session and fails with `build-cancelled`.
 */
export async function build(
  host: Host,
  input: BuildInput,
  observer: BuildObserver,
  signal: AbortSignal,
): Promise<Result<Built>> {
  const { connection, target, options } = input;
  const refused = unsupported(input.dockerfile, connection.identity.executorVersion);
  if (refused !== undefined) return { ok: false, failure: refused };
  const reads = dockerfileReads(input.dockerfile);
  const read = reads.type === 'everything' ? () => true : readTest(reads.sources);
  for (const [path, entry] of input.manifest) {
    const trouble = entry.kind === 'link' && read(path) ? linkTrouble(input.manifest, path) : undefined;
    if (trouble !== undefined) return lostFiles(`${path} is a symbolic link that ${trouble}`);
  }
  const name = `dockerfile/${target}/Dockerfile`;
  const keyed = keyDockerfile(input.dockerfile, input.manifest);
  const put = await Promise.all([
    connection.put(name, keyed.text),
    // The mirror holds only what Docker's rules let through; kaniko's own reading of them differs from Docker's.
    connection.put(`${name}.dockerignore`, ''),
  ]);
  const certificates: Record<string, string> = {};
  for (const [index, [registry, pem]] of Object.entries(input.certificates).entries()) {
    const placed = await connection.put(`certificates/${index}.pem`, pem);
    if (!placed.ok) return placed;
    certificates[registry] = placed.value;
  }
  const [dockerfile, ignoreFile] = put;
  if (!dockerfile.ok) return dockerfile;
  if (!ignoreFile.ok) return ignoreFile;

  const output = await outputOf(host, input);
  const argv = executorArgv(
    options,
    { context: `${input.workspace}/ctx/${target}`, dockerfile: dockerfile.value, certificates },
    output,
    { [contentLabel]: input.contentHash },
  );
  if (signal.aborted) return cancelled();
  const id = randomUUID();
  const started = host.clock.monotonic();
  const start = await connection.startBuild({ id, argv });
  if (!start.ok) return start;

  const run = await follow(host, input, id, observer, signal);
  if (!run.ok) return run;
  const executorMs = host.clock.monotonic() - started;
  const { exitCode, digest, progress } = run.value;
  if (exitCode !== 0)
    return { ok: false, failure: explainFailure(exitCode, progress, keyed, input.dockerfile) };
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    return fail(
      'build-no-digest',
      'the executor ended well but wrote no digest',
      'Build again; report it if it stays.',
    );
  }
  const kept = await confirm(host, input, output, digest, signal);
  return kept.ok
    ? ok({ digest, executorMs, commands: progress.commands, cacheHits: progress.cacheHits })
    : kept;
}

async function outputOf(host: Host, { image, tag, output, target }: BuildInput): Promise<Output> {
  const destination = `${image.registry}/${image.repository}:${tag}`;
  if (output.type === 'push') return { type: 'push', destination };
  return {
    type: 'layout',
    name: await host.layouts.prepare(target),
    archive: output.archive !== undefined,
    destination,
  };
}

/** Milliseconds between two questions to a registry that does not show the image yet. */
const verifyPause = 500;

async function confirm(
  host: Host,
  input: BuildInput,
  output: Output,
  digest: string,
  signal: AbortSignal,
): Promise<Result<void>> {
  if (output.type === 'layout') {
    const archive = input.output.type === 'layout' ? input.output.archive : undefined;
    return host.layouts.commit(input.target, output.name, digest, archive);
  }
  const until = host.clock.monotonic() + input.verifyTimeout;
  for (;;) {
    const confirmed = await host.registry.resolve(input.image, input.tag, signal);
    if (confirmed.ok && confirmed.value === digest) return ok(undefined);
    if (signal.aborted) return cancelled();
    if (!confirmed.ok) return confirmed;
    if (host.clock.monotonic() >= until) {
      return fail(
        'registry-mismatch',
        `the registry has ${confirmed.value ?? 'nothing'} under ${input.tag}, but ${digest} was built`,
        'Somebody else pushes this tag, or the name leads to two registries.',
      );
    }
    await host.clock.sleep(verifyPause, signal);
  }
}

async function follow(
  host: Host,
  input: BuildInput,
  id: string,
  observer: BuildObserver,
  signal: AbortSignal,
): Promise<Result<{ exitCode: number; digest: string; progress: Progress }>> {
  const { connection } = input;
  const lines = new LineSplitter();
  let progress = noProgress;
  const teller = new ProgressTeller();
  const stopped = new AbortController();
  let reason: 'cancelled' | 'timeout' | 'lost' | undefined;
  const stop = (why: 'cancelled' | 'timeout' | 'lost'): void => {
    if (reason !== undefined) return;
    reason = why;
    void connection.killBuild(id);
  };
  let lost: string | undefined;
  const takeOne = (line: LogLine): void => {
    progress = foldProgress(progress, line);
    const text = teller.tell(line);
    if (text !== undefined) observer.onProgress(redact([text])[0] ?? '');
    lost ??= line.type === 'kaniko' ? lostByLink(line.message) : undefined;
    if (lost !== undefined) stop('lost');
    const [shown = ''] = redact([line.type === 'kaniko' ? line.message : line.text]);
    observer.onLine(shortenLine(shown));
  };
  const take = (line: string): void => parseLogLine(line).forEach(takeOne);
  const onAbort = (): void => stop('cancelled');
  signal.addEventListener('abort', onAbort, { once: true });
  // Aborted while the executor was being started.
  if (signal.aborted) stop('cancelled');
  void host.clock.sleep(input.timeout, stopped.signal).then(() => {
    if (!stopped.signal.aborted) stop('timeout');
  });
  const end = await connection.followBuild(id, 0, (data) => {
    for (const line of lines.push(data)) take(line);
  });
  stopped.abort();
  signal.removeEventListener('abort', onAbort);
  for (const line of lines.end()) take(line);
  if (!end.ok) return end;
  if (lost !== undefined) return lostFiles(`${lost} is a symbolic link that cannot be resolved`);
  if (end.value.exitCode !== 0 && reason === 'cancelled') return cancelled();
  if (end.value.exitCode !== 0 && reason === 'timeout') {
    return fail(
      'build-timeout',
      `the build took longer than ${Math.round(input.timeout / 1000)} s and was ended`,
      'Raise build.timeout, or look at the last lines for what it waits for.',
      redact(progress.output.slice(-10)).map(shortenLine),
    );
  }
  return ok({ ...end.value, progress });
}

/** The executor exits with 0 all the same. */
function lostFiles(what: string): Result<never> {
  return fail(
    'build-failed',
    `${what}: kaniko leaves files that come after it out of the image`,
    'Remove the link or leave it out in .dockerignore; one that a RUN makes must lead somewhere, or nowhere at all.',
  );
}

function cancelled(): Result<never> {
  return fail('build-cancelled', 'the build was cancelled', 'A newer content is built instead.');
}
