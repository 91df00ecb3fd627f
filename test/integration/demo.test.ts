import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Project } from '../rig/project.ts';
import { localTools } from '../rig/tools.ts';
import { withoutTraces } from '../rig/traces.ts';

/** Milliseconds that the README promises to stay well below. */
const promised = 15_000;
const root = join(import.meta.dirname, '../..');

test('the demo without a terminal shows an edit in the image, ends by itself and leaves nothing', async () => {
  await localTools();
  await using directory = await Project.empty();
  const started = performance.now();
  const demo = spawn(process.execPath, ['--import', 'tsx', join(root, 'scripts/demo.ts')], {
    cwd: root,
    env: { ...process.env, TMPDIR: directory.root },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let printed = '';
  for (const stream of [demo.stdout, demo.stderr])
    stream.on('data', (data: Buffer) => (printed += data.toString()));
  const [code] = (await once(demo, 'close')) as [number | null];
  assert.equal(code, 0, printed);
  assert.match(
    printed,
    /\/www\/hello\.txt in the image: hello.*an edit.*second version, saved a moment ago/s,
  );
  assert.ok(!printed.includes('\u001b'), 'no colors without a terminal');
  assert.ok(performance.now() - started < promised, printed);
  // The transpiler keeps its cache there.
  assert.deepEqual(
    (await readdir(directory.root)).filter((name) => !name.startsWith('tsx-')),
    [],
  );
  await withoutTraces(directory.root);
});
