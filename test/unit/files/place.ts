/** A temporary directory for one test, and the few file operations that tests repeat. */
import { execFile } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ContextSource, Entry, Manifest } from '../../../src/host.ts';
import type { Result } from '../../../src/result.ts';
import { hash } from 'node:crypto';

export class Place implements Disposable {
  /** The context directory, beside the Dockerfile. */
  readonly root: string;
  readonly dockerfile: string;
  readonly #base: string;

  constructor(name = 'kaniko-dev-files-') {
    this.#base = mkdtempSync(join(tmpdir(), name));
    this.root = join(this.#base, 'context');
    this.dockerfile = join(this.#base, 'Dockerfile');
    mkdirSync(this.root);
    writeFileSync(this.dockerfile, 'FROM scratch\n');
  }

  /** A place that is removed when the test ends. */
  static for(context: TestContext): Place {
    const place = new Place();
    context.after(() => place[Symbol.dispose]());
    return place;
  }

  get source(): ContextSource {
    return { root: this.root, dockerfile: this.dockerfile };
  }

  /** A path beside the context. */
  beside(name: string): string {
    return join(this.#base, name);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  write(name: string, content = name, mode = 0o644): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content, { mode });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.#base, { recursive: true, force: true });
  }
}

export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  return result.value;
}

export function failureOf(result: Result<unknown>) {
  if (result.ok) throw new Error('succeeded, though a failure was expected');
  return result.failure;
}

export function file(content: string, mode: 0o644 | 0o755 = 0o644): Entry {
  return { kind: 'file', mode, size: Buffer.byteLength(content), digest: hash('sha256', content, 'hex') };
}

/** What a directory holds, read without any of the code under test. */
export function holding(root: string): Manifest {
  const entries = new Map<string, Entry>();
  const visit = (directory: string): void => {
    for (const name of readdirSync(join(root, directory)).sort()) {
      const path = join(directory, name);
      const stat = lstatSync(join(root, path));
      if (stat.isSymbolicLink()) entries.set(path, { kind: 'link', target: readlinkSync(join(root, path)) });
      else if (stat.isDirectory()) {
        entries.set(path, { kind: 'dir' });
        visit(path);
      } else {
        const content = readFileSync(join(root, path));
        const mode = stat.mode & 0o777;
        if (mode !== 0o644 && mode !== 0o755) throw new Error(`${path} has mode ${mode.toString(8)}`);
        entries.set(path, {
          kind: 'file',
          mode,
          size: content.length,
          digest: hash('sha256', content, 'hex'),
        });
      }
    }
  };
  visit('');
  return entries;
}

/** Extracts a tar stream with busybox, as the runner does. */
export async function extract(stream: AsyncIterable<Uint8Array>, into: string): Promise<void> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  await new Promise<void>((resolve, reject) => {
    const child = execFile('busybox', ['tar', '-x', '-C', into], (error, _stdout, stderr) => {
      if (error !== null || stderr !== '') reject(new Error(`busybox tar: ${stderr}`, { cause: error }));
      else resolve();
    });
    child.stdin?.end(Buffer.concat(parts));
  });
}
