/** The reference page and the JSON Schema, both made from the schema. */
import { z } from 'zod';
import { configSchema } from './schema.ts';

type Node = z.core.JSONSchema.BaseSchema;

/** For editors: what a file may contain, before defaults. Draft 7 is what they understand best. */
export function jsonSchema(): Node {
  return z.toJSONSchema(configSchema, {
    target: 'draft-07',
    io: 'input',
    override: ({ jsonSchema: node }) => {
      // "Default: an empty object" says nothing: the defaults are those of the keys in it.
      if (isEmptyObject(node.default)) delete node.default;
    },
  });
}

export function renderReference(): string {
  const schema = jsonSchema();
  return [
    intro,
    section('The file', schema, ''),
    ...sections(schema, ''),
    '## Kinds of values',
    ...Object.entries(schema.definitions ?? {}).map(
      ([name, node]) => `### ${name}\n\n${asNode(node).description ?? ''}`,
    ),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

const intro = `# Configuration

<!-- Written by scripts/write-docs.ts from src/config/schema.ts. -->

kaniko-dev looks in the working directory, then in each directory above it, for one of \`kaniko.config.ts\`, \`.mts\`, \`.js\`, \`.mjs\`, \`.json\`, \`.yaml\`, \`.yml\`, or the key \`kaniko-dev\` of \`package.json\`. The nearest directory that has one decides. Two in one directory are an error. \`--config\` names a file in place of the search.

\`\`\`ts
import { defineConfig } from 'kaniko-dev';

export default defineConfig({
  targets: {
    api: { context: 'api/', image: 'ghcr.io/owner/api', deploy: { kind: 'Deployment', name: 'api' } },
  },
});
\`\`\`

A \`.ts\`, \`.mts\`, \`.js\` or \`.mjs\` file exports by default an object, or a function that returns one or a promise of one. \`kaniko-dev config\` prints what a file comes to. Unknown keys are errors. For JSON and YAML files there is a [JSON Schema](kaniko.config.schema.json).`;

/** The sections below a node: one for each object, depth first. */
function sections(node: Node, path: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const inner = asNode(child);
    const below = path === '' ? key : `${path}.${key}`;
    return nested(inner, below).flatMap(({ node: object, title, path: at }) =>
      [section(title, object, inner.description ?? '')].concat(sections(object, at)),
    );
  });
}

/** The objects with keys of their own that an option holds: itself, its variants, or its entries. */
function nested(node: Node, path: string): { node: Node; title: string; path: string }[] {
  if (node.properties !== undefined) return [{ node, title: `\`${path}\``, path }];
  const variants = (node.oneOf ?? node.anyOf ?? [])
    .map(asNode)
    .filter((each) => each.properties !== undefined);
  if (variants.length > 0) {
    return variants.map((variant) => {
      const type = asNode(variant.properties?.['type']).const;
      return {
        node: variant,
        title: `\`${path}\`${type === undefined ? '' : ` of type \`${String(type)}\``}`,
        path,
      };
    });
  }
  const entry = asNode(node.additionalProperties);
  return entry.properties === undefined
    ? []
    : [{ node: entry, title: `\`${path}.<name>\``, path: `${path}.<name>` }];
}

function section(title: string, node: Node, description: string): string {
  const rows = Object.entries(node.properties ?? {}).map(([key, child]) => {
    const option = asNode(child);
    const needed = node.required?.includes(key) === true;
    return `| \`${key}\` | ${typeName(option)} | ${defaultText(option, needed)} | ${option.description ?? ''} |`;
  });
  const table = ['| key | value | default | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  return [`## ${title}`, ...(description === '' ? [] : [description]), table].join('\n\n');
}

function defaultText(node: Node, needed: boolean): string {
  if (needed) return 'required';
  const value = node.default;
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function typeName(node: Node): string {
  const reference = node.$ref ?? node.allOf?.map(asNode).find((each) => each.$ref !== undefined)?.$ref;
  if (reference !== undefined) {
    const name = reference.split('/').at(-1) ?? '';
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
  if (node.type === 'array') return `list of ${typeName(asNode(node.items))}`;
  const options = node.oneOf ?? node.anyOf;
  if (options !== undefined)
    return [...new Set(options.map((option) => typeName(asNode(option))))].join(' or ');
  if (node.type === 'boolean') return '`true` or `false`';
  if (node.type !== 'object') return 'text';
  return node.properties === undefined
    ? `object of ${typeName(asNode(node.additionalProperties))}`
    : 'object';
}

function asNode(value: Node | boolean | readonly unknown[] | undefined): Node {
  return isNode(value) ? value : {};
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmptyObject(value: unknown): boolean {
  return isNode(value) && Object.keys(value).length === 0;
}
