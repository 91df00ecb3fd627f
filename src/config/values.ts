/** The kinds of values that options hold. Each has a name that the reference page and the JSON Schema use. */
import { z } from 'zod';
import { expected, show, text } from './expect.ts';
import { flagProblem } from './flags.ts';

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const durationText = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;

function milliseconds(value: number | string): number {
  if (typeof value === 'number') return value;
  const [, amount, unit] = durationText.exec(value) ?? [];
  const factor = Object.entries(units).find(([name]) => name === unit)?.[1] ?? Number.NaN;
  return Math.round(Number(amount) * factor);
}

const durationError = { error: expected('a duration such as 500, "100ms", "2s", "5m" or "336h"') };
const duration = z
  .union([z.int().min(0, durationError), z.string().regex(durationText, durationError)], durationError)
  .meta({
    id: 'Duration',
    description: 'Milliseconds as a whole number, or text with a unit: `100ms`, `2s`, `5m`, `336h`.',
  });

const day = 24 * units.h;

/** A duration to wait for. The bound keeps it within what a timer can count. */
export const timeout = duration
  .transform(milliseconds)
  .refine((value) => value >= 1 && value <= day, { error: 'expected a duration from 1ms to 24h' });

/** A short rest that may also be nothing. */
export const pause = duration
  .transform(milliseconds)
  .refine((value) => value <= units.m, { error: 'expected a duration from 0 to 1m' });

/** An age, compared with a date and never waited for. The executor counts it in seconds. */
export const age = duration
  .transform(milliseconds)
  .refine((value) => value >= units.s, { error: 'expected a duration of at least 1s' });

export const path = text('a path', /^(?!~)[^\0]+$/).meta({
  id: 'Path',
  description:
    'A file or directory. A relative path starts at the directory of the configuration file. `~` is not expanded.',
});

/** What a build must never find its files in: the executor's own tools and the kernel's file systems. */
const reserved = /^\/(?:kaniko|busybox|proc|sys|dev)(?:\/|$)/;

export const workspace = text(
  'an absolute directory of its own in the runner, such as "/workspace"',
  /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/,
).refine((value) => !reserved.test(value), {
  error: expected('a directory outside of /kaniko, /busybox, /proc, /sys and /dev'),
});

export const kubernetesName = text(
  'a Kubernetes name of lower-case letters, digits, "-" and "."',
  /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
);

/** Also the grammar of a target's name, which becomes a directory and may become a part of a tag. */
export const label = {
  what: 'at most 63 lower-case letters, digits and inner "-"',
  pattern: /^(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/,
};

export const namespace = text(`a namespace: ${label.what}`, label.pattern);

// The grammar of image references, as the distribution project defines it.
const domain =
  '(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\\[[A-Fa-f0-9:]+\\])';
const host = `${domain}(?::[0-9]{1,5})?`;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const repositoryName = `(?:${host}/)?${component}(?:/${component})*`;
const tag = '[A-Za-z0-9_][A-Za-z0-9._-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';

export const registryHost = { what: 'host or host:port', pattern: new RegExp(`^${host}$`) };

export const registryHostText = text('a registry as host or host:port', registryHost.pattern);

export const mirrorText = text(
  'a registry as host or host:port, or a path in it',
  new RegExp(`^${host}(?:/${component})*$`),
);

const repositoryPattern = new RegExp(`^(?=.{1,255}$)${repositoryName}$`);
const whatRepository = 'a repository such as "ghcr.io/owner/name"';

/** A reference that would be right without its tag or digest gets a message of its own. */
export const repository = z
  .string({ error: expected(whatRepository) })
  .regex(repositoryPattern, {
    error: (issue) => {
      const [, name, rest] =
        new RegExp(`^(${repositoryName})(:${tag}|(?::${tag})?@.+)$`).exec(String(issue.input)) ?? [];
      return name === undefined || rest === undefined
        ? expected(whatRepository)(issue)
        : `expected a repository without a tag or digest, got ${show(issue.input)}: remove "${rest}", every build gets a tag from the option "tag"`;
    },
  })
  .meta({
    id: 'Repository',
    description: 'A repository in a registry, without tag or digest: `ghcr.io/owner/name`.',
  });

export const imageReference = text(
  'an image such as "gcr.io/kaniko-project/executor:v1.24.0-debug"',
  new RegExp(`^${repositoryName}(?::${tag})?(?:@${digest})?$`),
);

export const cacheRepository = text(
  'a repository such as "ghcr.io/owner/name/cache" or a directory such as "oci:/cache/layers"',
  new RegExp(`^(?:oci:/[^\\0\\r\\n]+|${repositoryName})$`),
);

export const platform = text('a platform such as "linux/amd64"', /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/);

export const stage = text('the name or number of a stage', /^[A-Za-z0-9][A-Za-z0-9._-]*$/);

export const buildArgName = {
  what: 'a name of letters, digits and "_"',
  pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
};

export const executorFlag = z
  .string({ error: expected('a flag such as "--label=team=web"') })
  .superRefine((value, context) => {
    const problem = flagProblem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

const tagPattern = new RegExp(`^${tag}$`);
const placeholders: Readonly<Record<string, string>> = {
  '{hash}': '0123456789ab',
  '{time}': '20260102-030405',
  '{target}': 'a',
};

/** What is wrong with a tag option, undefined when nothing is. Only the longest target name decides the length. */
export function tagProblem(template: string, longestTarget = 'a'): string | undefined {
  if (template === 'content' || template === 'timestamp') return undefined;
  if (template === 'latest') return '"latest" is refused: every image needs a tag of its own';
  const unknown = template.match(/\{[^}]*\}?/g)?.find((found) => !Object.hasOwn(placeholders, found));
  if (unknown !== undefined) {
    return `unknown placeholder ${show(unknown)}; there are {hash}, {time} and {target}`;
  }
  if (!/\{(?:hash|time)\}/.test(template)) {
    return `expected "content", "timestamp" or a template with {hash} or {time}, got ${show(template)}`;
  }
  const sample = template.replaceAll(/\{[a-z]+\}/g, (found) =>
    found === '{target}' ? longestTarget : (placeholders[found] ?? ''),
  );
  if (tagPattern.test(sample)) return undefined;
  return sample.length > 128
    ? `tags would be ${sample.length} characters long, such as ${show(sample)}; 128 are allowed`
    : `tags would be invalid, such as ${show(sample)}; only letters, digits, "_", "." and "-" are allowed, and no "." or "-" first`;
}

export const tagTemplate = z
  .string({ error: expected('"content", "timestamp" or a template with {hash} or {time}') })
  .superRefine((value, context) => {
    const problem = tagProblem(value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
