/**
 * The Watcher port, on chokidar, which keeps one inotify watch for each directory and none for files. Its raw events
 * name what happens in a directory at once; its own events follow, after it has looked for itself, and tell of what
 * was in a directory before its watch was. Both are only hints, so nothing is made of their kind.
 *
 *   opening ──▶ watching ──ignore file changed──▶ opening again, the old watch stays until the new one is ready
 *                  └──────out of watches────────▶ opening again, polling
 */
import { basename, join } from 'node:path';
import { watch as chokidar, type ChokidarOptions, type FSWatcher } from 'chokidar';
import type { ContextSource, Watcher } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { Hinter } from './hinter.ts';
import { noRules, parsePatterns, type Rules } from './ignore.ts';
import { ignoreFilePaths, readIgnoreFile } from './locate.ts';
import { findRoot, ownDirectory } from './root.ts';
import { isTemporary } from './temporary.ts';

export interface WatcherOptions {
  /** Milliseconds between two looks while polling. */
  readonly pollingInterval?: number;
  /** Something a person should know: one line. */
  readonly onNotice?: (message: string) => void;
}

export function createWatcher(options: WatcherOptions = {}): Watcher {
  return {
    async watch(source, { ignore, polling }, onHint, signal) {
      const root = await findRoot(source);
      if (!root.ok) return root;
      const quiet = parsePatterns(ignore, 'watch.ignore');
      if (!quiet.ok) return { ok: false, failure: { ...quiet.failure, code: 'config-invalid' } };
      const watching = new ContextWatch({
        source,
        root: root.value,
        quiet: quiet.value,
        polling,
        onHint,
        signal,
        options,
      });
      return watching.start();
    },
    watchFiles(files, onHint, signal) {
      const watcher = chokidar([...files], { ignoreInitial: true });
      watcher.on('all', onHint);
      // What cannot be watched is only looked at less often.
      watcher.on('error', onHint);
      signal.addEventListener('abort', () => void watcher.close(), { once: true });
    },
  };
}

interface Watching {
  readonly source: ContextSource;
  /** Where the context really is: chokidar is told not to follow links. */
  readonly root: string;
  /** What gives no hint although it is part of the context. */
  readonly quiet: Rules;
  readonly polling: boolean;
  readonly onHint: (path: string) => void;
  readonly signal: AbortSignal;
  readonly options: WatcherOptions;
}

class ContextWatch {
  readonly #source: ContextSource;
  readonly #root: string;
  readonly #quiet: Rules;
  readonly #options: WatcherOptions;
  readonly #hinter: Hinter;
  readonly #signal: AbortSignal;
  /** The Dockerfile and the ignore files, wherever they are and whether they exist. */
  readonly #singles: ReadonlySet<string>;
  #polling: boolean;
  #rules: Rules = noRules;
  #ignoreText: string | undefined;
  #open: readonly FSWatcher[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  /** Openings happen one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(watching: Watching) {
    this.#source = watching.source;
    this.#root = watching.root;
    this.#quiet = watching.quiet;
    this.#options = watching.options;
    this.#hinter = new Hinter(watching.source.root, watching.root, watching.onHint);
    this.#signal = watching.signal;
    this.#singles = new Set([watching.source.dockerfile, ...ignoreFilePaths(watching.source)]);
    this.#polling = watching.polling;
  }

  async start(): Promise<Result<void>> {
    await this.#readRules();
    this.#signal.addEventListener('abort', () => void this.#stop(), { once: true });
    await this.#then(() => this.#reopen());
    if (this.#signal.aborted) return fail('interrupted', 'interrupted', 'Run it again.');
    return ok(undefined);
  }

  async #stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    await closeAll(this.#open);
  }

  #then(task: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(task);
    return this.#work;
  }

  /** Opens watches that fit the rules of now, then closes the old ones, so that no moment goes unwatched. */
  async #reopen(): Promise<void> {
    const old = this.#open;
    for (;;) {
      if (this.#signal.aborted) break;
      const polling = this.#polling;
      this.#open = [this.#openTree(polling), this.#openSingles(polling)];
      await Promise.all(this.#open.map((watcher) => this.#ready(watcher, polling)));
      if (this.#polling === polling) break;
      await closeAll(this.#open);
    }
    await closeAll(old);
    if (this.#signal.aborted) return this.#stop();
    if (this.#polling) this.#beat();
  }

  /** Polling compares sizes and times: a changed mode or a restored time is left for an occasional scan to find. */
  #beat(): void {
    this.#heartbeat ??= setInterval(() => this.#hintUnless(false, this.#root), 10 * this.#interval);
  }

  #openTree(polling: boolean): FSWatcher {
    const watcher = chokidar(this.#root, {
      ...this.#chokidarOptions(polling),
      followSymlinks: false,
      ignored: (path, stats) => {
        const name = this.#hinter.within(path);
        if (name === '') return false;
        if (name === undefined) return true;
        // Without stats it may be a directory: chokidar asks again once it knows.
        return stats === undefined || stats.isDirectory() ? this.#prunes(name) : this.#ignores(name);
      },
    });
    watcher.on('all', (event, path) => {
      const name = this.#hinter.within(path);
      if (name === undefined) return;
      if (event !== 'addDir' && event !== 'unlinkDir') return this.#fileHint(name, path);
      // The event comes just before the watch of the new directory: only a look taken after that misses nothing.
      setImmediate(() => this.#hintUnless(this.#prunes(name), path));
    });
    if (polling) return watcher;
    watcher.on('raw', (_event, path, details) => {
      const absolute = rawPath(path, details);
      const name = absolute === undefined ? '' : this.#hinter.within(absolute);
      if (name !== undefined) this.#fileHint(name, absolute ?? this.#root);
    });
    return watcher;
  }

  #openSingles(polling: boolean): FSWatcher {
    const watcher = chokidar([...this.#singles], { ...this.#chokidarOptions(polling), followSymlinks: true });
    const look = (path: string): void => {
      if (this.#signal.aborted || !this.#singles.has(path)) return;
      this.#hinter.tell(path);
      if (path !== this.#source.dockerfile) void this.#then(() => this.#refreshRules());
    };
    watcher.on('all', (_event, path) => look(path));
    if (polling) return watcher;
    watcher.on('raw', (_event, path, details) => look(rawPath(path, details) ?? ''));
    return watcher;
  }

  #chokidarOptions(polling: boolean): ChokidarOptions {
    return {
      ignoreInitial: true,
      ignorePermissionErrors: true,
      // A hint needs no grouping of events, and directories may be named `*~`.
      atomic: false,
      usePolling: polling,
      interval: this.#interval,
      binaryInterval: this.#interval,
    };
  }

  /** Ready, or not going to be: errors are dealt with by what they mean, and never end the process. */
  #ready(watcher: FSWatcher, polling: boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#signal.removeEventListener('abort', done);
        resolve();
      };
      this.#signal.addEventListener('abort', done);
      watcher.once('ready', done);
      watcher.on('error', (error) => {
        if (!polling && this.#exhausted(error)) done();
      });
    });
  }

  /** Out of inotify watches or instances: polls from now on. */
  #exhausted(error: unknown): boolean {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const limit =
      code === 'ENOSPC'
        ? 'fs.inotify.max_user_watches'
        : code === 'EMFILE'
          ? 'fs.inotify.max_user_instances'
          : undefined;
    if (limit === undefined) return false;
    if (this.#polling || this.#signal.aborted) return true;
    this.#polling = true;
    this.#options.onNotice?.(
      `the kernel's limit ${limit} is reached: polling ${this.#source.root} instead; raise it with sysctl`,
    );
    void this.#then(() => this.#reopenPolling());
    return true;
  }

  async #reopenPolling(): Promise<void> {
    if (this.#open.every((watcher) => watcher.options.usePolling)) return;
    await this.#reopen();
    this.#hintUnless(false, this.#root);
  }

  async #refreshRules(): Promise<void> {
    if (this.#signal.aborted || !(await this.#readRules())) return;
    await this.#reopen();
    // What the new rules let in was not watched until now.
    this.#hintUnless(false, this.#root);
  }

  /** True when the rules are new. A file that cannot be used changes nothing: the scan says what is wrong with it. */
  async #readRules(): Promise<boolean> {
    const file = await readIgnoreFile(this.#source);
    if (!file.ok || file.value.text === this.#ignoreText) return false;
    this.#ignoreText = file.value.text;
    this.#rules = file.value.rules;
    return true;
  }

  #fileHint(name: string, path: string): void {
    if (this.#ignores(name)) return;
    if (isTemporary(basename(name))) this.#hinter.hold(path);
    else this.#hintUnless(false, path);
  }

  #hintUnless(ignored: boolean, path: string): void {
    if (!ignored && !this.#signal.aborted) this.#hinter.give(path);
  }

  get #interval(): number {
    return this.#options.pollingInterval ?? 1000;
  }

  #ignores(name: string): boolean {
    return name !== '' && (isOwn(name) || this.#rules.ignores(name) || this.#quiet.ignores(name));
  }

  #prunes(name: string): boolean {
    return name !== '' && (isOwn(name) || this.#rules.prunes(name) || this.#quiet.prunes(name));
  }
}

function isOwn(name: string): boolean {
  return name === ownDirectory || name.startsWith(`${ownDirectory}/`);
}

/** The path of a raw event, undefined when the kernel did not name it. */
function rawPath(name: unknown, details: unknown): string | undefined {
  if (typeof details !== 'object' || details === null || !('watchedPath' in details)) return undefined;
  const { watchedPath } = details;
  if (typeof watchedPath !== 'string') return undefined;
  return typeof name === 'string' ? join(watchedPath, name) : watchedPath;
}

async function closeAll(watchers: readonly FSWatcher[]): Promise<void> {
  await Promise.all(watchers.map((watcher) => watcher.close()));
}
