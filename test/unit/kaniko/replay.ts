/** Logs that the executor v1.24.0 really printed, played through everything that reads them. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { keyDockerfile } from '../../../src/kaniko/cachekey.ts';
import { explainFailure } from '../../../src/kaniko/failure.ts';
import { LineSplitter, type LogLine, parseLogLine } from '../../../src/kaniko/log.ts';
import { type Progress, foldProgress, noProgress, progressText } from '../../../src/kaniko/progress.ts';
import type { FailureCode } from '../../../src/result.ts';

const corpus = join(import.meta.dirname, 'corpus');

/** What a recorded build must lead to: beside each `NAME.log` a `NAME.json`. */
export interface Expected {
  readonly dockerfile: string;
  readonly exitCode: number;
  readonly commands: number;
  readonly cacheHits: number;
  /** What people see of the progress, in order. */
  readonly texts: readonly string[];
  readonly failure?: {
    readonly code: FailureCode;
    readonly message: string;
    readonly detail: readonly string[];
  };
}

export interface Recording {
  readonly name: string;
  readonly log: Buffer;
  readonly expected: Expected;
}

export function recordings(): Recording[] {
  return readdirSync(corpus)
    .filter((file) => file.endsWith('.log'))
    .map((file) => {
      const name = file.slice(0, -'.log'.length);
      const expected = JSON.parse(readFileSync(join(corpus, `${name}.json`), 'utf8')) as Expected;
      return { name, log: readFileSync(join(corpus, file)), expected };
    });
}

export function recording(name: string): Recording {
  const found = recordings().find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no recording ${name}`);
  return found;
}

/** The log in pieces of at most `size` bytes. */
export function logLines(log: Uint8Array, size = Infinity): LogLine[] {
  const splitter = new LineSplitter();
  const lines: string[] = [];
  for (let at = 0; at < log.length; at += size) lines.push(...splitter.push(log.subarray(at, at + size)));
  lines.push(...splitter.end());
  return lines.flatMap((line) => [...parseLogLine(line)]);
}

export function progressOf(lines: readonly LogLine[]): Progress {
  return lines.reduce(foldProgress, noProgress);
}

export function outcome(log: Uint8Array, dockerfile: string, exitCode: number): Expected {
  const lines = logLines(log);
  const progress = progressOf(lines);
  const texts = lines.map(progressText).filter((text) => text !== undefined);
  const { commands, cacheHits } = progress;
  const seen = { dockerfile, exitCode, commands, cacheHits, texts };
  if (exitCode === 0) return seen;
  // Where lines are added depends on the Dockerfile alone.
  const keyed = keyDockerfile(dockerfile, new Map());
  const { code, message, detail = [] } = explainFailure(exitCode, progress, keyed, dockerfile);
  return { ...seen, failure: { code, message, detail } };
}
