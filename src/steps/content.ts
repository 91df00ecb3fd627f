/** Reads a target's context, and what of it decides the image. */
import { Selection } from '../files/hash.ts';
import { hashManifest } from '../files/manifest.ts';
import type { ContextSource, Files, Manifest, Scan } from '../host.ts';
import type { BuildOptions } from '../kaniko/argv.ts';
import { contentHash } from '../kaniko/content.ts';
import { dockerfileReads } from '../kaniko/relevance.ts';
import { readTest } from '../kaniko/sources.ts';
import { type Result, fail, ok } from '../result.ts';

export interface Content {
  readonly scan: Scan;
  /** Lower-case hex SHA-256 over everything that decides the image. */
  readonly hash: string;
}

/** What a Dockerfile reads; kept while its text is the same, because the hashes of directories are kept with it. */
interface Relevance {
  readonly dockerfile: string;
  readonly reads: (path: string) => boolean;
  readonly hash: (manifest: Manifest) => string;
}

export class ContentReader {
  readonly #files: Files;
  readonly #source: ContextSource;
  readonly #options: BuildOptions;
  #relevance: Relevance | undefined;

  constructor(files: Files, source: ContextSource, options: BuildOptions) {
    this.#files = files;
    this.#source = source;
    this.#options = options;
  }

  /**
   * Looks at what the hints name, or at everything without them. Fails as a scan does, and with `name-not-utf8` when the
   * Dockerfile could read a file that cannot be sent.
   */
  async read(signal: AbortSignal, hints?: readonly string[]): Promise<Result<Content>> {
    const scanned = await this.#files.scan(this.#source, signal, hints);
    if (!scanned.ok) return scanned;
    const { manifest, dockerfile, ignoreFile, skipped } = scanned.value;
    const relevance = this.#relevanceOf(dockerfile);
    const unsendable = skipped.find(({ kind, path }) => kind === 'not-utf8' && relevance.reads(path));
    if (unsendable !== undefined) {
      return fail(
        'name-not-utf8',
        `${unsendable.path}: ${unsendable.reason}, and the Dockerfile could read it`,
        'Rename it, or leave it out in .dockerignore.',
      );
    }
    const hash = contentHash({
      manifest: relevance.hash(manifest),
      dockerfile,
      ignoreFile,
      options: this.#options,
    });
    return ok({ scan: scanned.value, hash });
  }

  #relevanceOf(dockerfile: string): Relevance {
    if (this.#relevance?.dockerfile === dockerfile) return this.#relevance;
    const reads = dockerfileReads(dockerfile);
    if (reads.type === 'everything') {
      this.#relevance = { dockerfile, reads: () => true, hash: hashManifest };
    } else {
      const test = readTest(reads.sources);
      const selection = new Selection(test);
      this.#relevance = { dockerfile, reads: test, hash: (manifest) => selection.hash(manifest) };
    }
    return this.#relevance;
  }
}
