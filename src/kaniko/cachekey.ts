/**
 * Makes the executor's cache keys tell names apart. Pure.
 *
 * kaniko v1.24.0 builds the key of a cached layer from the text of the instructions before it and from the contents
 * and modes of the files they read, but not from the names of files inside a directory: after `a.ts` became `b.ts`,
 * the layer of `RUN build` that belongs to `a.ts` is taken from the cache, and the image is stale. The text of every
 * instruction is part of the key, so an ARG that carries a hash of the names is put before each COPY and ADD, and an
 * ONBUILD ARG before each of their triggers that another stage runs.
 */
import { createHash } from 'node:crypto';
import type { Entry, Manifest } from '../host.ts';
import { type CopyInstruction, type Sources, dockerfileSources, mayRead } from './sources.ts';

/** Name of the ARG; hidden from people. */
export const namesArgument = 'KANIKO_DEV_NAMES';

export interface KeyedDockerfile {
  readonly text: string;
  /** Lines of the original, from 1, before each of which one line was added. */
  readonly added: readonly number[];
}

export function keyDockerfile(dockerfile: string, manifest: Manifest): KeyedDockerfile {
  const sources = dockerfileSources(dockerfile);
  const lines = dockerfile.split('\n');
  const added: number[] = [];
  const paths = [...manifest.keys()].sort();
  const copies = sources.copies.toSorted((a, b) => b.line - a.line);
  for (const [index, copy] of copies.entries()) {
    // A trigger that several stages run stands there once.
    if (copies[index - 1]?.line === copy.line) continue;
    const key = copyKey(copy, sources, manifest, paths);
    if (key === undefined) continue;
    lines.splice(copy.line, 0, `${copy.triggered ? 'ONBUILD ' : ''}ARG ${namesArgument}=${key}`);
    added.unshift(copy.line + 1);
  }
  return { text: lines.join('\n'), added };
}

/** Line of the original for a line of the keyed text, both from 1. */
export function originalLine(keyed: KeyedDockerfile, line: number): number {
  let before = 0;
  for (const at of keyed.added) if (at + before < line) before += 1;
  return line - before;
}

function copyKey(
  copy: CopyInstruction,
  sources: Sources,
  manifest: Manifest,
  paths: readonly string[],
): string | undefined {
  const { reads } = copy;
  switch (reads.type) {
    case 'image':
      return undefined;
    case 'context': {
      const hash = createHash('sha256');
      for (const path of paths) if (mayRead(reads.sources, path)) hash.update(`${path}\0`);
      return hash.digest('hex').slice(0, 16);
    }
    case 'stage':
      // What another stage made of its files may differ in names alone, so its contents count too.
      return stageKey(reads.stage, sources, manifest, paths, new Map());
  }
}

function stageKey(
  stage: number,
  sources: Sources,
  manifest: Manifest,
  paths: readonly string[],
  known: Map<number, string>,
): string {
  const before = known.get(stage);
  if (before !== undefined) return before;
  const hash = createHash('sha256');
  for (const copy of sources.copies.filter((candidate) => candidate.stage === stage)) {
    const { reads } = copy;
    if (reads.type === 'stage') hash.update(stageKey(reads.stage, sources, manifest, paths, known));
    if (reads.type !== 'context') continue;
    for (const path of paths) {
      const entry = manifest.get(path);
      if (entry !== undefined && mayRead(reads.sources, path)) {
        hash.update(`${path}\0${contentOf(entry)}\0`);
      }
    }
  }
  const base = sources.bases[stage];
  if (base !== undefined) hash.update(stageKey(base, sources, manifest, paths, known));
  const key = hash.digest('hex').slice(0, 16);
  known.set(stage, key);
  return key;
}

function contentOf(entry: Entry): string {
  switch (entry.kind) {
    case 'dir':
      return 'dir';
    case 'link':
      return `link ${entry.target}`;
    case 'file':
      return `file ${entry.mode} ${entry.digest}`;
  }
}
