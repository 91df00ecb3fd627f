import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { suite, test } from 'node:test';
import { readDigest, type ReadDigest } from '../../../src/files/read.ts';
import { createFiles } from '../../../src/files/scan.ts';
import { System } from '../../../src/files/system.ts';
import type { Files, Manifest, Scan } from '../../../src/host.ts';
import { failureOf, file, holding, Place, valueOf } from './place.ts';

const never = new AbortController().signal;

async function scan(place: Place, files: Files = createFiles()): Promise<Scan> {
  return valueOf(await files.scan(place.source, never));
}

const paths = (manifest: Manifest): string[] => [...manifest.keys()];

/** A reader that tells which files it was asked for. */
function counting(read: string[]): ReadDigest {
  return (system, path) => {
    read.push(path);
    return readDigest(system, path);
  };
}

/** A clock far enough ahead that files just written count as settled. */
const later = () => Date.now() + 60_000;

suite('scan', () => {
  test('lists files, directories and links, parents first', async (t) => {
    const place = Place.for(t);
    place.write('src/index.ts', 'code');
    place.write('run.sh', '#!', 0o755);
    fs.mkdirSync(place.path('empty/inner'), { recursive: true });
    fs.symlinkSync('../nowhere', place.path('src/dangling'));
    fs.symlinkSync('src', place.path('to-dir'));
    const { manifest, dockerfile, ignoreFile, skipped } = await scan(place);
    assert.deepEqual(
      [...manifest],
      [
        ['empty', { kind: 'dir' }],
        ['empty/inner', { kind: 'dir' }],
        ['run.sh', file('#!', 0o755)],
        ['src', { kind: 'dir' }],
        ['src/dangling', { kind: 'link', target: '../nowhere' }],
        ['src/index.ts', file('code')],
        ['to-dir', { kind: 'link', target: 'src' }],
      ],
    );
    assert.equal(dockerfile, 'FROM scratch\n');
    assert.equal(ignoreFile, undefined);
    assert.deepEqual(skipped, []);
  });

  test('an empty context is an empty manifest', async (t) => {
    assert.equal((await scan(Place.for(t))).manifest.size, 0);
  });

  test('modes are the executable bit of the owner and nothing else', async (t) => {
    const place = Place.for(t);
    const modes = [0o600, 0o644, 0o664, 0o666, 0o700, 0o755, 0o775, 0o4755, 0o611, 0o100];
    for (const mode of modes) fs.chmodSync(place.write(`f${mode.toString(8)}`, ''), mode);
    const { manifest } = await scan(place);
    for (const mode of modes) {
      assert.deepEqual(manifest.get(`f${mode.toString(8)}`), file('', (mode & 0o100) === 0 ? 0o644 : 0o755));
    }
  });

  test('awkward names and hard links are ordinary', async (t) => {
    const place = Place.for(t);
    const names = [
      '-rf',
      'a b',
      'a\nb',
      '(group)/[param]/page.tsx',
      'é😀',
      'x'.repeat(255),
      '"quoted\'',
      '\\',
      '*',
      '#x',
    ];
    for (const name of names) place.write(name);
    fs.linkSync(place.path('a b'), place.path('hard'));
    const { manifest } = await scan(place);
    assert.deepEqual(new Map(manifest), holding(place.root));
    assert.deepEqual(manifest.get('hard'), file('a b'));
  });

  test('big files are hashed in pieces', async (t) => {
    const place = Place.for(t);
    for (const size of [1 << 20, (1 << 20) + 1, 5_000_000]) place.write(`f${size}`, 'y'.repeat(size));
    assert.deepEqual(new Map((await scan(place)).manifest), holding(place.root));
  });

  test('a root that is a symbolic link is followed', async (t) => {
    const place = Place.for(t);
    place.write('a');
    const root = place.beside('link');
    fs.symlinkSync('context', root);
    const result = valueOf(await createFiles().scan({ root, dockerfile: place.dockerfile }, never));
    assert.deepEqual(paths(result.manifest), ['a']);
  });

  test('its own directory is never part of a context', async (t) => {
    const place = Place.for(t);
    place.write('.kaniko-dev/state');
    place.write('a/.kaniko-dev/state');
    assert.deepEqual(paths((await scan(place)).manifest), ['a', 'a/.kaniko-dev', 'a/.kaniko-dev/state']);
  });

  test('calls that go to threads find the same', async (t) => {
    const place = Place.for(t);
    for (let at = 0; at < 300; at++) place.write(`d${at % 7}/e${at % 31}/f${at}`, String(at));
    fs.symlinkSync('x', place.path('d1/link'));
    place.write('big', 'y'.repeat(3_000_000));
    const read: string[] = [];
    const files = createFiles({
      now: later,
      readDigest: counting(read),
      system: () => new System({ slow: true }),
    });
    assert.deepEqual(new Map((await scan(place, files)).manifest), holding(place.root));
    assert.deepEqual((await scan(place, files)).manifest, (await scan(place)).manifest);
    assert.equal(read.length, 301);
  });

  test('an aborted scan is interrupted', async (t) => {
    const place = Place.for(t);
    place.write('a');
    assert.equal(failureOf(await createFiles().scan(place.source, AbortSignal.abort())).code, 'interrupted');
    const abort = new AbortController();
    const files = createFiles({
      readDigest: (system, path) => {
        abort.abort();
        return readDigest(system, path);
      },
    });
    assert.equal(failureOf(await files.scan(place.source, abort.signal)).code, 'interrupted');
  });
});

suite('what cannot be scanned', () => {
  test('a missing root, and one that is no directory', async (t) => {
    const place = Place.for(t);
    for (const [name, why] of [
      ['none', 'not found'],
      ['Dockerfile', 'is not a directory'],
    ] as const) {
      const root = place.beside(name);
      const failure = failureOf(await createFiles().scan({ root, dockerfile: place.dockerfile }, never));
      assert.equal(failure.code, 'context-missing');
      assert.equal(failure.message, `context directory ${why}: ${root}`);
    }
  });

  test('a missing Dockerfile names what is beside it', async (t) => {
    const place = Place.for(t);
    fs.rmSync(place.dockerfile);
    const bare = failureOf(await createFiles().scan(place.source, never));
    assert.equal(bare.code, 'dockerfile-missing');
    assert.match(bare.remedy, /^Create it/);
    for (const name of ['dockerfile', 'Dockerfile.dev', 'Dockerfile.dev.dockerignore', 'README']) {
      fs.writeFileSync(place.beside(name), '');
    }
    const failure = failureOf(await createFiles().scan(place.source, never));
    assert.ok(failure.message.includes(place.dockerfile));
    assert.match(failure.remedy, /: Dockerfile\.dev, dockerfile\.$/);
  });

  test('sockets, fifos and names that are no text are skipped and said so', async (t) => {
    const place = Place.for(t);
    place.write('a');
    fs.mkdirSync(place.path('d'));
    execFileSync('mkfifo', [place.path('d/fifo')]);
    const server = createServer().listen(place.path('socket'));
    await once(server, 'listening');
    t.after(() => server.close());
    fs.writeFileSync(
      Buffer.concat([Buffer.from(`${place.root}/d/caf`), Buffer.from([0xe9, 0x5c, 0x0a])]),
      '',
    );
    fs.symlinkSync(Buffer.from([0xff]), place.path('link'));
    const { manifest, skipped } = await scan(place);
    assert.deepEqual(paths(manifest), ['a', 'd']);
    assert.deepEqual(skipped, [
      { path: 'd/caf\\xe9\\\\\\x0a', kind: 'not-utf8', reason: 'the name is not valid UTF-8' },
      { path: 'd/fifo', kind: 'special', reason: 'a fifo cannot be part of an image' },
      { path: 'link', kind: 'not-utf8', reason: 'the target of the link is not valid UTF-8' },
      { path: 'socket', kind: 'special', reason: 'a socket cannot be part of an image' },
    ]);
  });

  test('unreadable files and directories are skipped and said so', async (t) => {
    const place = Place.for(t);
    place.write('a');
    fs.chmodSync(place.write('secret'), 0o000);
    place.write('locked/b');
    fs.chmodSync(place.path('locked'), 0o000);
    fs.chmodSync(place.beside('.'), 0o755);
    // Root may read everything.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65534);
    try {
      const { manifest, skipped } = await scan(place);
      assert.deepEqual(paths(manifest), ['a']);
      assert.deepEqual(skipped, [
        { path: 'locked', kind: 'unreadable', reason: 'the directory cannot be read: permission denied' },
        { path: 'secret', kind: 'unreadable', reason: 'the file cannot be read: permission denied' },
      ]);
    } finally {
      if (root) process.seteuid?.(0);
      fs.chmodSync(place.path('locked'), 0o755);
    }
  });
});

suite('ignore files', () => {
  test('leave files out, and directories that hold nothing else', async (t) => {
    const place = Place.for(t);
    for (const name of [
      'a.log',
      'a.ts',
      'node_modules/x/index.js',
      'docs/README.md',
      'docs/other.md',
      'tmp/x',
    ])
      place.write(name);
    place.write('.dockerignore', 'node_modules\n*.log\ndocs\n!docs/README.md\ntmp/*\n**/.dockerignore\n');
    const { manifest, ignoreFile } = await scan(place);
    assert.deepEqual(paths(manifest), ['a.ts', 'docs', 'docs/README.md', 'tmp']);
    assert.match(ignoreFile ?? '', /^node_modules\n/);
  });

  test('the one beside the Dockerfile comes first, .gitignore never counts', async (t) => {
    const place = Place.for(t);
    for (const name of ['a', 'b', 'c']) place.write(name);
    place.write('.gitignore', 'c');
    place.write('.dockerignore', 'a');
    assert.deepEqual(paths((await scan(place)).manifest), ['.dockerignore', '.gitignore', 'b', 'c']);
    fs.writeFileSync(`${place.dockerfile}.dockerignore`, 'b');
    const { manifest, ignoreFile } = await scan(place);
    assert.deepEqual(paths(manifest), ['.dockerignore', '.gitignore', 'a', 'c']);
    assert.equal(ignoreFile, 'b');
  });

  test('one ignore file counts, whatever is in the others', async (t) => {
    const rows: readonly (readonly [
      Readonly<Record<string, string>>,
      dockerfile: string,
      readonly string[],
    ])[] = [
      [{ '.dockerignore': 'a' }, 'Dockerfile', ['b']],
      [{ 'Dockerfile.dockerignore': 'b' }, 'Dockerfile', ['a']],
      [{ '.dockerignore': 'a', 'Dockerfile.dockerignore': 'b' }, 'Dockerfile', ['a']],
      // An empty one is one.
      [{ '.dockerignore': 'a', 'Dockerfile.dockerignore': '' }, 'Dockerfile', ['a', 'b']],
      [{ '.dockerignore': 'a', 'Dockerfile.dockerignore': '\uFEFF# nothing\r\n' }, 'Dockerfile', ['a', 'b']],
      // That of another Dockerfile is none, nor is one in another directory.
      [{ '.dockerignore': 'a', 'Dockerfile.dockerignore': 'b' }, 'Dockerfile.dev', ['b']],
      [{ 'Dockerfile.dev.dockerignore': 'a' }, 'Dockerfile.dev', ['b']],
      [{ '.dockerignore': 'a', 'docker/Dockerfile.dockerignore': 'b' }, 'docker/Dockerfile', ['a']],
      [{ '.dockerignore': 'a', 'docker/.dockerignore': 'b' }, 'docker/Dockerfile', ['b']],
      // Patterns are relative to the context, not to the file they are in.
      [{ 'docker/Dockerfile.dockerignore': '/a' }, 'docker/Dockerfile', ['b']],
    ];
    for (const [ignoreFiles, dockerfile, expected] of rows) {
      const place = Place.for(t);
      for (const name of ['a', 'b', dockerfile]) place.write(name);
      for (const [name, text] of Object.entries(ignoreFiles)) place.write(name, text);
      const source = { root: place.root, dockerfile: place.path(dockerfile) };
      const { manifest } = valueOf(await createFiles().scan(source, never));
      const found = ['a', 'b'].filter((name) => manifest.has(name));
      assert.deepEqual(found, expected, JSON.stringify([ignoreFiles, dockerfile]));
    }
  });

  test('the Dockerfile is read even where it is ignored', async (t) => {
    const place = Place.for(t);
    place.write('Dockerfile', 'FROM inside');
    const source = { root: place.root, dockerfile: place.path('Dockerfile') };
    assert.deepEqual(paths(valueOf(await createFiles().scan(source, never)).manifest), ['Dockerfile']);
    place.write('.dockerignore', 'Dockerfile\n.dockerignore\n');
    const { manifest, dockerfile } = valueOf(await createFiles().scan(source, never));
    assert.deepEqual(paths(manifest), []);
    assert.equal(dockerfile, 'FROM inside');
  });

  test('ignored files are not read, pruned directories not even listed', async (t) => {
    const place = Place.for(t);
    const read: string[] = [];
    place.write('big.log');
    place.write('.dockerignore', '*.log\nlocked\n');
    execFileSync('mkfifo', [place.write('locked/x').replace(/x$/, 'fifo')]);
    const { skipped } = await scan(place, createFiles({ readDigest: counting(read) }));
    assert.deepEqual(read, [place.path('.dockerignore')]);
    assert.deepEqual(skipped, []);
  });

  test('an invalid one is a failure', async (t) => {
    const place = Place.for(t);
    place.write('.dockerignore', 'ok\n[');
    const failure = failureOf(await createFiles().scan(place.source, never));
    assert.equal(failure.code, 'ignore-file-invalid');
    assert.ok(failure.message.startsWith(`${place.path('.dockerignore')}:2: `));
  });
});

suite('digests', () => {
  test('are reused while nothing moved', async (t) => {
    const place = Place.for(t);
    const read: string[] = [];
    const files = createFiles({ now: later, readDigest: counting(read) });
    place.write('a');
    place.write('b');
    const first = await scan(place, files);
    assert.equal(read.length, 2);
    assert.deepEqual(await scan(place, files), first);
    assert.equal(read.length, 2);
  });

  test('are not reused after any change, even one that restores size and time', async (t) => {
    const place = Place.for(t);
    const read: string[] = [];
    const files = createFiles({ now: later, readDigest: counting(read) });
    const path = place.write('a', 'one');
    await scan(place, files);
    const { atime, mtime } = fs.statSync(path);
    fs.writeFileSync(path, 'two');
    fs.utimesSync(path, atime, mtime);
    assert.deepEqual((await scan(place, files)).manifest.get('a'), file('two'));
    fs.writeFileSync(place.path('new'), 'six');
    fs.utimesSync(place.path('new'), atime, mtime);
    fs.renameSync(place.path('new'), path);
    assert.deepEqual((await scan(place, files)).manifest.get('a'), file('six'));
    fs.chmodSync(path, 0o755);
    assert.deepEqual((await scan(place, files)).manifest.get('a'), file('six', 0o755));
    assert.equal(read.length, 4);
  });

  test('are not reused when a change could have gone unseen', async (t) => {
    const place = Place.for(t);
    const read: string[] = [];
    const path = place.write('a');
    const written = Math.ceil(fs.statSync(path).ctimeMs);
    let now = written;
    const files = createFiles({ now: () => now, readDigest: counting(read) });
    for (const wait of [0, 1000, 2999]) {
      now = written + wait;
      await scan(place, files);
    }
    assert.equal(read.length, 3);
    now = written + 4000;
    await scan(place, files);
    assert.equal(read.length, 4);
    await scan(place, files);
    assert.equal(read.length, 4);
  });

  test('are not reused while the time of a file lies ahead', async (t) => {
    const place = Place.for(t);
    const read: string[] = [];
    const path = place.write('a');
    fs.utimesSync(path, Date.now() / 1000, Date.now() / 1000 + 3600);
    const files = createFiles({ now: later, readDigest: counting(read) });
    await scan(place, files);
    await scan(place, files);
    assert.equal(read.length, 2);
  });
});

suite('what changes during a scan', () => {
  test('a file that moves is read again', async (t) => {
    const place = Place.for(t);
    const path = place.write('a', 'one');
    let reads = 0;
    const files = createFiles({
      readDigest: async (system, name) => {
        const outcome = await readDigest(system, name);
        if (++reads > 1) return outcome;
        fs.writeFileSync(path, 'longer');
        return { kind: 'moved' };
      },
    });
    assert.deepEqual((await scan(place, files)).manifest.get('a'), file('longer'));
    assert.equal(reads, 2);
  });

  test('a file that never rests is a failure', async (t) => {
    const place = Place.for(t);
    place.write('log/current');
    const failure = failureOf(
      await createFiles({ readDigest: async () => ({ kind: 'moved' }) }).scan(place.source, never),
    );
    assert.equal(failure.code, 'file-unstable');
    assert.ok(failure.message.startsWith('log/current '));
  });

  test('a file that became a link or a directory is taken as what it is', async (t) => {
    const place = Place.for(t);
    place.write('a');
    place.write('b');
    const files = createFiles({
      readDigest: async (system, path) => {
        fs.rmSync(path);
        if (path.endsWith('a')) fs.symlinkSync('target', path);
        else fs.mkdirSync(path);
        const outcome = await readDigest(system, path);
        return outcome.kind === 'error' ? { kind: 'moved' } : outcome;
      },
    });
    assert.deepEqual(
      [...(await scan(place, files)).manifest],
      [
        ['a', { kind: 'link', target: 'target' }],
        ['b', { kind: 'dir' }],
      ],
    );
  });

  test('a file that vanishes is absent, and its new name is found', async (t) => {
    const place = Place.for(t);
    for (const name of ['d/a', 'd/b', 'd/z']) place.write(name, name);
    let first = true;
    const files = createFiles({
      readDigest: (system, path) => {
        if (first) {
          first = false;
          fs.renameSync(path, `${path}-renamed`);
          fs.rmSync(place.path('d/z'));
        }
        return readDigest(system, path);
      },
    });
    assert.deepEqual(paths((await scan(place, files)).manifest), ['d', 'd/a-renamed', 'd/b']);
  });

  test('a directory that vanishes is absent', async (t) => {
    const place = Place.for(t);
    place.write('a');
    place.write('b/c/d');
    const files = createFiles({
      readDigest: (system, path) => {
        fs.rmSync(place.path('b'), { recursive: true, force: true });
        return readDigest(system, path);
      },
    });
    assert.deepEqual(paths((await scan(place, files)).manifest), ['a']);
  });

  test('a content that is written while it is read is noticed', async (t) => {
    const place = Place.for(t);
    const path = place.write('a', 'x'.repeat(3_000_000));
    const system = new System();
    // Grows between two pieces: the second stat of the open file tells.
    const call = system.call.bind(system);
    let calls = 0;
    system.call = ((direct: () => object, threaded: never) => {
      if (++calls === 4) fs.appendFileSync(path, 'y');
      return call(direct, threaded);
    }) as typeof system.call;
    assert.equal((await readDigest(system, path)).kind, 'moved');
    assert.equal((await readDigest(new System(), path)).kind, 'read');
  });
});
