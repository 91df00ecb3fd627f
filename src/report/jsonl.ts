/** Events as JSON, one a line, with the time they were reported. */
import type { Emit } from '../event.ts';

export function jsonReporter(write: (text: string) => void, now: () => number): Emit {
  return (event) => write(`${JSON.stringify({ time: new Date(now()).toISOString(), ...event })}\n`);
}
