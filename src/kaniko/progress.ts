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
  /** Kaniko's errors and its last plain lines. */
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

const keepOutput = 40;
const keepErrors = 10;
const instructionPattern =
  /^(ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|RUN|SHELL|STOPSIGNAL|USER|VOLUME|WORKDIR)\b/;

export function foldProgress(progress: Progress, line: LogLine): Progress {
  if (line.type === 'output') {
    return {
      ...progress,
      output: keep(progress.output, line.text, keepOutput),
      errors: /^error\b/i.test(line.text) ? keep(progress.errors, line.text, keepErrors) : progress.errors,
    };
  }
  const { level, message } = line;
  if (level === 'error' || level === 'fatal' || level === 'panic') {
    return { ...progress, errors: keep(progress.errors, message, keepErrors) };
  }
  if (message.startsWith('Error uploading layer to cache')) {
    return { ...progress, warnings: keep(progress.warnings, message, keepErrors) };
  }
  if (message.startsWith('Using caching version of cmd: ')) {
    return { ...progress, cacheHits: progress.cacheHits + 1 };
  }
  if (isInstruction(message)) {
    return { ...progress, instruction: message, commands: progress.commands + 1, output: [] };
  }
  return progress;
}

/** One line for people, undefined for what they need not see. */
export function progressText(line: LogLine): string | undefined {
  if (line.type === 'output') return undefined;
  const { message } = line;
  if (isInstruction(message)) return message;
  const known: readonly [RegExp, (match: RegExpExecArray) => string][] = [
    [/^Using caching version of cmd: (.*)/, (match) => `cached  ${match[1]}`],
    [/^No cached layer found for cmd (.*)/, (match) => `not cached  ${match[1]}`],
    [/^Unpacking rootfs/, () => 'unpacking the base image'],
    [/^Retrieving image ([^ ]+) from/, (match) => `fetching ${match[1]}`],
    [/^Taking snapshot of full/, () => 'taking a snapshot'],
    [/^Pushing layer .* to cache now/, () => 'pushing a layer to the cache'],
    [/^Pushing image to (?!.*\/cache:)(.*)/, (match) => `pushing ${match[1]}`],
    [/^Error uploading layer to cache: (.*)/, (match) => `the layer cache refused a layer: ${match[1]}`],
  ];
  for (const [pattern, text] of known) {
    const match = pattern.exec(message);
    if (match !== null) return text(match);
  }
  return undefined;
}

function isInstruction(message: string): boolean {
  return instructionPattern.test(message) && !message.startsWith(`ARG ${namesArgument}=`);
}

function keep(lines: readonly string[], line: string, count: number): readonly string[] {
  return [...lines, line].slice(-count);
}
