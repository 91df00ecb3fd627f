/**
 * One pattern of an ignore file, with the meaning Docker gives it. `**` crosses directories, `*` and `?` do not,
 * classes and backslash escapes are Go's. Docker reads simple patterns literally and turns the others into a regular
 * expression; both are done here in the same steps, quirks included, because the image is decided by them.
 */
import { goExpression } from './expression.ts';
import { isWellFormed } from './wellformed.ts';

/** Whether a path relative to the context matches the pattern itself (not one of its parents). */
export type PathTest = (path: string) => boolean;

/** The test for a cleaned pattern without `!`, or undefined when Docker calls it invalid. */
export function compilePattern(pattern: string): PathTest | undefined {
  if (!isWellFormed(pattern)) return undefined;
  const { type, source } = read(pattern);
  switch (type) {
    case 'exact':
      return (path) => path === pattern;
    case 'prefix': {
      const prefix = pattern.slice(0, -2);
      return (path) => path.startsWith(prefix);
    }
    case 'suffix': {
      const suffix = pattern.slice(2);
      const whole = suffix.startsWith('/') ? suffix.slice(1) : undefined;
      return (path) => path.endsWith(suffix) || path === whole;
    }
    case 'expression': {
      const expression = goExpression(source);
      return expression === undefined ? undefined : (path) => expression.test(path);
    }
  }
}

type PatternType = 'exact' | 'prefix' | 'suffix' | 'expression';

/**
 * Characters that mean something in a regular expression and nothing in a pattern. Docker also lists `|`, `{` and `}`
 * here, but its bitmap has no room for them: `a|b*` is an alternative there, and so it is here.
 */
const plain = new Set('.+()$');

function read(pattern: string): { readonly type: PatternType; readonly source: string } {
  const characters = [...pattern];
  let type: PatternType = 'exact';
  let source = '^';
  for (let at = 0; at < characters.length; at++) {
    const start = at;
    const character = characters[at] ?? '';
    if (character === '*' && characters[at + 1] === '*') {
      at++;
      if (characters[at + 1] === '/') at++;
      if (at + 1 < characters.length) {
        source += '(.*/)?';
        type = 'expression';
      } else if (type === 'exact') {
        type = 'prefix';
      } else {
        source += '.*';
        type = 'expression';
      }
      if (start === 0) type = 'suffix';
    } else if (character === '*' || character === '?') {
      source += character === '*' ? '[^/]*' : '[^/]';
      type = 'expression';
    } else if (plain.has(character)) {
      source += `\\${character}`;
    } else if (character === '\\') {
      at++;
      source += `\\${characters[at] ?? ''}`;
      if (at < characters.length) type = 'expression';
    } else {
      source += character;
      if (character === '[' || character === ']') type = 'expression';
    }
  }
  return { type, source: `${source}$` };
}
