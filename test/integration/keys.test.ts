/** The keys of `watch`, on a real pseudo-terminal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { siteProject } from '../rig/site.ts';

const bin = join(import.meta.dirname, '../../bin/kaniko-dev.js');

test(
  'r builds again what is built already, q ends with 0, Ctrl-C with 130',
  { timeout: 60_000 },
  async () => {
    await using project = await siteProject();
    const first = await typed(project.root, ['up to date', 'r', 'built localhost/site', 'q']);
    assert.equal(first, 0);
    const second = await typed(project.root, ['nothing to build', '\u0003']);
    assert.equal(second, 130);
  },
);

/** Runs `watch` in a terminal; each text is waited for and followed by the key after it. Returns the exit code. */
async function typed(cwd: string, script: readonly string[]): Promise<number> {
  const child = spawn('script', ['-qec', `'${process.execPath}' '${bin}' watch`, '/dev/null'], {
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let screen = '';
  let step = 0;
  child.stdout.on('data', (data: Buffer) => {
    screen += data.toString();
    const [text, key] = script.slice(step, step + 2);
    if (text === undefined || key === undefined || !screen.includes(text)) return;
    step += 2;
    screen = '';
    child.stdin.write(key);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? -1)));
}
