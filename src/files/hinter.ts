/**
 * Hands hints to whoever asked for them. Some are no reason to look (see temporary.ts): they are held back and given
 * with the next one that is, so that whoever looks then looks at all that moved, or when they turn out to stay.
 */
import { lstatSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Milliseconds after which a temporary name that is still there is a file like any other. */
const passing = 1_500;

/** More than these are told as a hint at everything. */
const mostHeld = 1_000;

export class Hinter {
  /** The context as the caller knows it, and where it really is. */
  readonly #known: string;
  readonly #real: string;
  readonly #onHint: (path: string) => void;
  readonly #held = new Set<string>();

  constructor(known: string, real: string, onHint: (path: string) => void) {
    this.#known = known;
    this.#real = real;
    this.#onHint = onHint;
  }

  /** A path below the context, wherever that really is. */
  give(path: string): void {
    this.tell(this.#named(path));
  }

  /** A path as the caller knows it. */
  tell(path: string): void {
    const held = [...this.#held];
    this.#held.clear();
    for (const hint of held) this.#onHint(hint);
    this.#onHint(path);
  }

  hold(path: string): void {
    const named = this.#held.size < mostHeld ? this.#named(path) : this.#known;
    this.#held.add(named);
    const timer = setTimeout(() => {
      // Given meanwhile with another hint, or gone: an editor that has finished.
      if (this.#held.has(named) && lstatSync(named, { throwIfNoEntry: false }) !== undefined)
        this.tell(named);
    }, passing);
    timer.unref();
  }

  /** The path within the context: empty for the context itself, undefined for anything outside of it. */
  within(path: string): string | undefined {
    if (path === this.#real) return '';
    return path.startsWith(`${this.#real}/`) ? relative(this.#real, path) : undefined;
  }

  /** By the name the caller knows the context by. */
  #named(path: string): string {
    return join(this.#known, this.within(path) ?? '');
  }
}
