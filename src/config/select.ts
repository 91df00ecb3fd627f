/** Which targets a command line means. */
import { fail, ok, type Result } from '../result.ts';
import { nearest } from './nearest.ts';
import type { ResolvedConfig } from './resolve.ts';

/** The named targets in the order of the configuration; all of them when none is named. */
export function selectTargets(config: ResolvedConfig, names: readonly string[]): Result<string[]> {
  const known = Object.keys(config.targets);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const meant = nearest(unknown, known);
    return fail(
      'target-unknown',
      `there is no target ${JSON.stringify(unknown)}${meant === undefined ? '' : `; did you mean "${meant}"?`}`,
      `the targets are ${known.join(', ')}`,
    );
  }
  return ok(names.length === 0 ? known : known.filter((name) => names.includes(name)));
}
