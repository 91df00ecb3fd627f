/** Events as lines for people: the target in the first column, one line an event. */
import type { Emit, Event, ToolSource } from '../event.ts';
import { type Failure, unreachable } from '../result.ts';
import { formatBytes, formatCount, formatDuration } from './format.ts';

export interface TerminalOptions {
  readonly color: boolean;
  /** Show what the commands of the Dockerfile print, too. */
  readonly verbose: boolean;
}

type Style = 'plain' | 'dim' | 'good' | 'bad' | 'warn' | 'bold';

const codes: Readonly<Record<Style, string>> = {
  plain: '',
  dim: '2',
  good: '32',
  bad: '31',
  warn: '33',
  bold: '1',
};

interface Line {
  readonly label: string;
  readonly text: string;
  readonly style: Style;
}

export function terminalReporter(write: (text: string) => void, options: TerminalOptions): Emit {
  const paint = (text: string, style: Style): string =>
    options.color && codes[style] !== '' ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
  let width = 8;
  return (event) => {
    if (event.type === 'session-started')
      width = Math.max(width, ...event.targets.map((name) => name.length));
    for (const { label, text, style } of linesOf(event, options.verbose)) {
      write(`${paint(oneLine(label).padEnd(width), 'bold')}  ${paint(oneLine(text), style)}\n`);
    }
  };
}

function linesOf(event: Event, verbose: boolean): readonly Line[] {
  switch (event.type) {
    case 'session-started':
      return [line('', `${event.config}: ${event.targets.join(', ')}`, 'dim')];
    case 'notice':
      return [line('', event.message, 'warn')];
    case 'config-changed':
      return [line('', `${event.config} changed: starting over with it`, 'plain')];
    case 'config-rejected':
      return failureLines('', 'keeping the old configuration', event.failure);
    case 'session-failed':
      return failureLines('', 'cannot go on', event.failure);
    case 'session-ended':
      return [];
    case 'watching':
      return [line('', `watching ${event.targets.join(', ')}; Ctrl-C ends it, r builds again`, 'plain')];
    case 'runner-connecting':
      return [];
    case 'tool-found':
      return [line('runner', `${event.tool} from ${toolSources[event.source]}: ${event.path}`, 'dim')];
    case 'runner-waiting':
      return [line('runner', `waiting: ${event.reason}`, 'warn')];
    case 'runner-connected':
      return [
        line(
          'runner',
          `${event.runner}, kaniko ${event.executor}, connected in ${formatDuration(event.ms)}`,
          'dim',
        ),
      ];
    case 'runner-lost':
      return [line('runner', `${event.reason}; connecting again`, 'warn')];
    case 'skipped-file':
      return [line(event.target, `left out ${event.path}: ${event.reason}`, 'warn')];
    case 'sync-started':
      // A line of its own only where somebody would wonder what goes on.
      return event.bytes > 8_000_000
        ? [
            line(
              event.target,
              `syncing ${formatCount(event.write, 'file')} (${formatBytes(event.bytes)})`,
              'dim',
            ),
          ]
        : [];
    case 'sync-progress':
      return [line(event.target, `| sent ${formatBytes(event.sent)} of ${formatBytes(event.bytes)}`, 'dim')];
    case 'synced':
      return [line(event.target, syncedText(event), 'plain')];
    case 'verified':
      return [
        line(
          event.target,
          `in sync: ${formatCount(event.entries, 'entry', 'entries')} compared by content in ${formatDuration(event.ms)}`,
          'good',
        ),
      ];
    case 'drift-repaired':
      return [line(event.target, `repaired in the runner: ${event.paths.join(', ')}`, 'warn')];
    case 'change-unread':
      return [line(event.target, 'nothing to build: no COPY or ADD reads it', 'plain')];
    case 'paused':
      return [
        line(
          event.target,
          `paused: ${event.lost} of ${formatCount(event.of, 'file')} are gone (${event.examples.map(oneLine).join(', ')}, …); nothing is removed in the runner`,
          'bad',
        ),
        line(
          '',
          '→ It goes on by itself when they are back; press f, or start with --force, if they are meant to go.',
          'plain',
        ),
      ];
    case 'resumed':
      return [line(event.target, 'going on', 'good')];
    case 'build-waiting':
      return [line(event.target, 'waiting for the runner', 'dim')];
    case 'build-started':
      return [line(event.target, `building ${event.image}`, 'plain')];
    case 'build-output':
      return verbose ? [line(event.target, `| ${event.line}`, 'dim')] : [];
    case 'build-progress':
      return verbose ? [] : [line(event.target, `| ${oneLine(event.text)}`, 'dim')];
    case 'build-cancelled':
      return [line(event.target, `build cancelled: ${event.paths.join(', ')} changed`, 'warn')];
    case 'built':
      return [
        line(
          event.target,
          `built ${event.image}@${event.digest} in ${formatDuration(event.ms)} (kaniko ${formatDuration(event.executorMs)}, ${event.cacheHits} of ${event.commands} from the cache)`,
          'good',
        ),
      ];
    case 'build-unneeded':
      return [line(event.target, `nothing to build: ${event.image}@${event.digest} is these files`, 'plain')];
    case 'roll-started':
      return [];
    case 'roll-progress':
      return [line(event.target, `| ${event.message}`, 'dim')];
    case 'rolled':
      return [line(event.target, rolledText(event), event.changed ? 'good' : 'plain')];
    case 'step-failed':
      return failureLines(event.target, `${event.step} failed`, event.failure);
    case 'settled':
      return event.ok ? [line(event.target, `up to date in ${formatDuration(event.ms)}`, 'good')] : [];
    default:
      return unreachable(event);
  }
}

const toolSources: Readonly<Record<ToolSource, string>> = {
  configured: 'the configuration',
  cache: 'the cache',
  image: 'the kaniko image',
  go: 'its Go module, built here',
  host: 'this machine',
};

function line(label: string, text: string, style: Style): Line {
  return { label, text, style };
}

function syncedText(event: Extract<Event, { type: 'synced' }>): string {
  const parts = [
    ...(event.written > 0
      ? [`${formatCount(event.written, 'entry', 'entries')} (${formatBytes(event.bytes)})`]
      : []),
    ...(event.removed > 0 ? [`${event.removed} removed`] : []),
  ];
  const total = event.written + event.removed;
  const more = total > event.paths.length ? ', …' : '';
  const names = total > 50 ? '' : `: ${event.paths.map(oneLine).join(', ')}${more}`;
  return `synced ${parts.join(', ')} in ${formatDuration(event.ms)}${names}`;
}

function rolledText(event: Extract<Event, { type: 'rolled' }>): string {
  if (!event.changed) return `nothing to roll: ${event.workload} runs it already`;
  return `rolled ${event.workload} in ${formatDuration(event.ms)}: ${event.pods.join(', ') || 'no pods'}`;
}

function failureLines(
  label: string,
  what: string,
  { code, message, remedy, detail = [] }: Failure,
): readonly Line[] {
  return [
    line(label, `${what} (${code}): ${oneLine(message)}`, 'bad'),
    ...detail.map((text) => line('', `| ${text}`, 'dim')),
    line('', `→ ${remedy}`, 'plain'),
  ];
}

/** Names, commands and their output may hold line ends and control characters; a terminal must not obey them. */
function oneLine(text: string): string {
  return text.replaceAll(colors, '').replaceAll(controls, ' ');
}

/** What programs print to colour and style their output. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const colors = /\u001b\[[\d;:]*m/g;
/** Line and paragraph separators, and marks that turn the direction of text around, too. */
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const controls = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g;
