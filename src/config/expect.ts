/** Building blocks of the schema whose messages say what was expected and what was there. */
import { z } from 'zod';
import { nearest } from './nearest.ts';

/** A value as it is shown in a message: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  }
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date (quote it)';
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** `expected X, got Y`, or `missing; expected X`. */
export function expected(what: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) =>
    input === undefined ? `missing; expected ${what}` : `expected ${what}, got ${show(input)}`;
}

/** Text that is not empty, of one line, and matches the pattern. */
export function text(what: string, pattern = /^[^\0\r\n]+$/): z.ZodString {
  return z.string({ error: expected(what) }).regex(pattern, { error: expected(what) });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: expected('true or false') });
}

export function oneOf<const T extends readonly string[]>(...values: T) {
  const quoted = values.map((value) => JSON.stringify(value));
  const what = [quoted.slice(0, -1).join(', '), quoted.at(-1)].filter((part) => part !== '').join(' or ');
  return z.enum(values, { error: expected(what) });
}

export function list<T extends z.ZodType>(what: string, item: T): z.ZodArray<T> {
  return z.array(item, { error: expected(what) });
}

/** An object with exactly these keys. An unknown key is answered with the key that was probably meant. */
export function object<T extends z.core.$ZodLooseShape>(what: string, shape: T) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, keys)).join('\n')
        : expected(what)(issue),
  });
}

function unknownKey(key: string, keys: readonly string[]): string {
  const meant = nearest(key, keys);
  return meant === undefined
    ? `unknown key; the keys here are ${keys.join(', ')}`
    : `unknown key; did you mean "${meant}"?`;
}

/**
 * A dictionary. Its keys are checked apart from its values, because a record of zod does not look at the value of a
 * bad key, and every problem is to be reported at once.
 */
export function dictionary<T extends z.ZodType>(
  what: string,
  key: { what: string; pattern: RegExp },
  value: T,
) {
  return z
    .record(z.string(), value, { error: expected(what) })
    .superRefine(
      (entries, context) => {
        for (const name of Object.keys(entries)) {
          if (!key.pattern.test(name)) {
            context.addIssue({ code: 'custom', path: [name], message: `the key must be ${key.what}` });
          }
        }
      },
      { when: ({ value: entries }) => isPlainObject(entries) },
    )
    .meta({ propertyNames: { pattern: key.pattern.source } });
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
