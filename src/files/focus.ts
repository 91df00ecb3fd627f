/** Which directories of a context a scan looks at: all of them, or those that hints name and the way to them. */
import { isAbsolute, relative } from 'node:path';
import type { ContextSource } from '../host.ts';
import { ignoreFilePaths } from './locate.ts';
import { ownDirectory } from './root.ts';

export interface Focus {
  /** All names of the directory are looked at; otherwise only those in `below`. */
  readonly listed: boolean;
  /** Everything below is looked at as well. */
  readonly whole: boolean;
  readonly below: ReadonlyMap<string, Focus>;
}

export const everywhere: Focus = { listed: true, whole: true, below: new Map() };

export function focusOn(focus: Focus, name: string): Focus | undefined {
  return focus.whole ? focus : focus.below.get(name);
}

interface Spot extends Focus {
  listed: boolean;
  readonly below: Map<string, Spot>;
}

/**
 * A hint names an entry that changed, came or went, so its directory is looked at; and it may be a directory itself,
 * whose entries changed unseen while nothing watched it yet.
 */
export function focusOf(source: ContextSource, hints: readonly string[]): Focus {
  const decisive = new Set([source.root, source.dockerfile, ...ignoreFilePaths(source)]);
  const root: Spot = spot();
  for (const hint of hints) {
    if (decisive.has(hint) || !isAbsolute(hint)) return everywhere;
    const path = relative(source.root, hint);
    const names = path.split('/');
    if (path === '' || names[0] === '..') return everywhere;
    if (names[0] === ownDirectory) continue;
    let at = root;
    for (const [index, name] of names.entries()) {
      if (index === names.length - 1) at.listed = true;
      const next = at.below.get(name) ?? spot();
      at.below.set(name, next);
      at = next;
    }
    at.listed = true;
  }
  return root;
}

function spot(): Spot {
  return { listed: false, whole: false, below: new Map() };
}
