/** What the demos share: the program's events as its users see them, and headings between the acts. */
import type { Emit } from '../../src/event.ts';
import { terminalReporter } from '../../src/report/terminal.ts';

const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

export const showEvent: Emit = terminalReporter((text) => process.stdout.write(text), {
  color,
  verbose: false,
});

export function heading(text: string): void {
  process.stdout.write(color ? `\n\u001b[1m── ${text}\u001b[0m\n` : `\n── ${text}\n`);
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
