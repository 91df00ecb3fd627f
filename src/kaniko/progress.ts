/** Folds log lines into what a build is doing and what it did. Pure. */
import { namesArgument } from './cachekey.ts';
import type { LogLine } from './log.ts';

export interface Progress {
  /** The instruction under way, as kaniko prints it: `RUN npm ci`. */
  readonly instruction: string | undefined;
  /** Instructions that began, those taken from the cache included. */
  readonly commands: number;
  readonly cacheHits: number;
  /** Last lines that are not kaniko's own, since the instruction began. */
  readonly output: readonly string[];
  /** Kaniko's errors and its last plain lines, since the instruction began; what decides comes last. */
  readonly errors: readonly string[];
  /** Warnings that matter to the user: cache pushes that failed. */
  readonly warnings: readonly string[];
}

export const noProgress: Progress = {
  instruction: undefined,
  commands: 0,
  cacheHits: 0,
  output: [],
  errors: [],
  warnings: [],
};

/** Characters of a text for people. */
const longestText = 300;
const keepOutput = 40;
const keepErrors = 10;
const keywords =
  'ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR';
/** As the Dockerfile has them; kaniko's own `Cmd: ONBUILD` is none. */
const instructionPattern = new RegExp(`^(?:${keywords}|${keywords.toLowerCase()})\\s`);

const hidden = new RegExp(`^(?:ONBUILD )?ARG ${namesArgument}=`);

/** Kaniko's last words, printed plainly; the unfinished line of a command may stand before them. */
const lastWords = /error (?:building image|pushing image|checking push permissions)\b/;

export function foldProgress(progress: Progress, line: LogLine): Progress {
  if (line.type === 'output') {
    const { text } = line;
    const at = text.search(lastWords);
    const printed = at < 0 ? text : text.slice(0, at);
    const error = at < 0 ? (/^(?:error|kaniko should)\b/i.test(text) ? text : undefined) : text.slice(at);
    return {
      ...progress,
      output: at === 0 ? progress.output : keep(progress.output, printed, keepOutput),
      errors: error === undefined ? progress.errors : keep(progress.errors, error, keepErrors),
    };
  }
  const { level, message } = line;
  if (level === 'error' || level === 'fatal' || level === 'panic') {
    return { ...progress, errors: keep(progress.errors, message, keepErrors) };
  }
  // The error that follows says only that no registry had it.
  if (message.startsWith('Failed to retrieve image ')) {
    return { ...progress, errors: keep(progress.errors, message, keepErrors) };
  }
  if (message.startsWith('Error uploading layer to cache')) {
    return { ...progress, warnings: keep(progress.warnings, message, keepErrors) };
  }
  if (message.startsWith('Using caching version of cmd: ')) {
    return { ...progress, cacheHits: progress.cacheHits + 1 };
  }
  if (isInstruction(message)) {
    return { ...progress, instruction: message, commands: progress.commands + 1, output: [], errors: [] };
  }
  return progress;
}

const cachedPrefix = 'cached  ';

/** One line for people, undefined for what they need not see. */
export function progressText(line: LogLine): string | undefined {
  if (line.type === 'output') return undefined;
  const { message } = line;
  if (isInstruction(message)) return shorten(message);
  const known: readonly [RegExp, (match: RegExpExecArray) => string][] = [
    [/^Using caching version of cmd: (.*)/, (match) => `${cachedPrefix}${match[1]}`],
    [/^No cached layer found for cmd (.*)/, (match) => `not cached  ${match[1]}`],
    [/^Unpacking rootfs/, () => 'unpacking the base image'],
    [/^Retrieving image ([^ ]+) from/, (match) => `fetching ${match[1]}`],
    [/^Taking snapshot of full/, () => 'taking a snapshot'],
    [/^Pushing layer .* to cache now/, () => 'pushing a layer to the cache'],
    [/^Pushing image to (?!.*\/cache:)(.*)/, (match) => `pushing ${match[1]}`],
    [
      /^Error uploading layer to cache: (?!.*open : no such file)(.*)/,
      (match) => `the layer cache refused a layer: ${match[1]}`,
    ],
  ];
  for (const [pattern, text] of known) {
    const match = pattern.exec(message);
    if (match !== null) return shorten(text(match));
  }
  return undefined;
}

function shorten(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
}

function isInstruction(message: string): boolean {
  return instructionPattern.test(message) && !hidden.test(message);
}

function keep(lines: readonly string[], line: string, count: number): readonly string[] {
  return [...lines, line].slice(-count);
}

/** Says once of an instruction that its layer was cached; kaniko names it again when it puts the layer in place. */
export class ProgressTeller {
  readonly #cached = new Set<string>();

  tell(line: LogLine): string | undefined {
    const text = progressText(line);
    if (text?.startsWith(cachedPrefix) === true) this.#cached.add(text.slice(cachedPrefix.length));
    return text !== undefined && this.#cached.delete(text) ? undefined : text;
  }
}
