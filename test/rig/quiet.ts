/** Proof that something causes nothing. */
import assert from 'node:assert/strict';
import type { Program } from './program.ts';

/** Milliseconds: several times the pause of `build.settle` and a scan. */
const enough = 600;

/** Does it, and fails when the program says anything within a time in which it would have begun a build. */
export async function causesNothing(program: Program, act: () => Promise<void>): Promise<void> {
  const before = program.events.length;
  await act();
  await new Promise((resolve) => setTimeout(resolve, enough));
  assert.deepEqual(program.events.slice(before), []);
}
