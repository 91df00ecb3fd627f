/** JSON whose errors say where. */

/** Node names the place of some mistakes only by the text around it, ten characters to each side. */
const around = /^(.*?), (\.\.\.)?"([\s\S]*)"(?:\.\.\.)? is not valid JSON$/;
const reach = 10;

export function parseJson(_path: string, text: string): unknown {
  const content = text.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(content);
  } catch (error) {
    throw error instanceof SyntaxError ? located(error, content) : error;
  }
}

function located(error: SyntaxError, content: string): SyntaxError {
  if (error.message === 'Unexpected end of JSON input')
    return withPlace(error.message, content, content.trimEnd().length);
  const [, what, cut, snippet] = around.exec(error.message) ?? [];
  if (what === undefined || snippet === undefined) return error;
  const start = content.indexOf(snippet);
  if (start < 0 || content.indexOf(snippet, start + 1) >= 0) return new SyntaxError(what, { cause: error });
  const wrong = /^Unexpected token '([\s\S])'$/.exec(what)?.[1] ?? '';
  return withPlace(what, content, cut === undefined ? content.indexOf(wrong, start) : start + reach);
}

function withPlace(what: string, content: string, offset: number): SyntaxError {
  const before = content.slice(0, offset).split('\n');
  return new SyntaxError(`${what} (line ${before.length} column ${(before.at(-1)?.length ?? 0) + 1})`);
}
