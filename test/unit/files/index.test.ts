import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { suite, test } from 'node:test';
import { createHash } from 'node:crypto';
import { readDigest } from '../../../src/files/read.ts';
import { createFiles } from '../../../src/files/scan.ts';
import type { Files, Manifest } from '../../../src/host.ts';
import { file, holding, Place, valueOf } from './place.ts';

const never = new AbortController().signal;
const minute = 60_000;
const later = () => Date.now() + minute;

/** What a process would have: Files of its own, and the files it had to read. */
function process(place: Place, now = later): { readonly files: Files; readonly read: string[] } {
  const read: string[] = [];
  const files = createFiles({
    now,
    indexDirectory: place.beside('index'),
    readDigest: (system, path) => {
      read.push(path.slice(place.root.length + 1));
      return readDigest(system, path);
    },
  });
  return { files, read };
}

async function scan(place: Place, files: Files): Promise<Manifest> {
  const { manifest } = valueOf(await files.scan(place.source, never));
  assert.deepEqual(new Map(manifest), holding(place.root));
  return manifest;
}

/** A place whose index an earlier process has written. */
async function indexed(t: Parameters<typeof Place.for>[0], now = later): Promise<Place> {
  const place = Place.for(t);
  for (const name of ['a', 'b/c', 'b/new\nline', 'é']) place.write(name);
  fs.symlinkSync('a', place.path('link'));
  const { files } = process(place, now);
  await scan(place, files);
  await files.flush();
  return place;
}

function indexFile(place: Place): string {
  const names = fs.readdirSync(place.beside('index'));
  assert.equal(names.length, 1, names.join());
  return place.beside(`index/${names[0]}`);
}

const all = ['a', 'b/c', 'b/new\nline', 'é'];

suite('the index', () => {
  test('saves a new process from reading what did not change', async (t) => {
    const place = await indexed(t);
    const second = process(place);
    await scan(place, second.files);
    assert.deepEqual(second.read, []);
    place.write('a', 'changed');
    await scan(place, second.files);
    assert.deepEqual(second.read, ['a']);
    await second.files.flush();
    const third = process(place);
    await scan(place, third.files);
    assert.deepEqual(third.read, []);
  });

  test('holds names, times and digests, and nothing for others to read', async (t) => {
    const place = await indexed(t);
    const text = fs.readFileSync(indexFile(place), 'utf8');
    assert.match(text, /^\["kaniko-dev index 1",.*\]\n\[.*\]\n[0-9a-f]{64}\n$/);
    assert.ok(text.includes('"b/new\\nline"'));
    assert.equal(fs.statSync(indexFile(place)).mode & 0o777, 0o600);
  });

  test('is written some seconds after a change', async (t) => {
    const place = Place.for(t);
    place.write('a');
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { files } = process(place);
    await scan(place, files);
    t.mock.timers.tick(4_999);
    assert.ok(!fs.existsSync(place.beside('index')));
    t.mock.timers.tick(1);
    const written = (): boolean =>
      fs.existsSync(place.beside('index')) &&
      fs.readdirSync(place.beside('index')).some((name) => !name.endsWith('.tmp'));
    while (!written()) await new Promise(setImmediate);
    indexFile(place);
    await files.flush();
  });

  test('is not written when nothing changed', async (t) => {
    const place = await indexed(t);
    const before = fs.statSync(indexFile(place), { bigint: true });
    const { files } = process(place);
    await scan(place, files);
    await files.flush();
    const after = fs.statSync(indexFile(place), { bigint: true });
    assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs]);
  });

  test('does not serve a file that was changed and has its old size and time', async (t) => {
    const place = await indexed(t);
    const { atime, mtime } = fs.statSync(place.path('a'));
    fs.writeFileSync(place.path('a'), 'A');
    fs.utimesSync(place.path('a'), atime, mtime);
    const { files, read } = process(place);
    assert.deepEqual((await scan(place, files)).get('a'), file('A'));
    assert.deepEqual(read, ['a']);
  });

  test('leaves out what was written shortly before it was read', async (t) => {
    const place = await indexed(t, () => Date.now());
    const { files, read } = process(place);
    await scan(place, files);
    assert.deepEqual(read.sort(), all.toSorted());
  });

  test('is not believed when it is broken, foreign or of another version', async (t) => {
    const place = await indexed(t);
    const path = indexFile(place);
    const text = fs.readFileSync(path, 'utf8');
    const summed = (body: string): string => `${body}${createHash('sha256').update(body).digest('hex')}\n`;
    const body = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
    assert.equal(summed(body), text);
    const broken: readonly (string | Buffer)[] = [
      '',
      '\n',
      'x',
      text.slice(0, -1),
      text.slice(0, text.length / 2),
      text.replace('"a"', '"z"'),
      `${text}\n`,
      summed(body.replace('index 1', 'index 2')),
      summed(body.replace(place.root, '/elsewhere')),
      summed(`${body}[1,2,3]\n`),
      summed(`${body}null\n`).replace('null', 'nil'),
      Buffer.alloc(1000),
    ];
    for (const content of broken) {
      fs.writeFileSync(path, content);
      const { files, read } = process(place);
      await scan(place, files);
      assert.deepEqual(read.sort(), all.toSorted(), JSON.stringify(String(content)));
      await files.flush();
    }
    // It was written anew after the last of them.
    const { files, read } = process(place);
    await scan(place, files);
    assert.deepEqual(read, []);
  });

  test('is not believed after the clock was set back', async (t) => {
    const place = await indexed(t, () => Date.now() + 60 * minute);
    place.write('a', 'changed');
    const { files, read } = process(place, () => Date.now() + 59 * minute);
    await scan(place, files);
    assert.deepEqual(read.sort(), all.toSorted());
  });

  test('does not vouch for a file that is not older than it', async (t) => {
    const place = Place.for(t);
    const start = Date.now();
    place.write('a');
    let now = start + minute;
    const first = process(place, () => now);
    await scan(place, first.files);
    // The clock was set back between the reading and the writing.
    now = start;
    await first.files.flush();
    const second = process(place, () => start + minute);
    await scan(place, second.files);
    assert.deepEqual(second.read, ['a']);
  });

  test('may be impossible to write', async (t) => {
    const place = Place.for(t);
    place.write('a');
    fs.writeFileSync(place.beside('index'), 'a file where the directory should be');
    const { files } = process(place);
    await scan(place, files);
    await files.flush();
    await scan(place, process(place).files);
  });

  test('a half-written one of a killed process is written over', async (t) => {
    const place = await indexed(t);
    fs.writeFileSync(`${indexFile(place)}.tmp`, 'half');
    place.write('new');
    const { files, read } = process(place);
    await scan(place, files);
    assert.deepEqual(read, ['new']);
    await files.flush();
    indexFile(place);
  });
});
