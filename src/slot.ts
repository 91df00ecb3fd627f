/** The runner's one place to build in: builds wait for it in the order in which they came. */
export class Slot {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Whether somebody builds or waits. */
  get busy(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves when it is the caller's turn; the caller releases exactly once. */
  async acquire(): Promise<() => void> {
    const before = this.#tail;
    const turn = Promise.withResolvers<void>();
    this.#tail = turn.promise;
    this.#waiting += 1;
    await before;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.#waiting -= 1;
      turn.resolve();
    };
  }
}
