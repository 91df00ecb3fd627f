/** What the executor prints, line by line. Pure. */

export type LogLine =
  /** Kaniko's own log, `--log-format=json`. */
  | { readonly type: 'kaniko'; readonly level: string; readonly message: string }
  /** Output of a RUN command, and kaniko's last error, which it prints plainly. */
  | { readonly type: 'output'; readonly text: string };

/** Longest line that is kept; the rest of a longer one is cut. Characters. */
const maxLine = 4_000;

export function parseLogLine(line: string): LogLine {
  const text = line.length > maxLine ? `${line.slice(0, maxLine)}…` : line;
  // The last output of a command without a newline stands before kaniko's next line.
  if (text.startsWith('{"level":')) {
    try {
      const { level, msg } = JSON.parse(text) as { level?: unknown; msg?: unknown };
      if (typeof level === 'string' && typeof msg === 'string')
        return { type: 'kaniko', level, message: msg };
    } catch {
      // A command printed something that only looks like it.
    }
  }
  return { type: 'output', text };
}

/** Splits a byte stream into lines; a carriage return inside a line (a progress bar) starts it over. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  push(data: Uint8Array): string[] {
    this.#rest += this.#decoder.decode(data, { stream: true });
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.map(lastOverprint);
  }

  end(): string[] {
    return this.#rest === '' ? [] : [lastOverprint(this.#rest)];
  }
}

function lastOverprint(line: string): string {
  const trimmed = line.replace(/\r+$/, '');
  return trimmed.slice(trimmed.lastIndexOf('\r') + 1);
}
