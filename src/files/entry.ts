/** Entries compared. */
import type { Entry } from '../host.ts';

/** What a mirror may hold: entries, and things no manifest describes (a fifo that a build left behind). */
export type MirrorEntry = Entry | { readonly kind: 'other' };

export function entriesEqual(a: MirrorEntry, b: MirrorEntry): boolean {
  switch (a.kind) {
    case 'file':
      return b.kind === 'file' && a.mode === b.mode && a.size === b.size && a.digest === b.digest;
    case 'link':
      return b.kind === 'link' && a.target === b.target;
    case 'dir':
      return b.kind === 'dir';
    case 'other':
      return b.kind === 'other';
  }
}
