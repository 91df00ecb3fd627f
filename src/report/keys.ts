/** Single keys of a terminal as requests to the session. */
import type { Controls } from '../controls.ts';

/** The part of a terminal's input that is needed. */
export interface Keyboard {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (data: Buffer) => void): unknown;
  off(event: 'data', listener: (data: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** Listens until the returned function is called. `interrupt` is Ctrl-C, which raw input no longer turns into a signal. */
export function listenForKeys(keyboard: Keyboard, controls: Controls, interrupt: () => void): () => void {
  if (keyboard.isTTY !== true || keyboard.setRawMode === undefined) return () => {};
  const onData = (data: Buffer): void => {
    for (const key of data.toString()) {
      if (key === '\u0003' || key === '\u0004') interrupt();
      else if (key === 'q') controls.quit();
      else if (key === 'r') controls.rebuild();
      else if (key === 'f') controls.force();
    }
  };
  keyboard.setRawMode(true);
  keyboard.on('data', onData);
  keyboard.resume();
  return () => {
    keyboard.off('data', onData);
    keyboard.setRawMode?.(false);
    keyboard.pause();
  };
}
