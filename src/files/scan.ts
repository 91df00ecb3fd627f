/** The Files port: what a context holds now, and a tar stream of parts of it. */
import type { ContextSource, Files, Scan } from '../host.ts';
import { fail, ok, type Result } from '../result.ts';
import { readDockerfile, readIgnoreFile } from './locate.ts';
import { pack } from './pack.ts';
import { readDigest, type ReadDigest } from './read.ts';
import { Digests } from './remember.ts';
import { contextMissing, findRoot } from './root.ts';
import { System } from './system.ts';
import { Walk } from './walk.ts';

export interface FilesOptions {
  /** Milliseconds since the epoch, by the clock that file times come from. */
  readonly now?: () => number;
  readonly readDigest?: ReadDigest;
  /** The file system calls of one scan. */
  readonly system?: () => System;
}

export function createFiles(options: FilesOptions = {}): Files {
  const now = options.now ?? Date.now;
  const read = options.readDigest ?? readDigest;
  const newSystem = options.system ?? (() => new System());
  const digestsByRoot = new Map<string, Digests>();

  async function scan(source: ContextSource, signal: AbortSignal): Promise<Result<Scan>> {
    if (signal.aborted) return interrupted();
    const root = await findRoot(source);
    if (!root.ok) return root;
    const dockerfile = await readDockerfile(source);
    if (!dockerfile.ok) return dockerfile;
    const ignoreFile = await readIgnoreFile(source);
    if (!ignoreFile.ok) return ignoreFile;

    const digests = digestsByRoot.get(root.value) ?? new Digests();
    digestsByRoot.set(root.value, digests);
    const { rules } = ignoreFile.value;
    const system = newSystem();
    const walk = new Walk({ root: root.value, rules, digests, system, now, readDigest: read, signal });
    const entries = await walk.run();
    if (entries === 'absent') return contextMissing(source, 'not found');
    if (!(entries instanceof Map)) return { ok: false, failure: entries };
    digests.prune(entries);
    const skipped = [...walk.skipped].map(([path, reason]) => ({ path, reason }));
    return ok({
      manifest: entries,
      dockerfile: dockerfile.value,
      ignoreFile: ignoreFile.value.text,
      skipped: skipped.sort((a, b) => (a.path < b.path ? -1 : 1)),
    });
  }

  return { scan, pack };
}

function interrupted(): Result<never> {
  return fail('interrupted', 'interrupted', 'Run it again.');
}
