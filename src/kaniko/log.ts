/** What the executor prints, line by line. Pure. */

export type LogLine =
  /** Kaniko's own log, `--log-format=json`. */
  | { readonly type: 'kaniko'; readonly level: string; readonly message: string }
  /** Output of a RUN command, and kaniko's last error, which it prints plainly. */
  | { readonly type: 'output'; readonly text: string };

/** Longest line that people are shown, and longest that is kept at all. Characters. */
const maxShown = 4_000;
const maxKept = 256 * 1024;

const jsonStart = '{"level":"';

/** The last output of a command without a newline stands before kaniko's next line: such a line is two. */
export function parseLogLine(line: string): readonly LogLine[] {
  const at = line.lastIndexOf(jsonStart);
  const kaniko = at < 0 ? undefined : parseJson(line.slice(at));
  if (kaniko === undefined) return [{ type: 'output', text: line }];
  return at === 0 ? [kaniko] : [{ type: 'output', text: line.slice(0, at) }, kaniko];
}

function parseJson(text: string): LogLine | undefined {
  try {
    const { level, msg } = JSON.parse(text) as { level?: unknown; msg?: unknown };
    if (typeof level === 'string' && typeof msg === 'string') return { type: 'kaniko', level, message: msg };
  } catch {
    // A command printed something that only looks like it.
  }
  return undefined;
}

/** For people; secrets must be out of it already, as a cut through one would hide it. */
export function shortenLine(text: string): string {
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}

/** Splits a byte stream into lines; a carriage return inside a line (a progress bar) starts it over. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(data: Uint8Array): string[] {
    return this.#split(this.#decoder.decode(data, { stream: true }));
  }

  end(): string[] {
    const lines = this.#split(this.#decoder.decode());
    return this.#rest === '' ? lines : [...lines, lastOverprint(this.#rest)];
  }

  #split(text: string): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      this.#add(text.slice(from, at));
      lines.push(lastOverprint(this.#rest));
      this.#rest = '';
      from = at + 1;
    }
    this.#add(text.slice(from));
    return lines;
  }

  /** A command may print for hours without a newline. */
  #add(text: string): void {
    this.#rest += text;
    if (this.#rest.length <= maxKept) return;
    const end = withoutReturns(this.#rest);
    this.#rest = this.#rest.slice(this.#rest.lastIndexOf('\r', end - 1) + 1).slice(0, maxKept);
  }
}

function lastOverprint(line: string): string {
  const end = withoutReturns(line);
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}

/** Length without the carriage returns at the end. */
function withoutReturns(line: string): number {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return end;
}
