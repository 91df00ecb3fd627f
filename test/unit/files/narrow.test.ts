import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { diffManifests, hashManifest, manifestsEqual } from '../../../src/files/manifest.ts';
import { readDigest } from '../../../src/files/read.ts';
import { createFiles } from '../../../src/files/scan.ts';
import type { Files, Manifest, Scan } from '../../../src/host.ts';
import { failureOf, file, holding, Place, valueOf } from './place.ts';

const never = new AbortController().signal;

async function scan(place: Place, files: Files, hints?: readonly string[]): Promise<Scan> {
  return valueOf(await files.scan(place.source, never, hints));
}

const later = () => Date.now() + 60_000;

/** A watcher tells of every entry that changed, came or went, by its path. */
type Edit = (place: Place) => readonly string[];

const names = ['a', 'b', 'c', 'd e', 'é', 'x.log'];
const path = fc
  .array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));

/** What is at a path, no link on the way there followed. */
function look(place: Place, name: string): fs.Stats | undefined {
  const slash = name.lastIndexOf('/');
  if (slash !== -1 && look(place, name.slice(0, slash))?.isDirectory() !== true) return undefined;
  return fs.lstatSync(place.path(name), { throwIfNoEntry: false });
}

/** What is at a path and below: what a watcher of all directories names when it goes. */
function below(place: Place, name: string): string[] {
  const absolute = place.path(name);
  const stat = look(place, name);
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [absolute];
  return [absolute, ...fs.readdirSync(absolute).flatMap((child) => below(place, `${name}/${child}`))];
}

/** Makes room for an entry: a file in the way of a directory is removed. Returns what that changed. */
function clear(place: Place, name: string): string[] {
  const touched: string[] = [];
  const parts = name.split('/');
  for (let length = 1; length < parts.length; length++) {
    const parent = place.path(parts.slice(0, length).join('/'));
    const stat = fs.lstatSync(parent, { throwIfNoEntry: false });
    if (stat !== undefined && !stat.isDirectory()) fs.rmSync(parent);
    if (stat?.isDirectory() !== true) {
      fs.mkdirSync(parent);
      touched.push(parent);
    }
  }
  touched.push(...below(place, name));
  fs.rmSync(place.path(name), { recursive: true, force: true });
  return touched;
}

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(path, fc.constantFrom('', 'one', 'two')).map(([name, content]): Edit => (place) => {
    const stat = look(place, name);
    const touched = stat?.isFile() === true ? [] : clear(place, name);
    fs.writeFileSync(place.path(name), content);
    return [...touched, place.path(name)];
  }),
  path.map((name): Edit => (place) => {
    const touched = clear(place, name);
    fs.mkdirSync(place.path(name));
    return [...touched, place.path(name)];
  }),
  fc.tuple(path, fc.constantFrom('a', '../b')).map(([name, target]): Edit => (place) => {
    const touched = clear(place, name);
    fs.symlinkSync(target, place.path(name));
    return [...touched, place.path(name)];
  }),
  path.map((name): Edit => (place) => {
    const touched = below(place, name);
    if (touched.length === 0) return [];
    fs.rmSync(place.path(name), { recursive: true, force: true });
    return touched;
  }),
  path.map((name): Edit => (place) => {
    const stat = look(place, name);
    if (stat?.isFile() !== true) return [];
    fs.chmodSync(place.path(name), (stat.mode & 0o100) === 0 ? 0o755 : 0o644);
    return [place.path(name)];
  }),
  // A directory that moves takes along what no watcher has seen there: its new name alone is told of.
  fc.tuple(path, path).map(([from, to]): Edit => (place) => {
    if (look(place, from) === undefined || `${to}/`.startsWith(`${from}/`) || from.startsWith(`${to}/`))
      return [];
    const touched = clear(place, to);
    if (look(place, from) === undefined) return touched;
    fs.renameSync(place.path(from), place.path(to));
    return [...touched, place.path(from), place.path(to)];
  }),
);

const ignoreFile = fc.constantFrom(undefined, '*.log\n', 'a\n!a/b\n', '**/b\n!**/b/c\n', '*\n!c\n');

suite('a scan with hints', () => {
  test('finds what a whole scan finds', async () => {
    const steps = fc.array(fc.array(edit, { maxLength: 6 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(ignoreFile, steps, async (ignore, steps) => {
        using place = new Place();
        if (ignore !== undefined) place.write('.dockerignore', ignore);
        const files = createFiles();
        let last: Manifest = (await scan(place, files)).manifest;
        for (const edits of steps) {
          const before = new Map(last);
          const hints = edits.flatMap((change) => change(place));
          const narrow = await scan(place, files, hints);
          const whole = await scan(place, createFiles());
          assert.deepEqual([...narrow.manifest], [...whole.manifest]);
          assert.deepEqual(narrow.skipped, whole.skipped);
          assert.equal(hashManifest(narrow.manifest), hashManifest(new Map(whole.manifest)));
          // What was handed out before stays what it was, and compares as any other manifest does.
          assert.deepEqual(new Map(last), before);
          const change = diffManifests(before, new Map(whole.manifest));
          assert.deepEqual(diffManifests(last, narrow.manifest), change);
          assert.equal(manifestsEqual(last, narrow.manifest), manifestsEqual(before, narrow.manifest));
          last = narrow.manifest;
        }
      }),
      { numRuns: 600, seed: 11 },
    );
  });

  test('looks only where they point, and takes the rest over', async (t) => {
    const place = Place.for(t);
    for (const name of ['a/x', 'a/y', 'b/c/z', 'top']) place.write(name, 'old');
    const files = createFiles({ now: later });
    const first = await scan(place, files);
    for (const name of ['a/x', 'a/y', 'b/c/z', 'top']) place.write(name, 'new');
    const second = await scan(place, files, [place.path('a/x')]);
    assert.deepEqual(second.manifest.get('a/x'), file('new'));
    assert.deepEqual(second.manifest.get('a/y'), file('new'));
    assert.deepEqual(second.manifest.get('b/c/z'), file('old'));
    assert.deepEqual(second.manifest.get('top'), file('old'));
    assert.deepEqual(first.manifest.get('a/x'), file('old'));
    // Nothing to look at is nothing new.
    const third = await scan(place, files, []);
    assert.ok(manifestsEqual(second.manifest, third.manifest));
    assert.deepEqual(new Map((await scan(place, files)).manifest), holding(place.root));
  });

  test('a directory is looked into when it is named itself', async (t) => {
    const place = Place.for(t);
    place.write('a/b/c');
    const files = createFiles();
    await scan(place, files);
    place.write('a/b/unseen');
    assert.ok((await scan(place, files, [place.path('a/b')])).manifest.has('a/b/unseen'));
  });

  test('a directory that took the place of another is looked at as a whole', async (t) => {
    const place = Place.for(t);
    place.write('a/b/c', 'old');
    place.write('a/b/gone');
    const files = createFiles();
    await scan(place, files);
    fs.rmSync(place.path('a'), { recursive: true });
    place.write('a/b/c', 'new');
    assert.deepEqual(new Map((await scan(place, files, [place.path('a')])).manifest), holding(place.root));
  });

  test('everything is looked at when in doubt', async (t) => {
    const place = Place.for(t);
    place.write('hinted');
    place.write('deep/file', 'old');
    const files = createFiles({ now: later });
    const doubts: readonly string[] = [
      place.root,
      place.dockerfile,
      `${place.dockerfile}.dockerignore`,
      place.path('.dockerignore'),
      place.beside('elsewhere'),
      '.',
    ];
    for (const [at, doubt] of doubts.entries()) {
      await scan(place, files);
      place.write('deep/file', `new ${at}`);
      const { manifest } = await scan(place, files, [place.path('hinted'), doubt]);
      assert.deepEqual(manifest.get('deep/file'), file(`new ${at}`), doubt);
    }
    place.write('deep/file', 'first');
    const { manifest } = await scan(place, createFiles(), [place.path('hinted')]);
    assert.deepEqual(manifest.get('deep/file'), file('first'));
  });

  test('an ignore file that changed without a hint decides all the same', async (t) => {
    const place = Place.for(t);
    place.write('a/x.log');
    place.write('b/y');
    const files = createFiles();
    await scan(place, files);
    fs.writeFileSync(`${place.dockerfile}.dockerignore`, '**/*.log');
    assert.deepEqual([...(await scan(place, files, [place.path('b/y')])).manifest.keys()], ['a', 'b', 'b/y']);
  });

  test('after an error, an interruption or a file that could not be packed, everything is looked at', async (t) => {
    const place = Place.for(t);
    place.write('hinted');
    const path = place.write('deep/file', 'old');
    let moving = false;
    const files = createFiles({
      readDigest: async (system, name) => (moving ? { kind: 'moved' } : readDigest(system, name)),
    });
    const { manifest } = await scan(place, files);
    const causes: readonly (() => Promise<unknown>)[] = [
      async () => {
        moving = true;
        place.write('hinted', 'moves');
        const failed = await files.scan(place.source, never, [place.path('hinted')]);
        assert.equal(failureOf(failed).code, 'file-unstable');
        moving = false;
      },
      async () => failureOf(await files.scan(place.source, AbortSignal.abort(), [])),
      () =>
        assert.rejects(async () => {
          for await (const part of files.pack(place.root, manifest, ['deep/file'])) assert.ok(part);
        }, /size changed/),
    ];
    for (const [at, cause] of causes.entries()) {
      fs.writeFileSync(path, `changed ${at}`);
      await cause();
      const next = await scan(place, files, [place.path('hinted')]);
      assert.deepEqual(next.manifest.get('deep/file'), file(`changed ${at}`), String(cause));
    }
  });

  test('scans of a source at the same time build on each other', async (t) => {
    const place = Place.for(t);
    const files = createFiles();
    for (const name of ['a/f', 'b/f', 'c/f']) place.write(name, 'old');
    await scan(place, files);
    for (const name of ['a/f', 'b/f', 'c/f']) place.write(name, 'new');
    await Promise.all(['a/f', 'b/f', 'c/f'].map((name) => scan(place, files, [place.path(name)])));
    assert.deepEqual(new Map((await scan(place, files, [])).manifest), holding(place.root));
  });

  test('what was skipped stays skipped until it is looked at', async (t) => {
    const place = Place.for(t);
    place.write('a/file');
    place.write('b/file');
    fs.writeFileSync(Buffer.concat([Buffer.from(`${place.root}/a/`), Buffer.from([0xff])]), '');
    const files = createFiles();
    const { skipped } = await scan(place, files);
    assert.deepEqual(skipped, [{ path: 'a/\\xff', kind: 'not-utf8', reason: 'the name is not valid UTF-8' }]);
    assert.deepEqual((await scan(place, files, [place.path('b/file')])).skipped, skipped);
    fs.rmSync(Buffer.concat([Buffer.from(`${place.root}/a/`), Buffer.from([0xff])]));
    assert.deepEqual((await scan(place, files, [place.path('b/file')])).skipped, skipped);
    assert.deepEqual((await scan(place, files, [place.path('a/file')])).skipped, []);
  });
});
