/** Symbolic links that the executor cannot resolve: it then leaves files out of the image without a word. Pure. */
import type { Manifest } from '../host.ts';

/** As Linux counts. */
const mostLinks = 40;
const longestName = 255;

/**
 * Why the link cannot be resolved, undefined when it can. One that leads out of the context, or to nothing, does no
 * harm; one that leads in a circle, through a file, or to an impossible name does (seen with kaniko v1.24.0).
 */
export function linkTrouble(manifest: Manifest, path: string): string | undefined {
  let hops = 0;
  let left = path.split('/');
  let at: string[] = [];
  while (left.length > 0) {
    const [name = '', ...rest] = left;
    left = rest;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (at.length === 0) return undefined;
      at = at.slice(0, -1);
      continue;
    }
    if (Buffer.byteLength(name) > longestName) return 'leads to a name that no file can have';
    const place = [...at, name];
    const entry = manifest.get(place.join('/'));
    if (entry === undefined) return undefined;
    if (entry.kind === 'link') {
      hops += 1;
      if (hops > mostLinks) return 'leads in a circle';
      if (entry.target.startsWith('/')) return undefined;
      left = [...entry.target.split('/'), ...left];
      continue;
    }
    if (entry.kind === 'file' && left.some((part) => part !== '' && part !== '.'))
      return 'leads through a file';
    at = place;
  }
  return undefined;
}

/** The executor's line about a link that it could not resolve, and after which files may be missing. */
export function lostByLink(message: string): string | undefined {
  return /^Couldn't eval (.+?) with link/s.exec(message)?.[1];
}
