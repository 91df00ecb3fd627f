/**
 * Go regular expressions read as Go reads them, as far as Docker's ignore patterns can produce them: literals, escapes,
 * classes, groups, alternatives and the repetitions `*` and `?`. Everything else is refused rather than given a second meaning.
 */

/** The RegExp for a Go expression, or undefined when Go would not compile it. */
export function goExpression(source: string): RegExp | undefined {
  const characters = [...source];
  let out = '';
  for (let at = 0; at < characters.length;) {
    const character = characters[at] ?? '';
    if (character === '[') {
      const set = readClass(characters, at + 1);
      if (set === undefined) return undefined;
      out += set.text;
      at = set.end;
    } else if (character === '\\') {
      const escaped = outsideEscape(characters[at + 1]);
      if (escaped === undefined) return undefined;
      out += escaped;
      at += 2;
    } else if (character === '{' && isCount(characters, at)) {
      return undefined;
    } else {
      out += character === '.' ? '[^\\n]' : operators.has(character) ? character : literal(character);
      at++;
    }
  }
  return new RegExp(out, 'v');
}

const operators = new Set('^$()*?|');

/** `{2}`, `{2,}` or `{2,3}` repeats in Go; any other brace is itself. */
function isCount(characters: readonly string[], at: number): boolean {
  return /^\{\d+(?:,\d*)?\}/.test(characters.slice(at).join(''));
}

function literal(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

interface ClassText {
  readonly text: string;
  readonly end: number;
}

function readClass(characters: readonly string[], start: number): ClassText | undefined {
  let at = start;
  let text = '[';
  if (characters[at] === '^') {
    text += '^';
    at++;
  }
  for (let first = true; first || characters[at] !== ']'; first = false) {
    const named = namedClass(characters, at) ?? perlClass(characters, at);
    if (named !== undefined) {
      if (named.text === '') return undefined;
      text += named.text;
      at = named.end;
      continue;
    }
    const low = member(characters, at);
    if (low === undefined) return undefined;
    at = low.end;
    text += literal(low.character);
    if (characters[at] === '-' && characters[at + 1] !== undefined && characters[at + 1] !== ']') {
      const high = member(characters, at + 1);
      if (high === undefined || code(high.character) < code(low.character)) return undefined;
      text += `-${literal(high.character)}`;
      at = high.end;
    }
  }
  return { text: `${text}]`, end: at + 1 };
}

function code(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function member(characters: readonly string[], at: number) {
  const character = characters[at];
  if (character === undefined) return undefined;
  if (character !== '\\') return { character, end: at + 1 };
  const escaped = plainEscape(characters[at + 1]);
  return escaped === undefined ? undefined : { character: escaped, end: at + 2 };
}

/** `[:alpha:]` and `[:^alpha:]` inside of a class. Empty text: the name is unknown. */
function namedClass(characters: readonly string[], at: number): ClassText | undefined {
  if (characters[at] !== '[' || characters[at + 1] !== ':') return undefined;
  const rest = characters.slice(at + 2).join('');
  const close = rest.indexOf(':]');
  if (close === -1) return undefined;
  const name = rest.slice(0, close);
  const negated = name.startsWith('^');
  const members = posixClasses[negated ? name.slice(1) : name];
  const end = at + 2 + [...name].length + 2;
  if (members === undefined) return { text: '', end };
  return { text: negated ? `[^${members}]` : members, end };
}

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`\\{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

const perlClasses: Readonly<Record<string, string>> = {
  d: '[0-9]',
  D: '[^0-9]',
  s: '[\\t\\n\\f\\r ]',
  S: '[^\\t\\n\\f\\r ]',
  w: '[0-9A-Za-z_]',
  W: '[^0-9A-Za-z_]',
};

function perlClass(characters: readonly string[], at: number): ClassText | undefined {
  if (characters[at] !== '\\') return undefined;
  const text = perlClasses[characters[at + 1] ?? ''];
  return text === undefined ? undefined : { text, end: at + 2 };
}

function outsideEscape(character: string | undefined): string | undefined {
  const named = perlClasses[character ?? ''] ?? anchors[character ?? ''];
  if (named !== undefined) return named;
  const plain = plainEscape(character);
  return plain === undefined ? undefined : literal(plain);
}

const anchors: Readonly<Record<string, string>> = { A: '^', z: '$', b: '\\b', B: '\\B' };

const controls: Readonly<Record<string, string>> = {
  a: '\u0007',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** Escaped ASCII punctuation is itself. Octal, hexadecimal, `\p` and `\Q` are not worth a second parser. */
function plainEscape(character: string | undefined): string | undefined {
  if (character === undefined) return undefined;
  if (code(character) < 0x80 && !/[0-9A-Za-z]/.test(character)) return character;
  return controls[character];
}
