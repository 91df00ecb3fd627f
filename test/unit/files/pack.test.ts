import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { pack } from '../../../src/files/pack.ts';
import { createFiles } from '../../../src/files/scan.ts';
import type { Manifest } from '../../../src/host.ts';
import { extract, file, holding, Place, valueOf } from './place.ts';

const never = new AbortController().signal;

async function manifestOf(place: Place): Promise<Manifest> {
  return valueOf(await createFiles().scan(place.source, never)).manifest;
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function target(place: Place): string {
  const path = place.beside('mirror');
  fs.mkdirSync(path);
  return path;
}

suite('pack', () => {
  test('busybox unpacks what was scanned', async (t) => {
    const place = Place.for(t);
    const deep = Array.from({ length: 6 }, (_, index) => `${index}${'d'.repeat(49)}`).join('/');
    const names = [
      '-rf',
      '--checkpoint=1',
      'a b',
      ' leading',
      'trailing ',
      'new\nline',
      'path=x\n12 path=evil\n',
      'quo\'te"',
      'back\\slash',
      '(group)/[param]/page.tsx',
      'éü/😀.ts',
      'x'.repeat(101),
      'y'.repeat(255),
      `${'p'.repeat(150)}/${'q'.repeat(99)}`,
      `${deep}/file-${'n'.repeat(40)}`,
      `é${deep}/ü`,
      '...',
      '#',
      '*',
    ];
    for (const name of names) place.write(name, `content of ${name}`);
    place.write('empty-file', '');
    place.write('run.sh', '#!/bin/sh', 0o755);
    for (const size of [1, 511, 512, 513, 1 << 18, (1 << 18) + 1, 1_000_003])
      place.write(`size/${size}`, 'z'.repeat(size));
    for (const name of ['empty', '-dir', 'é dir', 'z'.repeat(200)]) fs.mkdirSync(place.path(name));
    for (const [name, to] of [
      ['l-file', 'run.sh'],
      ['l-dangling', 'no/where'],
      ['l-up', '../../out'],
      ['l-absolute', '/etc/passwd'],
      ['l-odd', './a//b/'],
      ['l-space', ' a\nb '],
      ['l-unicode', 'éü😀'],
      ['l-hundred', 't'.repeat(100)],
    ] as const) {
      fs.symlinkSync(to, place.path(name));
    }
    const manifest = await manifestOf(place);
    const mirror = target(place);
    await extract(pack(place.root, manifest, [...manifest.keys()]), mirror);
    assert.deepEqual(holding(mirror), new Map(manifest));
    for (const [path, entry] of manifest) {
      if (entry.kind === 'dir') assert.equal(fs.statSync(join(mirror, path)).mode & 0o7777, 0o755, path);
    }
  });

  test('only what is named, in the order it is named', async (t) => {
    const place = Place.for(t);
    for (const name of ['d/a', 'd/b', 'd/e/f', 'g']) place.write(name);
    const manifest = await manifestOf(place);
    const mirror = target(place);
    await extract(pack(place.root, manifest, ['d', 'd/e', 'g']), mirror);
    assert.deepEqual([...holding(mirror).keys()], ['d', 'd/e', 'g']);
    const bytes = await bytesOf(pack(place.root, manifest, ['g', 'd']));
    assert.equal(bytes.toString('latin1', 0, 2), 'g\0');
    assert.equal(bytes.toString('latin1', 1024, 1026), 'd\0');
  });

  test('nothing named is an empty archive', async (t) => {
    const bytes = await bytesOf(pack(Place.for(t).root, new Map(), []));
    assert.deepEqual(bytes, Buffer.alloc(1024));
  });

  test('headers carry no owner, the manifest mode and the time of the file', async (t) => {
    const place = Place.for(t);
    const path = place.write('a', 'x');
    fs.chmodSync(path, 0o4711);
    fs.utimesSync(path, 1_000_000_000, 1_000_000_000);
    execFileSync('touch', ['-d', '1960-01-01', place.write('old')]);
    const manifest = await manifestOf(place);
    const header = (await bytesOf(pack(place.root, manifest, ['a']))).subarray(0, 512);
    const field = (start: number, length: number) =>
      header.toString('latin1', start, start + length).replace(/[\0 ]+$/, '');
    assert.equal(Number.parseInt(field(100, 8), 8), 0o755);
    assert.equal(Number.parseInt(field(108, 8), 8), 0);
    assert.equal(Number.parseInt(field(116, 8), 8), 0);
    assert.equal(Number.parseInt(field(136, 12), 8), 1_000_000_000);
    assert.equal(field(265, 32), '');
    assert.equal(field(297, 32), '');
    await extract(pack(place.root, manifest, ['old']), target(place));
    assert.equal(fs.statSync(place.beside('mirror/old')).mtimeMs, 0);
  });

  test('a root that is a symbolic link is packed as its target', async (t) => {
    const place = Place.for(t);
    place.write('a');
    const manifest = await manifestOf(place);
    fs.symlinkSync('context', place.beside('link'));
    const mirror = target(place);
    await extract(pack(place.beside('link'), manifest, ['a']), mirror);
    assert.deepEqual(holding(mirror), new Map(manifest));
  });
});

suite('pack refuses', () => {
  const content = 'x'.repeat(1000);
  const changes: readonly (readonly [string, (path: string) => void, RegExp])[] = [
    ['a file that grew', (path) => fs.appendFileSync(path, 'y'), /^cannot pack a: its size changed$/],
    ['a file that shrank', (path) => fs.truncateSync(path, 10), /^cannot pack a: its size changed$/],
    ['a file that became empty', (path) => fs.truncateSync(path, 0), /^cannot pack a: its size changed$/],
    ['a file that is gone', (path) => fs.rmSync(path), /ENOENT/],
    [
      'a file that became a link',
      (path) => {
        fs.renameSync(path, `${path}.real`);
        fs.symlinkSync('a.real', path);
      },
      /^cannot pack a: it is no longer a file$/,
    ],
    [
      'a file that became a directory',
      (path) => {
        fs.rmSync(path);
        fs.mkdirSync(path);
      },
      /^cannot pack a: it is no longer a file$/,
    ],
  ];
  for (const [what, change, expected] of changes) {
    test(what, async (t) => {
      const place = Place.for(t);
      const manifest = new Map([['a', file(content)]]);
      change(place.write('a', content));
      await assert.rejects(bytesOf(pack(place.root, manifest, ['a'])), { message: expected });
    });
  }

  test('a file whose size moves while it is read', async (t) => {
    const place = Place.for(t);
    const size = 1_000_000;
    for (const change of [
      (path: string) => fs.appendFileSync(path, 'y'),
      (path: string) => fs.truncateSync(path, size - 1),
    ]) {
      const path = place.write('a', 'x'.repeat(size));
      const manifest = new Map([['a', file('x'.repeat(size))]]);
      const reading = async () => {
        let first = true;
        for await (const part of pack(place.root, manifest, ['a'])) {
          assert.ok(part.length > 0);
          if (first) change(path);
          first = false;
        }
      };
      await assert.rejects(reading(), { message: 'cannot pack a: its size changed' });
    }
  });

  test('a file behind a directory that became a link out of the context', async (t) => {
    const place = Place.for(t);
    const outside = Place.for(t);
    place.write('dir/file', 'inside');
    outside.write('file', 'SECRET');
    const manifest = await manifestOf(place);
    fs.rmSync(place.path('dir'), { recursive: true });
    fs.symlinkSync(outside.root, place.path('dir'));
    const sent: Buffer[] = [];
    await assert.rejects(async () => {
      for await (const piece of pack(place.root, manifest, ['dir/file'])) sent.push(Buffer.from(piece));
    }, /cannot pack dir\/file: it was moved/);
    assert.ok(!Buffer.concat(sent).includes('SECRET'));
  });

  test('what the manifest does not hold', async (t) => {
    await assert.rejects(bytesOf(pack(Place.for(t).root, new Map(), ['a'])), {
      message: /not in the manifest/,
    });
  });

  test('a link that busybox would misread', async (t) => {
    const place = Place.for(t);
    for (const [name, to] of [
      ['a', 't'.repeat(101)],
      ['é', 't'],
    ] as const) {
      fs.symlinkSync(to, place.path(name));
      const manifest = await manifestOf(place);
      await assert.rejects(bytesOf(pack(place.root, manifest, [name])), {
        message: /does not fit a tar header/,
      });
    }
  });

  test('to hold a file open when nobody reads on', async (t) => {
    const place = Place.for(t);
    place.write('a', 'x'.repeat(2_000_000));
    const manifest = await manifestOf(place);
    const stream = pack(place.root, manifest, ['a'])[Symbol.asyncIterator]();
    await stream.next();
    await stream.next();
    await stream.return?.();
    const open = (): boolean =>
      fs.readdirSync('/proc/self/fd').some((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`) === fs.realpathSync(place.path('a'));
        } catch {
          return false;
        }
      });
    const deadline = Date.now() + 5000;
    while (open() && Date.now() < deadline) await new Promise(setImmediate);
    assert.equal(open(), false);
  });
});
