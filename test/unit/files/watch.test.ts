import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { manifestsEqual } from '../../../src/files/manifest.ts';
import { createFiles } from '../../../src/files/scan.ts';
import { createWatcher, type WatcherOptions } from '../../../src/files/watch.ts';
import type { ContextSource, WatchOptions } from '../../../src/host.ts';
import { failureOf, holding, Place, valueOf } from './place.ts';

const deadline = 20_000;

/** Collects what arrives, and waits for what should. */
class Arrivals {
  #seen: string[] = [];
  #wake = Promise.withResolvers<void>();

  readonly add = (item: string): void => {
    this.#seen.push(item);
    this.#wake.resolve();
  };

  /** Waits until something that fits has arrived; what arrived up to then is returned and forgotten. */
  async until(fits: string | ((item: string) => boolean)): Promise<readonly string[]> {
    const timeout = new AbortController();
    const late = setTimeout(deadline, 'late', { signal: timeout.signal }).catch(() => 'done');
    try {
      for (;;) {
        const at = this.#seen.findIndex((item) => (typeof fits === 'string' ? item === fits : fits(item)));
        if (at !== -1) return this.#seen.splice(0, at + 1);
        this.#wake = Promise.withResolvers<void>();
        if ((await Promise.race([this.#wake.promise, late])) === 'late') {
          throw new Error(`${String(fits)} did not arrive; what did: ${JSON.stringify(this.#seen)}`);
        }
      }
    } finally {
      timeout.abort();
    }
  }

  get seen(): readonly string[] {
    return this.#seen;
  }

  forget(): void {
    this.#seen = [];
  }
}

/** A hint at a directory asks to look at all of it. */
function covers(hint: string, path: string): boolean {
  return hint === path || path.startsWith(`${hint}/`);
}

interface Watched {
  readonly place: Place;
  readonly hints: Arrivals;
  readonly abort: AbortController;
  /** Changes a file and waits for the hint of it. */
  readonly edit: (name: string) => Promise<readonly string[]>;
  /** Makes a change, scans where hints point, and waits until a scan has found what is there. */
  readonly settles: (change: () => void | Promise<void>) => Promise<void>;
}

async function watched(
  t: TestContext,
  options: Partial<WatchOptions> &
    WatcherOptions & { readonly source?: (place: Place) => ContextSource } = {},
  prepare: (place: Place) => void = () => undefined,
): Promise<Watched> {
  const place = Place.for(t);
  prepare(place);
  const hints = new Arrivals();
  const abort = new AbortController();
  t.after(() => abort.abort());
  const source = options.source?.(place) ?? place.source;
  const result = await createWatcher({ pollingInterval: 50, ...options }).watch(
    source,
    { ignore: options.ignore ?? [], polling: options.polling ?? false },
    hints.add,
    abort.signal,
  );
  valueOf(result);
  let edits = 0;
  const edit = (name: string): Promise<readonly string[]> => {
    edits++;
    place.write(name, 'x'.repeat(edits));
    const path = place.path(name);
    return hints.until((hint) => covers(hint, path));
  };
  const files = createFiles();
  const looked: string[] = [];
  await files.scan(source, abort.signal);
  const settles = async (change: () => void | Promise<void>): Promise<void> => {
    looked.push(...hints.seen);
    hints.forget();
    await change();
    const there = fs.existsSync(place.root) ? holding(place.root) : undefined;
    for (;;) {
      await hints.until(() => true).then((arrived) => looked.push(...arrived, ...hints.seen));
      hints.forget();
      const found = await files.scan(source, abort.signal, looked.splice(0));
      if (there === undefined ? !found.ok : found.ok && manifestsEqual(found.value.manifest, there)) return;
    }
  };
  return { place, hints, abort, edit, settles };
}

for (const polling of [false, true]) {
  suite(polling ? 'polling' : 'watching', () => {
    test('edits, new files, renames and removals give hints', async (t) => {
      const { place, hints, edit } = await watched(t, { polling }, (place) => place.write('src/a.ts'));
      await edit('src/a.ts');
      await edit('src/new.ts');
      fs.writeFileSync(place.path('src/.tmp'), 'saved by an editor');
      fs.renameSync(place.path('src/.tmp'), place.path('src/a.ts'));
      await hints.until(place.path('src/a.ts'));
      fs.renameSync(place.path('src/a.ts'), place.path('src/b.ts'));
      await hints.until(place.path('src/b.ts'));
      fs.rmSync(place.path('src/b.ts'));
      await hints.until(place.path('src/b.ts'));
      fs.symlinkSync('new.ts', place.path('src/link'));
      await hints.until(place.path('src/link'));
      fs.chmodSync(place.path('src/new.ts'), 0o755);
      // Polling does not see a mode: it hints at the whole context now and then.
      await hints.until(polling ? place.root : place.path('src/new.ts'));
    });

    test('new, moved and returning directories are seen', async (t) => {
      const { place, settles } = await watched(t, { polling });
      await settles(() => void place.write('a/b~/c/file'));
      await settles(() => void place.write('a/b~/c/file', 'edited'));
      await settles(() => fs.renameSync(place.path('a'), place.path('moved')));
      await settles(() => void place.write('moved/b~/c/file', 'edited again'));
      await settles(() => fs.rmSync(place.path('moved'), { recursive: true }));
      await settles(() => void place.write('moved/file'));
      await settles(() => {
        fs.rmSync(place.path('moved'), { recursive: true });
        place.write('moved/file', 'as it was named before');
      });
      await settles(() => void place.write('moved/file', 'edited once more'));
      fs.mkdirSync(place.beside('outside/deep'), { recursive: true });
      await settles(() => fs.renameSync(place.beside('outside'), place.path('inside')));
      await settles(() => void place.write('inside/deep/file'));
      await settles(() => fs.renameSync(place.path('inside'), place.beside('outside')));
    });

    test('what is ignored gives none', async (t) => {
      const { place, hints, edit } = await watched(t, { polling, ignore: ['*.swp', 'quiet'] }, (place) => {
        place.write('.dockerignore', 'node_modules\n*.log\n');
        place.write('node_modules/x/index.js');
        place.write('quiet/file');
        place.write('.kaniko-dev/state');
        place.write('a');
      });
      for (const name of [
        'node_modules/x/index.js',
        'b.log',
        'c.swp',
        'quiet/file',
        '.kaniko-dev/state',
        '.kaniko-dev/new',
      ]) {
        place.write(name, 'changed');
      }
      fs.mkdirSync(place.path('node_modules/new'));
      const arrived = await edit('a');
      if (polling) await hints.until(place.root);
      assert.deepEqual(new Set(arrived.filter((path) => path !== place.root)), new Set([place.path('a')]));
    });

    test('a directory with the name of a passing file is a directory', async (t) => {
      const { place, hints, edit } = await watched(t, { polling });
      fs.mkdirSync(place.path('c~'));
      await hints.until(place.path('c~'));
      await edit('c~/d');
    });

    test('an ignored directory is watched for what it holds that is not', async (t) => {
      const { place, hints, edit } = await watched(t, { polling }, (place) => {
        place.write('.dockerignore', 'docs\n!docs/**/*.md\n');
        place.write('docs/deep/a.md');
      });
      await edit('docs/deep/a.md');
      fs.mkdirSync(place.path('docs/new'));
      await hints.until(place.path('docs/new'));
      await edit('docs/new/b.md');
    });

    test('a new ignore file changes what gives hints', async (t) => {
      const { place, hints, edit } = await watched(t, { polling }, (place) => {
        place.write('.dockerignore', 'lib\n');
        place.write('lib/a');
        place.write('src/a');
      });
      place.write('.dockerignore', 'src\n');
      await hints.until(place.path('.dockerignore'));
      await hints.until(place.root);
      await edit('lib/a');
      place.write('src/a', 'changed');
      fs.writeFileSync(`${place.dockerfile}.dockerignore`, '');
      const arrived = await hints.until(`${place.dockerfile}.dockerignore`);
      assert.ok(!arrived.includes(place.path('src/a')), arrived.join());
      await hints.until(place.root);
      await edit('src/a');
      // What cannot be read changes nothing.
      fs.writeFileSync(`${place.dockerfile}.dockerignore`, '[');
      await hints.until(`${place.dockerfile}.dockerignore`);
      await edit('src/a');
    });

    test('the Dockerfile gives hints outside of the context, replaced, removed and through a link', async (t) => {
      const { place, hints } = await watched(
        t,
        { polling, source: (place) => ({ root: place.root, dockerfile: place.beside('Dockerfile.dev') }) },
        (place) => {
          fs.symlinkSync('Dockerfile', place.beside('Dockerfile.dev'));
        },
      );
      const dockerfile = place.beside('Dockerfile.dev');
      fs.writeFileSync(place.dockerfile, 'FROM through-the-link');
      await hints.until(dockerfile);
      fs.rmSync(dockerfile);
      await hints.until(dockerfile);
      fs.writeFileSync(place.beside('tmp'), 'FROM replaced');
      fs.renameSync(place.beside('tmp'), dockerfile);
      await hints.until(dockerfile);
      fs.writeFileSync(dockerfile, 'FROM edited-in-place');
      await hints.until(dockerfile);
      assert.ok(!hints.seen.includes(place.beside('tmp')));
    });

    test('a directory that is removed and made again at any moment is seen', async (t) => {
      const { place, settles } = await watched(t, { polling }, (place) => place.write('d/e/file', 'first'));
      for (let round = 0; round < (polling ? 4 : 40); round++) {
        await settles(async () => {
          fs.rmSync(place.path('d'), { recursive: true });
          for (let turn = 0; turn < round % 20; turn++) await new Promise(setImmediate);
          place.write('d/e/file', `round ${round}`);
        });
      }
    });

    test('a context that vanishes and returns is seen', async (t) => {
      const { place, settles } = await watched(t, { polling }, (place) => place.write('src/a'));
      await settles(() => fs.rmSync(place.root, { recursive: true }));
      await settles(() => void place.write('src/a', 'back'));
      await settles(() => void place.write('src/a', 'edited'));
      await settles(() => fs.renameSync(place.root, place.beside('away')));
      await settles(() => fs.renameSync(place.beside('away'), place.root));
      await settles(() => void place.write('src/a', 'edited again'));
      await settles(() => {
        fs.rmSync(dirname(place.root), { recursive: true });
        place.write('src/a', 'everything is new');
        fs.writeFileSync(place.dockerfile, 'FROM scratch');
      });
      await settles(() => void place.write('src/a', 'edited once more'));
    });

    test('hints come by the name the context was given', async (t) => {
      const { place, hints } = await watched(
        t,
        { polling, source: (place) => ({ root: place.beside('link'), dockerfile: place.dockerfile }) },
        (place) => {
          place.write('a');
          fs.symlinkSync('context', place.beside('link'));
        },
      );
      place.write('a', 'changed');
      await hints.until(join(place.beside('link'), 'a'));
    });

    test('scanning at every hint ends with what is there', async (t) => {
      const { place, settles } = await watched(t, { polling });
      for (let round = 0; round < (polling ? 5 : 25); round++) {
        await settles(async () => {
          for (let at = 0; at < 4; at++) {
            place.write(`r${round % 5}/d${at}/e${round % 3}/f${at}`, `${round}`);
            // Events get in at different moments of the writing.
            if ((round + at) % 3 === 0) await new Promise(setImmediate);
            if ((round + at) % 7 === 0) {
              fs.rmSync(place.path(`r${round % 5}/d${at}`), { recursive: true });
              place.write(`r${round % 5}/d${at}/e${round % 3}/f${at}`, `${round} again`);
            }
            if ((round + at) % 11 === 0) {
              fs.rmSync(place.path(`moved${at}`), { recursive: true, force: true });
              fs.renameSync(place.path(`r${round % 5}`), place.path(`moved${at}`));
            }
          }
          place.write(`r${round % 5}/last`, `${round}`);
        });
      }
    });

    test('no hints after the end', async (t) => {
      const { place, hints, abort, edit } = await watched(t, { polling }, (place) => place.write('a'));
      await edit('a');
      abort.abort();
      hints.forget();
      const second = new Arrivals();
      const other = new AbortController();
      t.after(() => other.abort());
      valueOf(
        await createWatcher({ pollingInterval: 50 }).watch(
          place.source,
          { ignore: [], polling },
          second.add,
          other.signal,
        ),
      );
      place.write('a', 'changed again');
      await second.until(place.path('a'));
      assert.deepEqual(hints.seen, []);
    });
  });
}

test('what editors leave for a moment gives no hint, and is told of with the next', async (t) => {
  const { place, hints, edit } = await watched(t, {}, (place) => {
    place.write('a');
    place.write('b');
  });
  // Sees what the kernel tells this process about the same directory.
  const told = new Arrivals();
  const witness = fs.watch(place.root, (_event, name) => told.add(name ?? ''));
  t.after(() => witness.close());
  const passing = ['.a.swp', '4913', 'a~', 'a.tmp.17.1719849600123'];
  for (const name of passing) {
    place.write(name);
    await told.until(name);
    fs.rmSync(place.path(name));
    await told.until(name);
    await new Promise(setImmediate);
    assert.deepEqual(hints.seen, []);
  }
  const arrived = await edit('a');
  assert.deepEqual(new Set(arrived), new Set([...passing, 'a'].map((name) => place.path(name))));
  assert.equal(arrived.at(-1), place.path('a'));
  // Once is enough.
  assert.ok((await edit('b')).every((hint) => !hint.endsWith('.swp')));
  // Too many to tell one by one: look at everything.
  for (let at = 0; at <= 1000; at++) place.write(`f${at}~`);
  await told.until('f1000~');
  assert.ok((await edit('a')).includes(place.root));
});

suite('watching fails', () => {
  const options = { ignore: [], polling: false };
  const never = new AbortController().signal;
  const noHint = (): void => assert.fail('a hint');

  test('without a context', async (t) => {
    const place = Place.for(t);
    const source = { root: place.beside('none'), dockerfile: place.dockerfile };
    assert.equal(
      failureOf(await createWatcher().watch(source, options, noHint, never)).code,
      'context-missing',
    );
  });

  test('when it is over before it began', async (t) => {
    const result = await createWatcher().watch(Place.for(t).source, options, noHint, AbortSignal.abort());
    assert.equal(failureOf(result).code, 'interrupted');
  });

  test('with patterns that are none', async (t) => {
    const result = await createWatcher().watch(
      Place.for(t).source,
      { ...options, ignore: ['['] },
      noHint,
      never,
    );
    assert.equal(failureOf(result).code, 'config-invalid');
  });
});

suite('when the kernel runs out', () => {
  // A user namespace has limits of its own.
  const limited = (file: string, limit: number): readonly string[] => [
    '--user',
    '--map-root-user',
    'sh',
    '-c',
    `echo ${limit} > /proc/sys/user/${file} && exec "$@"`,
    'sh',
  ];
  const possible = spawnSync('unshare', [...limited('max_inotify_watches', 3), 'true']).status === 0;
  const cases = [
    ['max_inotify_watches', 3, 'fs.inotify.max_user_watches'],
    ['max_inotify_instances', 0, 'fs.inotify.max_user_instances'],
  ] as const;
  for (const [file, limit, sysctl] of cases) {
    test(
      `of ${sysctl}, it polls and says so`,
      { skip: possible ? false : 'no user namespaces here' },
      async (t) => {
        const place = Place.for(t);
        place.write('a/b/c/d/file');
        const script = fileURLToPath(new URL('watch-child.ts', import.meta.url));
        const child = spawn(
          'unshare',
          [
            ...limited(file, limit),
            process.execPath,
            '--import',
            'tsx',
            script,
            place.root,
            place.dockerfile,
          ],
          {
            stdio: ['pipe', 'pipe', 'inherit'],
          },
        );
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
        t.after(() => child.kill('SIGKILL'));
        const lines = new Arrivals();
        createInterface(child.stdout).on('line', lines.add);
        const before = await lines.until(JSON.stringify({ watching: true }));
        const notices = before.filter((line) => line.includes('"notice"'));
        assert.equal(notices.length, 1, before.join('\n'));
        assert.ok(notices[0]?.includes(sysctl), notices[0]);
        place.write('a/b/c/d/file', 'changed');
        await lines.until(JSON.stringify({ hint: place.path('a/b/c/d/file') }));
        child.stdin.end();
        assert.equal(await ended, 0);
      },
    );
  }
});
