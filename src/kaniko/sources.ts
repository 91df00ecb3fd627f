/** Which files of the context the instructions of a Dockerfile read. Pure. */
import { type Copy, DockerfileParser, type From, type Onbuild } from 'dockerfile-ast';

/** One COPY or ADD. */
export interface CopyInstruction {
  /** Line it begins on, from 0. */
  readonly line: number;
  /** Index of the stage it runs in. */
  readonly stage: number;
  /** An ONBUILD trigger of the stage that this one is based on. */
  readonly triggered: boolean;
  readonly reads:
    /** Paths and patterns relative to the context root. */
    | { readonly type: 'context'; readonly sources: readonly string[] }
    /** Another stage of this Dockerfile, by index. */
    | { readonly type: 'stage'; readonly stage: number }
    /** An image; it does not depend on the context. */
    | { readonly type: 'image' };
}

export interface Sources {
  readonly copies: readonly CopyInstruction[];
  /** For each stage, the index of the stage it is based on; undefined when that is an image. */
  readonly bases: readonly (number | undefined)[];
}

export function dockerfileSources(dockerfile: string): Sources {
  const copies: CopyInstruction[] = [];
  const names: (string | undefined)[] = [];
  const bases: (number | undefined)[] = [];
  const triggers: { readonly stage: number; readonly line: number; readonly copy: Copy }[] = [];
  /** One of the first `count` stages. */
  const stageOf = (reference: string, count: number): number | undefined => {
    const before = names.slice(0, count);
    const named = before.findLastIndex((name) => name?.toLowerCase() === reference.toLowerCase());
    if (named >= 0) return named;
    const index = /^\d+$/.test(reference) ? Number(reference) : undefined;
    return index !== undefined && index < count ? index : undefined;
  };
  const add = (copy: Copy, line: number, stage: number, triggered: boolean): void => {
    const from = copy
      .getFlags()
      .find((flag) => flag.getName() === 'from')
      ?.getValue();
    if (from === undefined || from === null) {
      const reads = { type: 'context', sources: operands(copy).slice(0, -1) } as const;
      copies.push({ line, stage, triggered, reads });
      return;
    }
    const source = stageOf(from, stage);
    copies.push({
      line,
      stage,
      triggered,
      reads: source === undefined ? { type: 'image' } : { type: 'stage', stage: source },
    });
  };
  for (const instruction of DockerfileParser.parse(dockerfile).getInstructions()) {
    const keyword = instruction.getKeyword();
    if (keyword === 'FROM') {
      const from = instruction as From;
      const base = stageOf(from.getImage() ?? '', names.length);
      bases.push(base);
      names.push(from.getBuildStage() ?? undefined);
      for (const { stage, copy, line } of triggers)
        if (stage === base) add(copy, line, names.length - 1, true);
    } else if (names.length > 0) {
      const stage = names.length - 1;
      const line = instruction.getRange().start.line;
      if (keyword === 'COPY' || keyword === 'ADD') add(instruction as Copy, line, stage, false);
      if (keyword !== 'ONBUILD') continue;
      const trigger = (instruction as Onbuild).getTriggerInstruction();
      const word = trigger?.getKeyword();
      if (word === 'COPY' || word === 'ADD') triggers.push({ stage, line, copy: trigger as Copy });
    }
  }
  return { copies, bases };
}

function operands(copy: Copy): string[] {
  return jsonOperands(copy) ?? copy.getArguments().map((argument) => argument.getValue());
}

/** The parser's own reading of the JSON form drops the spaces in names. */
function jsonOperands(copy: Copy): string[] | undefined {
  const text = copy.getArgumentsContent() ?? '';
  if (!text.startsWith('[')) return undefined;
  try {
    const items = JSON.parse(text) as unknown;
    return Array.isArray(items) && items.every((item) => typeof item === 'string') ? items : undefined;
  } catch {
    return undefined;
  }
}

/** Tells whether an instruction with these sources may read a path. What is not certain may read everything. */
export function readTest(sources: readonly string[]): (path: string) => boolean {
  const tests = sources.map(sourcePattern);
  return (path) => tests.some((test) => test?.(path) ?? true);
}

export function mayRead(sources: readonly string[], path: string): boolean {
  return readTest(sources)(path);
}

/**
 * Undefined for a source that may be anything: a variable, a quote, a character class, a heredoc, a way out of the
 * context.
 */
function sourcePattern(source: string): ((path: string) => boolean) | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\/|^git@/i.test(source)) return () => false;
  if (/[[\]\\$<"']/.test(source)) return undefined;
  const parts = source.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || parts.length === 0) return undefined;
  if (!/[*?]/.test(source)) {
    const prefix = parts.join('/');
    return (path) => path === prefix || path.startsWith(`${prefix}/`);
  }
  // A pattern matches an entry; of a directory, everything below is read. `*` does not cross a slash.
  const body = parts.map((part) =>
    part
      .replaceAll(/[.+^${}()|]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]'),
  );
  const pattern = new RegExp(`^${body.join('/')}(?:/|$)`, 'u');
  return (path) => pattern.test(path);
}
