/** Contexts in memory: scanned as they are, packed as they are then. */
import { createHash } from 'node:crypto';
import type { ContextSource, Entry, Files, Manifest, Scan } from '../../../src/host.ts';
import { type Failure, type Result, fail, ok } from '../../../src/result.ts';

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export const fileEntry = (text: string): Entry => ({
  kind: 'file',
  mode: 0o644,
  size: Buffer.byteLength(text),
  digest: digestOf(text),
});

export class FakeFiles implements Files {
  readonly #contexts = new Map<string, Map<string, string>>();
  /** The next scans fail with these. */
  readonly failures: Failure[] = [];
  /** Called while files are sent, before and after each is read. */
  onRead: (path: string) => void = () => {};
  scans = 0;

  /** Path relative to the context → text, to be changed at will. */
  of(root: string): Map<string, string> {
    const files = this.#contexts.get(root) ?? new Map<string, string>();
    this.#contexts.set(root, files);
    return files;
  }

  async scan({ root, dockerfile }: ContextSource, signal: AbortSignal): Promise<Result<Scan>> {
    this.scans += 1;
    await Promise.resolve();
    if (signal.aborted) return fail('interrupted', 'interrupted', '');
    const failure = this.failures.shift();
    if (failure !== undefined) return { ok: false, failure };
    const files = this.of(root);
    const text = files.get(dockerfile.slice(root.length + 1));
    if (text === undefined) return fail('dockerfile-missing', `${dockerfile} is missing`, 'Write it.');
    const manifest: Manifest = new Map([...files].map(([path, content]) => [path, fileEntry(content)]));
    return ok({ manifest, dockerfile: text, ignoreFile: undefined, skipped: [] });
  }

  /** A piece is `[path, text]` as JSON. */
  async *pack(root: string, _manifest: Manifest, paths: readonly string[]): AsyncIterable<Uint8Array> {
    for (const path of paths) {
      this.onRead(path);
      await Promise.resolve();
      const text = this.of(root).get(path);
      this.onRead(path);
      if (text === undefined) throw new Error(`${path} is gone`);
      yield Buffer.from(JSON.stringify([path, text]));
    }
  }

  async flush(): Promise<void> {}

  async busy(): Promise<boolean> {
    return false;
  }
}
