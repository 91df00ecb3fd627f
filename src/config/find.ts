/** Where the configuration is: the nearest directory upward that has one. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail, ok, type Result } from '../result.ts';
import { isPlainObject } from './expect.ts';

/** The key of package.json. */
export const packageKey = 'kaniko-dev';

export const extensions = ['ts', 'mts', 'js', 'mjs', 'json', 'yaml', 'yml'] as const;

export async function findConfig(cwd: string): Promise<Result<string>> {
  const unreadable: string[] = [];
  for (const directory of upward(cwd)) {
    const found = [...(await configFiles(directory)), ...(await packageFile(directory, unreadable))];
    const [file, second] = found;
    if (second !== undefined) {
      return fail(
        'config-ambiguous',
        `there is more than one configuration in ${directory}`,
        'keep one of them, or name the one to use with --config',
        found.map((each) => (each.endsWith('package.json') ? `${each} (key "${packageKey}")` : each)),
      );
    }
    if (file !== undefined) return ok(file);
  }
  return fail(
    'config-missing',
    `there is no configuration in ${cwd} or above`,
    'write a kaniko.config.ts (the README shows one), or name a file with --config',
    [`looked for ${lookedFor}`, `in ${upward(cwd).join(', ')}`, ...unreadable],
  );
}

const lookedFor = `kaniko.config.{${extensions.join(',')}} and the key "${packageKey}" of package.json`;

/** The directory and all above it, nearest first. */
function upward(directory: string): string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...upward(parent)];
}

async function configFiles(directory: string): Promise<string[]> {
  const found = await Promise.all(
    extensions.map(async (extension) => {
      const file = join(directory, `kaniko.config.${extension}`);
      return (await isFile(file)) ? [file] : [];
    }),
  );
  return found.flat();
}

/** A package.json that cannot be read is most likely another tool's business, but it is told when nothing is found. */
async function packageFile(directory: string, unreadable: string[]): Promise<string[]> {
  const file = join(directory, 'package.json');
  if (!(await isFile(file))) return [];
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isPlainObject(content) && Object.hasOwn(content, packageKey) ? [file] : [];
  } catch (error) {
    unreadable.push(`could not read ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // Missing or out of reach: for the search that is the same.
    return false;
  }
}
