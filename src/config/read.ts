/** From a configuration file to the value in it, whatever its format. */
import { basename, dirname, extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cosmiconfig, defaultLoaders, type Loader } from 'cosmiconfig';
import { fail, ok, type Result } from '../result.ts';
import { isPlainObject } from './expect.ts';
import { packageKey } from './find.ts';
import { parseJson } from './json.ts';
import { loadModule } from './module.ts';
import { unreadable } from './unreadable.ts';

export interface ReadConfig {
  readonly value: unknown;
  readonly dependencies: string[];
}

/** Code that waits for ever must not hold up the program for ever. */
const deadline = 30_000;

export async function readConfig(file: string): Promise<Result<ReadConfig>> {
  const timer = new AbortController();
  const late = sleep(deadline, undefined, { signal: timer.signal }).then(
    () => fail('config-unreadable', `${file} did not finish within ${deadline / 1000}s`, remedy),
    () => fail('config-unreadable', 'cancelled', remedy),
  );
  try {
    return await Promise.race([read(file), late]);
  } finally {
    timer.abort();
  }
}

const remedy = 'make it return its configuration without waiting for something that never comes';

async function read(file: string): Promise<Result<ReadConfig>> {
  let dependencies = [file];
  /** What a loader failed with. Kept apart, because cosmiconfig writes into errors, and anything can be thrown. */
  let failed: { readonly cause: unknown } | undefined;

  const guarded =
    (load: (path: string, content: string) => unknown): Loader =>
    async (path, content) => {
      try {
        return hold(path, await load(path, content));
      } catch (cause) {
        failed = { cause };
        return hold(path, undefined);
      }
    };
  const code = guarded(async (path) => {
    const module = await loadModule(path, dirname(path));
    dependencies = module.dependencies;
    if (module.error !== undefined) throw module.error.cause;
    return module.value;
  });
  const json = guarded(parseJson);
  const yaml = guarded(defaultLoaders['.yaml']);

  const loaders = {
    '.ts': code,
    '.mts': code,
    '.js': code,
    '.mjs': code,
    '.json': json,
    '.yaml': yaml,
    '.yml': yaml,
  };
  if (!Object.hasOwn(loaders, extname(file))) {
    return fail(
      'config-unreadable',
      `${file} has none of the known extensions`,
      `use one of ${Object.keys(loaders).join(', ')}`,
    );
  }
  try {
    const found: unknown = await cosmiconfig(packageKey, {
      searchPlaces: [basename(file)],
      packageProp: [packageKey],
      cache: false,
      loaders,
    }).load(file);
    if (failed !== undefined) return unreadable(file, dependencies, failed.cause);
    const held = isPlainObject(found) ? found['config'] : undefined;
    return ok({ value: isPlainObject(held) ? held['value'] : undefined, dependencies });
  } catch (error) {
    return unreadable(file, dependencies, error);
  }
}

/** In a box of its own, so that no key of the user's, such as `$import`, means something to cosmiconfig. */
function hold(path: string, content: unknown): Record<string, unknown> {
  if (basename(path) !== 'package.json') return { value: content };
  return { [packageKey]: { value: isPlainObject(content) ? content[packageKey] : undefined } };
}
