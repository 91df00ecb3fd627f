/** From the issues that zod found to one line for each problem: where it is, what was expected, what was there. */
import type { z } from 'zod';
import { isPlainObject } from './expect.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

export function problemLines(issues: readonly Issue[]): string[] {
  return issues.flatMap((issue) => lines(issue, []));
}

function lines(issue: Issue, parent: Path): string[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    // The message has one line for each key, in the same order.
    const messages = issue.message.split('\n');
    return issue.keys.map(
      (key, index) => `${formatPath([...path, key])}: ${messages[index] ?? 'unknown key'}`,
    );
  }
  const meant = issue.code === 'invalid_union' ? meantOption(issue) : undefined;
  if (meant !== undefined) return meant.flatMap((inner) => lines(inner, path));
  return [`${path.length === 0 ? '' : `${formatPath(path)}: `}${issue.message}`];
}

/** For an object, the problems of the option of the union that is an object; otherwise the union's own message. */
function meantOption(issue: Issue & { code: 'invalid_union' }): readonly Issue[] | undefined {
  if (!isPlainObject(issue.input)) return undefined;
  return issue.errors.find((option) =>
    option.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
  );
}

/** `registry.certificates["ghcr.io"]`, `kaniko.flags[0]` */
export function formatPath(path: Path): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = String(key);
      if (!/^[A-Za-z_$][A-Za-z0-9_$-]*$/.test(name)) return `[${JSON.stringify(name)}]`;
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}
