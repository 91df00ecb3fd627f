import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { failureExits } from '../../src/result.ts';

test('the troubleshooting page lists every failure code under its exit code, and no other', async () => {
  const page = await readFile(new URL('../../docs/troubleshooting.md', import.meta.url), 'utf8');
  const listed = new Map<string, number>();
  let exit = -1;
  for (const line of page.split('\n')) {
    exit = Number(/^## .*\(exit (\d+)\)$/.exec(line)?.[1] ?? exit);
    const code = /^\| `([a-z0-9-]+)` \|/.exec(line)?.[1];
    if (code !== undefined) listed.set(code, exit);
  }
  assert.deepEqual(Object.fromEntries(listed), { ...failureExits });
});
