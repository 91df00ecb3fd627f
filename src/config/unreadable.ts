/** What to tell about a configuration file that cannot be parsed, or that throws. */
import { pathToFileURL } from 'node:url';
import { fail, type Result } from '../result.ts';

/** As many lines of an error as are shown. */
const shown = 6;

/** `files` are the configuration file and what it imports: the line in any of them is worth naming. */
export function unreadable(file: string, files: readonly string[], error: unknown): Result<never> {
  const place = placeOf(error, [file, ...files]);
  const [first = 'unknown error', ...rest] = describe(error, file);
  // Node does not tell where in a module of plain JavaScript a syntax error is.
  const lost = place === undefined && error instanceof SyntaxError && files.length > 1;
  return fail('config-unreadable', `cannot read ${place ?? file}: ${first}`, 'correct the file', [
    ...(lost ? [`in one of ${files.join(', ')}`] : []),
    ...rest.slice(0, shown),
  ]);
}

function describe(error: unknown, file: string): string[] {
  const message = error instanceof Error ? error.message : `it threw ${String(error)}`;
  return (
    message
      .split('\n')
      // The headings of the loaders repeat the file that is already named.
      .filter((line) => line !== `JSON Error in ${file}:` && line !== `YAML Error in ${file}:`)
      .filter((line) => !/^Transform failed with \d+ errors?:$/.test(line))
      .map((line) => line.replace(/^.+?:\d+:\d+: ERROR: /, '').trimEnd())
      .filter((line) => line !== '' && !/^(?:Require stack:|- .*\?namespace=)/.test(line))
  );
}

/** `file:line:column` of the first place that an error names in one of the files. */
function placeOf(error: unknown, files: readonly string[]): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const [file = ''] = files;
  const mark = 'mark' in error ? error.mark : undefined;
  if (typeof mark === 'object' && mark !== null && 'line' in mark && typeof mark.line === 'number') {
    return `${file}:${mark.line + 1}`;
  }
  const transform = /^(.+):(\d+):(\d+): ERROR: /m.exec(error.message);
  if (transform !== null) {
    const [, named = '', line, column] = transform;
    // tsx names a .mts file as if it were a .ts file, and columns count from 0.
    const path = files.find((each) => each.replace(/\.mts$/, '.ts') === named) ?? named;
    return `${path}:${line}:${Number(column) + 1}`;
  }
  const json = /\(line (\d+) column (\d+)\)/.exec(error.message);
  if (json !== null) return `${file}:${json[1]}:${json[2]}`;
  const text = `${error.message}\n${error.stack ?? ''}`;
  return files
    .flatMap((path) => [path, pathToFileURL(path).href].map((name) => firstPlace(text, path, name)))
    .filter((place) => place !== undefined)
    .toSorted((a, b) => a.index - b.index)[0]?.place;
}

function firstPlace(text: string, path: string, name: string): { index: number; place: string } | undefined {
  const found = new RegExp(
    `${name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?:\\?[^:\\s]*)?((?::\\d+){1,2})`,
  ).exec(text);
  return found === null ? undefined : { index: found.index, place: `${path}${found[1] ?? ''}` };
}
