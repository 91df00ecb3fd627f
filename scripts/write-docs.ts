/** Writes what is made from the schema: the reference page and the JSON Schema for editors. */
import { writeFile } from 'node:fs/promises';
import { jsonSchema, renderReference } from '../src/config/reference.ts';

const docs = new URL('../docs/', import.meta.url);

await writeFile(new URL('configuration.md', docs), renderReference());
await writeFile(
  new URL('kaniko.config.schema.json', docs),
  `${JSON.stringify(jsonSchema(), undefined, 2)}\n`,
);
