/** Loading a configuration that is code. Each load runs the file and all it imports anew. */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { tsImport } from 'tsx/esm/api';
import { isPlainObject } from './expect.ts';

/** Modules that Node takes for CommonJS: those of a project without `"type": "module"`. */
const commonjs = createRequire(import.meta.url).cache;

export interface LoadedModule {
  /** The default export, or what it returns when it is a function; undefined when there is none. */
  readonly value: unknown;
  /** The file and what it imports below the root, as far as it came; also filled when loading failed. */
  readonly dependencies: string[];
  readonly error?: { readonly cause: unknown };
}

/** `root` bounds the dependencies: what lies outside of it, or in an installed package, is not the user's to edit. */
export async function loadModule(file: string, root: string): Promise<LoadedModule> {
  const seen = new Set<string>([realpathSync(file)]);
  const before = new Set(Object.keys(commonjs));
  try {
    const module: unknown = await tsImport(pathToFileURL(file).href, {
      parentURL: import.meta.url,
      // What the file means must not depend on the directory the program was started in.
      tsconfig: false,
      onImport: (url) => {
        if (url.startsWith('file:')) seen.add(fileURLToPath(withoutQuery(url)));
      },
    });
    // Where tsx works in a thread of its own, its reports of imports may arrive after the module.
    await setImmediate();
    const exported = defaultExport(module);
    const value = isFunction(exported) ? await exported() : exported;
    forget(before, root, seen);
    return { value, dependencies: below(root, seen) };
  } catch (cause) {
    forget(before, root, seen);
    return { value: undefined, dependencies: below(root, seen), error: { cause } };
  }
}

/**
 * tsx reports only the first of several CommonJS modules, and Node would answer the next load with those it has kept.
 * So they are taken from Node's cache: that names them, and makes the next load run them again.
 */
function forget(before: ReadonlySet<string>, root: string, seen: Set<string>): void {
  const real = realpathSync(root);
  for (const key of Object.keys(commonjs)) {
    const path = withoutQuery(key);
    if (before.has(key) || !isBelow(real, path)) continue;
    delete commonjs[key];
    seen.add(path);
  }
}

function below(root: string, files: ReadonlySet<string>): string[] {
  const real = realpathSync(root);
  return [...files].filter((path) => isBelow(real, path)).map((path) => join(root, relative(real, path)));
}

function isBelow(root: string, path: string): boolean {
  const inside = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(inside) && !path.slice(inside.length).split(sep).includes('node_modules');
}

/** tsx tells its loads apart by a query, also on paths. */
function withoutQuery(name: string): string {
  return name.replace(/\?[^?]*$/, '');
}

/** A CommonJS module arrives as the default export; one made from `export default` marks itself. */
function defaultExport(module: unknown): unknown {
  if (typeof module !== 'object' || module === null || !('default' in module)) return undefined;
  const value = module.default;
  return isPlainObject(value) && value['__esModule'] === true ? value['default'] : value;
}

function isFunction(value: unknown): value is () => unknown {
  return typeof value === 'function';
}
