/** Copies what the compiler does not: the programs that run in the runner. */
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const from = join(import.meta.dirname, '../src/runner');
const to = join(import.meta.dirname, '../dist/runner');
for (const name of readdirSync(from).filter((file) => file.endsWith('.sh'))) {
  copyFileSync(join(from, name), join(to, name));
}
