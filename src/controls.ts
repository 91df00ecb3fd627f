/** What a person at the terminal, or a page, can ask of a running session. */
export interface Controls {
  /** End the session; the exit code is 0. */
  quit(): void;
  /** Build every target, even what is built already. */
  rebuild(): void;
  /** Go on although most files of a context are gone. */
  force(): void;
}
