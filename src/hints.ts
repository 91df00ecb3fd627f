/** Hints that something may have changed: collected until somebody looks. A hint never says what. */
export class Hints {
  #paths = new Set<string>();
  #wake: (() => void) | undefined;

  get pending(): boolean {
    return this.#paths.size > 0;
  }

  add(path: string): void {
    this.#paths.add(path);
    this.#wake?.();
  }

  /** The collected paths; nothing is pending afterwards. */
  take(): string[] {
    const paths = [...this.#paths];
    this.#paths.clear();
    return paths;
  }

  /** Resolves once something is pending, or the signal aborts. One waiter at a time. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.pending || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#wake = undefined;
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
