/**
 * The syntax check that Docker applies to every ignore pattern: whether Go's `filepath.Match(pattern, ".")` reports a
 * malformed pattern. Go stops at the first piece that does not match, so a mistake behind a `*` may pass here and is
 * then found, or given a meaning, by the expression.
 */
export function isWellFormed(pattern: string): boolean {
  let name = '.';
  let rest = pattern;
  while (rest !== '') {
    const piece = firstPiece(rest);
    rest = piece.rest;
    if (piece.star && piece.text === '') return true;
    const here = matchPiece(piece.text, name);
    if (here === 'malformed') return false;
    // A star in front could only take the one character there is, which leaves nothing for the piece to match.
    if (here === 'no match') return true;
    name = '';
  }
  return true;
}

interface Piece {
  readonly star: boolean;
  readonly text: string;
  readonly rest: string;
}

/** Leading stars, then everything up to the next star outside of a character class. */
function firstPiece(pattern: string): Piece {
  let start = 0;
  while (pattern[start] === '*') start++;
  let inClass = false;
  for (let at = start; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '\\') at++;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '*' && !inClass) {
      return { star: start > 0, text: pattern.slice(start, at), rest: pattern.slice(at) };
    }
  }
  return { star: start > 0, text: pattern.slice(start), rest: '' };
}

/** A piece against `name`, which is `.` or empty. A piece is never empty, so a match leaves nothing of the name. */
function matchPiece(piece: string, name: string): 'match' | 'no match' | 'malformed' {
  const characters = [...piece];
  let rest = name;
  let failed = false;
  let at = 0;
  while (at < characters.length) {
    failed ||= rest === '';
    if (characters[at] === '[') {
      const set = readClass(characters, at + 1);
      if (set === undefined) return 'malformed';
      failed ||= !set.matchesDot;
      at = set.end;
    } else if (characters[at] === '?') {
      at++;
    } else {
      if (characters[at] === '\\') at++;
      if (at >= characters.length) return 'malformed';
      failed ||= characters[at] !== '.';
      at++;
    }
    rest = '';
  }
  return failed ? 'no match' : 'match';
}

function readClass(characters: readonly string[], start: number) {
  let at = start;
  const negated = characters[at] === '^';
  if (negated) at++;
  let matches = false;
  for (let ranges = 0; ; ranges++) {
    if (characters[at] === ']' && ranges > 0) return { end: at + 1, matchesDot: matches !== negated };
    const low = readMember(characters, at);
    if (low === undefined) return undefined;
    at = low.end;
    let high = low;
    if (characters[at] === '-') {
      const end = readMember(characters, at + 1);
      if (end === undefined) return undefined;
      high = end;
      at = end.end;
    }
    matches ||= low.code <= dot && dot <= high.code;
  }
}

const dot = 0x2e;

function readMember(characters: readonly string[], start: number) {
  let at = start;
  if (characters[at] === '-' || characters[at] === ']') return undefined;
  if (characters[at] === '\\') at++;
  const code = characters[at]?.codePointAt(0);
  // A class that ends here is never closed.
  if (code === undefined || at + 1 >= characters.length) return undefined;
  return { code, end: at + 1 };
}
