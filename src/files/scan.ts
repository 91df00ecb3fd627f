/**
 * The Files port: what a context holds now, and a tar stream of parts of it.
 *
 * The last scan of a source is kept. With hints, the next one looks only where they point and takes the rest from it;
 * any doubt (an error, another root, another ignore file) means looking at everything.
 */
import { resolve } from 'node:path';
import type { ContextSource, Files, Manifest, Scan } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { everywhere, focusOf } from './focus.ts';
import { Index } from './indexfile.ts';
import { readDockerfile, readIgnoreFile } from './locate.ts';
import { gitBusy } from './git.ts';
import { pack } from './pack.ts';
import { readDigest, type ReadDigest } from './read.ts';
import { contextMissing, findRoot } from './root.ts';
import { System } from './system.ts';
import { skippedIn, type Tree, TreeManifest } from './tree.ts';
import { Walk } from './walk.ts';

export interface FilesOptions {
  /** Where digests are kept from one process to the next; undefined keeps none. */
  readonly indexDirectory?: string | undefined;
  /** Milliseconds since the epoch, by the clock that file times come from. */
  readonly now?: () => number;
  readonly readDigest?: ReadDigest;
  /** The file system calls of one scan. */
  readonly system?: () => System;
}

/** What the last scan of a source found. */
interface Memory {
  readonly root: string;
  readonly ignoreText: string | undefined;
  readonly tree: Tree;
  /** False when nothing may be taken over without a look. */
  readonly certain: boolean;
}

export function createFiles(options: FilesOptions = {}): Files {
  return new ContextFiles(options);
}

class ContextFiles implements Files {
  readonly #now: () => number;
  readonly #options: FilesOptions;
  readonly #memories = new Map<string, Memory>();
  /** Scans of a source follow each other: what one finds is where the next one starts from. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #indexes = new Map<string, Promise<Index>>();

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  scan(source: ContextSource, signal: AbortSignal, hints?: readonly string[]): Promise<Result<Scan>> {
    const key = JSON.stringify([source.root, source.dockerfile]);
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(async () => {
      const scan = await this.#scan(key, source, signal, hints);
      if (!scan.ok) this.#doubt(key);
      return scan;
    });
    this.#turns.set(
      key,
      turn.catch(() => this.#doubt(key)),
    );
    return turn;
  }

  async *pack(
    root: string,
    manifest: Manifest,
    paths: readonly string[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* pack(root, manifest, paths);
    } catch (error) {
      for (const key of this.#memories.keys()) {
        const [of] = JSON.parse(key) as [string];
        if (resolve(of) === resolve(root)) this.#doubt(key);
      }
      throw error;
    }
  }

  busy(root: string): Promise<boolean> {
    return gitBusy(root);
  }

  async flush(): Promise<void> {
    const indexes = await Promise.all(this.#indexes.values());
    await Promise.all(indexes.map((index) => index.flush()));
  }

  async #scan(
    key: string,
    source: ContextSource,
    signal: AbortSignal,
    hints: readonly string[] | undefined,
  ): Promise<Result<Scan>> {
    if (signal.aborted) return interrupted();
    const root = await findRoot(source);
    if (!root.ok) return root;
    const dockerfile = await readDockerfile(source);
    if (!dockerfile.ok) return dockerfile;
    const ignoreFile = await readIgnoreFile(source);
    if (!ignoreFile.ok) return ignoreFile;

    const index = await this.#indexOf(root.value);
    const { rules, text } = ignoreFile.value;
    const last = this.#memories.get(key);
    const same = last?.root === root.value && last.ignoreText === text ? last : undefined;
    const narrow = hints !== undefined && same?.certain === true;
    const walk = new Walk({
      root: root.value,
      rules,
      digests: index.digests,
      system: this.#options.system?.() ?? new System(),
      now: this.#now,
      readDigest: this.#options.readDigest ?? readDigest,
      signal,
      before: same?.tree,
      focus: narrow ? focusOf(source, hints) : everywhere,
    });
    const tree = await walk.run();
    if (tree === 'absent') return contextMissing(source, 'not found');
    if ('code' in tree) return { ok: false, failure: tree };
    this.#memories.set(key, { root: root.value, ignoreText: text, tree, certain: true });
    const manifest = new TreeManifest(tree);
    index.digests.prune(manifest);
    index.changed();
    return ok({ manifest, dockerfile: dockerfile.value, ignoreFile: text, skipped: skippedIn(tree) });
  }

  #doubt(key: string): void {
    const memory = this.#memories.get(key);
    if (memory !== undefined) this.#memories.set(key, { ...memory, certain: false });
  }

  #indexOf(root: string): Promise<Index> {
    const known = this.#indexes.get(root);
    if (known !== undefined) return known;
    const opened = Index.open(root, this.#options.indexDirectory, this.#now);
    this.#indexes.set(root, opened);
    return opened;
  }
}

function interrupted(): Result<never> {
  return fail('interrupted', 'interrupted', 'Run it again.');
}
