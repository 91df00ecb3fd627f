/** Which files of the context the instructions of a Dockerfile read. Pure. */
import { type Copy, DockerfileParser, type From } from 'dockerfile-ast';

/** One COPY or ADD. */
export interface CopyInstruction {
  /** Line it begins on, from 0. */
  readonly line: number;
  /** Index of the stage it stands in. */
  readonly stage: number;
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
  const stageOf = (reference: string): number | undefined => {
    const named = names.findLastIndex((name) => name?.toLowerCase() === reference.toLowerCase());
    if (named >= 0) return named;
    const index = /^\d+$/.test(reference) ? Number(reference) : undefined;
    return index !== undefined && index < names.length ? index : undefined;
  };
  for (const instruction of DockerfileParser.parse(dockerfile).getInstructions()) {
    const keyword = instruction.getKeyword();
    if (keyword === 'FROM') {
      const from = instruction as From;
      bases.push(stageOf(from.getImage() ?? ''));
      names.push(from.getBuildStage() ?? undefined);
    } else if ((keyword === 'COPY' || keyword === 'ADD') && names.length > 0) {
      const copy = instruction as Copy;
      const line = instruction.getRange().start.line;
      const stage = names.length - 1;
      const from = copy
        .getFlags()
        .find((flag) => flag.getName() === 'from')
        ?.getValue();
      if (from !== undefined && from !== null) {
        const source = stageOf(from);
        copies.push({
          line,
          stage,
          reads: source === undefined ? { type: 'image' } : { type: 'stage', stage: source },
        });
      } else {
        copies.push({ line, stage, reads: { type: 'context', sources: operands(copy).slice(0, -1) } });
      }
    }
  }
  return { copies, bases };
}

function operands(copy: Copy): string[] {
  const json = copy.getJSONStrings().map((item) => item.getJSONValue());
  return json.length > 0 ? json : copy.getArguments().map((argument) => argument.getValue());
}

/** Whether an instruction with these sources may read the path. What is not certain may read everything. */
export function mayRead(sources: readonly string[], path: string): boolean {
  return sources.some((source) => sourcePattern(source)?.(path) ?? true);
}

/** Undefined for a source that may be anything: a variable, a character class, a heredoc, a way out of the context. */
function sourcePattern(source: string): ((path: string) => boolean) | undefined {
  if (/^[a-z][a-z0-9+.-]*:\/\/|^git@/i.test(source)) return () => false;
  if (/[[\]\\$<]/.test(source)) return undefined;
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
