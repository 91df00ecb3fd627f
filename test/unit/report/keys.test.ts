import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Controls } from '../../../src/controls.ts';
import { type Keyboard, listenForKeys } from '../../../src/report/keys.ts';

class FakeKeyboard implements Keyboard {
  readonly isTTY: boolean;
  readonly calls: unknown[] = [];
  #listener: ((data: Buffer) => void) | undefined;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  setRawMode(raw: boolean): void {
    this.calls.push(raw ? 'raw' : 'cooked');
  }

  on(_event: 'data', listener: (data: Buffer) => void): void {
    this.#listener = listener;
  }

  off(): void {
    this.#listener = undefined;
  }

  resume(): void {
    this.calls.push('resume');
  }

  pause(): void {
    this.calls.push('pause');
  }

  press(keys: string): void {
    this.#listener?.(Buffer.from(keys));
  }
}

function listen(isTTY: boolean): { keyboard: FakeKeyboard; asked: string[]; stop: () => void } {
  const keyboard = new FakeKeyboard(isTTY);
  const asked: string[] = [];
  const controls: Controls = {
    quit: () => asked.push('quit'),
    rebuild: () => asked.push('rebuild'),
    force: () => asked.push('force'),
  };
  const stop = listenForKeys(keyboard, controls, () => asked.push('interrupt'));
  return { keyboard, asked, stop };
}

describe('keys', () => {
  test('are requests; others are nothing', () => {
    const { keyboard, asked } = listen(true);
    keyboard.press('r');
    keyboard.press('xRQ\u001b[A\n');
    keyboard.press('rfq\u0003\u0004');
    assert.deepEqual(asked, ['rebuild', 'rebuild', 'force', 'quit', 'interrupt', 'interrupt']);
  });

  test('leave the terminal as it was', () => {
    const { keyboard, asked, stop } = listen(true);
    stop();
    keyboard.press('q');
    assert.deepEqual(keyboard.calls, ['raw', 'resume', 'cooked', 'pause']);
    assert.deepEqual(asked, []);
  });

  test('are not listened for without a terminal', () => {
    const { keyboard, asked, stop } = listen(false);
    keyboard.press('q');
    stop();
    assert.deepEqual(keyboard.calls, []);
    assert.deepEqual(asked, []);
  });
});
