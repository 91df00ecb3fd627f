/**
 * Ignore files, read and applied as Docker does. The last pattern that matches a path, or one of its parent
 * directories, decides. `.gitignore` plays no part: kaniko does not read it.
 */
import { posix } from 'node:path';
import { fail, ok, type Result } from '../result.ts';
import { compilePattern, type PathTest } from './pattern.ts';

/**
 * A directory on the way down, with the patterns that match it or one above. Walking keeps one per directory, so
 * that no parent is matched twice.
 */
export interface Level {
  readonly path: string;
  readonly ignored: boolean;
  /** True when nothing below can be wanted: the directory need not be read at all. */
  readonly pruned: boolean;
  /** Whether the file of this name in the directory is ignored. */
  readonly ignores: (name: string) => boolean;
  /** The directory of this name. */
  readonly enter: (name: string) => Level;
}

export interface Rules {
  readonly root: Level;
  /** Whether this path, relative to the context, is left out of the build. */
  readonly ignores: (path: string) => boolean;
  /** Whether this directory, relative to the context, need not be read. */
  readonly prunes: (directory: string) => boolean;
}

interface Pattern {
  readonly negated: boolean;
  readonly test: PathTest;
  /** For negated patterns: whether anything below the directory can match. */
  readonly reachesBelow: (directory: string) => boolean;
}

export const noRules: Rules = createRules([]);

/** Reads the text of an ignore file. `name` is shown to people. */
export function parseIgnoreFile(text: string, name: string): Result<Rules> {
  return parsePatterns(text.replace(/^\uFEFF/, '').split('\n'), name);
}

/** Reads patterns as the lines of an ignore file. */
export function parsePatterns(lines: readonly string[], name: string): Result<Rules> {
  const patterns: Pattern[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    const cleaned = cleanLine(line);
    if (cleaned === '') continue;
    const pattern = readPattern(cleaned);
    if (pattern === undefined) {
      return fail(
        'ignore-file-invalid',
        `${name}:${index + 1}: not a valid ignore pattern: ${JSON.stringify(trim(line))}`,
        'Correct the pattern: classes like [a-z] must be closed, and a backslash or ! needs something behind it.',
      );
    }
    patterns.push(pattern);
  }
  return ok(createRules(patterns));
}

function readPattern(cleaned: string): Pattern | undefined {
  const negated = cleaned.startsWith('!');
  const text = negated ? cleaned.slice(1) : cleaned;
  if (text === '') return undefined;
  const test = compilePattern(text);
  if (test === undefined) return undefined;
  return { negated, test, reachesBelow: reach(text) };
}

/** Docker cleans a line twice, with and without its `!`, and drops one leading slash between the two. */
function cleanLine(line: string): string {
  let pattern = trim(line);
  if (pattern === '') return '';
  const negated = pattern.startsWith('!');
  if (negated) pattern = trim(pattern.slice(1));
  if (pattern !== '') {
    pattern = cleanPath(pattern);
    if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1);
  }
  const whole = trim(negated ? `!${pattern}` : pattern);
  return whole === '' ? '' : cleanPath(whole);
}

/** White space as Go's `strings.TrimSpace` sees it. */
const edges =
  /^[\t-\r \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+|[\t-\r \u0085\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000]+$/g;

function trim(text: string): string {
  return text.replace(edges, '');
}

/** Go's `path.Clean`: as `posix.normalize`, without a trailing slash. */
function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/**
 * Whether a pattern can match below a directory. Compared segment by segment; where one segment can cross into the
 * next (`**`, a class, an escape) the answer is yes.
 */
function reach(pattern: string): (directory: string) => boolean {
  const segments = pattern.split('/').map((text) => {
    const crossing = /\*\*|[[\]\\]/.test(text);
    return { crossing, test: crossing ? undefined : compilePattern(text) };
  });
  return (directory) => {
    const parents = directory.split('/');
    for (const [index, parent] of parents.entries()) {
      const segment = segments[index];
      if (segment === undefined) return false;
      if (segment.test === undefined) return true;
      if (!segment.test(parent)) return false;
    }
    return segments.length > parents.length;
  };
}

function createRules(patterns: readonly Pattern[]): Rules {
  const root = createLevel(patterns, '', () => false);
  const descend = (path: string): Level => {
    let level = root;
    for (const name of path.split('/')) level = level.enter(name);
    return level;
  };
  return {
    root,
    ignores: (path) => {
      const slash = path.lastIndexOf('/');
      return slash === -1 ? root.ignores(path) : descend(path.slice(0, slash)).ignores(path.slice(slash + 1));
    },
    prunes: (directory) => descend(directory).pruned,
  };
}

function createLevel(patterns: readonly Pattern[], path: string, above: (index: number) => boolean): Level {
  const hits = patterns.map((pattern, index) => path !== '' && (above(index) || pattern.test(path)));
  const last = hits.lastIndexOf(true);
  const ignored = patterns[last]?.negated === false;
  const pruned =
    ignored &&
    !patterns.some((pattern, index) => index > last && pattern.negated && pattern.reachesBelow(path));
  const join = (name: string) => (path === '' ? name : `${path}/${name}`);
  return {
    path,
    ignored,
    pruned,
    ignores: (name) => {
      const child = join(name);
      const decisive = patterns.findLast((pattern, index) => hits[index] === true || pattern.test(child));
      return decisive?.negated === false;
    },
    enter: (name) => createLevel(patterns, join(name), (index) => hits[index] === true),
  };
}
