/**
 * A manifest hashed, as a tree: the digest of a directory is made of its entries and the digests of the directories in
 * it, and is kept for as long as the directory is. After a change, only the directories on the way to it are hashed.
 */
import { hash } from 'node:crypto';
import type { Entry, Manifest } from '../host.ts';
import { emptyTree, isEntry, joinPath, makeTree, type Tree, TreeManifest } from './tree.ts';

/**
 * A part of manifests: the paths that a test says yes to. Digests are kept with it, so it is made once and used for
 * every manifest that the same test is asked about.
 */
export class Selection {
  readonly #selects: (path: string) => boolean;
  /** Undefined for a directory with nothing selected in it. */
  readonly #digests = new WeakMap<Tree, { readonly path: string; readonly digest: string | undefined }>();

  /** `selects` is asked once for each path and must always give the same answer. */
  constructor(selects: (path: string) => boolean) {
    this.#selects = selects;
  }

  /** Lower-case hex SHA-256 of what is selected. */
  hash(manifest: Manifest): string {
    const tree = manifest instanceof TreeManifest ? manifest.tree : treeOf(manifest);
    return this.#digest(tree, '') ?? hash('sha256', '', 'hex');
  }

  #digest(tree: Tree, path: string): string | undefined {
    const known = this.#digests.get(tree);
    if (known?.path === path) return known.digest;
    let lines = '';
    for (const [name, child] of tree.children) {
      if (!isEntry(child)) continue;
      const childPath = joinPath(path, name);
      const selected = this.#selects(childPath);
      if (child.kind === 'tree') {
        const below = this.#digest(child, childPath);
        // A directory belongs to the hash as the way to what is selected, too.
        if (selected || below !== undefined) lines += line(name, directoryEntry, below);
      } else if (selected) {
        lines += line(name, child);
      }
    }
    const digest = lines === '' ? undefined : hash('sha256', lines, 'hex');
    this.#digests.set(tree, { path, digest });
    return digest;
  }
}

const directoryEntry: Entry = { kind: 'dir' };

/** A line of JSON for each entry, so that no name, however awkward, can pass for another entry. */
function line(name: string, entry: Entry, below = ''): string {
  return `${JSON.stringify([name, ...fields(entry), below])}\n`;
}

function fields(entry: Entry): readonly (string | number)[] {
  switch (entry.kind) {
    case 'file':
      return ['file', entry.mode, entry.size, entry.digest];
    case 'link':
      return ['link', entry.target];
    case 'dir':
      return ['dir'];
  }
}

const everything = new Selection(() => true);

/** Lower-case hex SHA-256 of a manifest, independent of the order of its entries. */
export function hashManifest(manifest: Manifest): string {
  return everything.hash(manifest);
}

/** The tree of a manifest that is none; directories that are not listed are there for what they hold. */
function treeOf(manifest: Manifest): Tree {
  const root: Branch = { children: new Map() };
  for (const [path, entry] of manifest) {
    let at = root;
    for (const name of path.split('/')) {
      const next = at.children.get(name) ?? { children: new Map<string, Branch>() };
      at.children.set(name, next);
      at = next;
    }
    at.entry = entry;
  }
  return grown(root);
}

interface Branch {
  entry?: Entry;
  readonly children: Map<string, Branch>;
}

function grown(branch: Branch): Tree {
  const children = new Map<string, Entry | Tree>();
  for (const [name, child] of branch.children) {
    const leaf = child.children.size === 0 && child.entry?.kind !== 'dir';
    children.set(name, leaf && child.entry !== undefined ? child.entry : grown(child));
  }
  return makeTree({ ...emptyTree, children });
}
