/** What every runner must do, whatever it is made of: one list of cases for the sandbox and for a pod. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { diffManifests } from '../../src/files/manifest.ts';
import { createFiles } from '../../src/files/scan.ts';
import type { Holder, Manifest } from '../../src/host.ts';
import type { Failure, Result } from '../../src/result.ts';
import type { OwnedConnection } from '../../src/runner/reconnecting.ts';
import { Project } from './project.ts';

/** Opens a connection to the same workspace each time. */
export type OpenRunner = (holder: Holder) => Promise<Result<OwnedConnection>>;

const never = new AbortController().signal;
const busybox = '/bin/busybox';

export function runnerContract(
  name: string,
  setUp: () => Promise<{ open: OpenRunner; tearDown: () => Promise<void> }>,
): void {
  describe(`the runner contract: ${name}`, { timeout: 300_000 }, () => {
    const holder: Holder = { name: 'contract@test', session: randomUUID() };
    const files = createFiles();
    let open: OpenRunner;
    let tearDown: () => Promise<void>;
    let runner: OwnedConnection;
    let project: Project;

    before(async () => {
      ({ open, tearDown } = await setUp());
      runner = must(await open(holder));
      project = await Project.empty();
      await project.write('Dockerfile', 'FROM scratch\nCOPY . /\n');
    });
    after(async () => {
      await runner?.close();
      await project?.[Symbol.asyncDispose]();
      await tearDown?.();
    });

    const scan = async (): Promise<Manifest> => {
      const source = { root: project.root, dockerfile: project.path('Dockerfile') };
      return must(await files.scan(source, never)).manifest;
    };

    /** Makes the mirror equal to the project and returns what the runner acknowledged. */
    const sync = async (target: string, from: Manifest = new Map()): Promise<Map<string, string>> => {
      const manifest = await scan();
      const contents = new Map<string, string>();
      const applied = await runner.apply(
        target,
        diffManifests(from, manifest),
        manifest,
        (paths) => files.pack(project.root, manifest, paths),
        (written) => {
          for (const [path, { content }] of written) contents.set(path, content);
        },
        never,
      );
      must(applied);
      return contents;
    };

    const mirrorOf = async (target: string): Promise<Record<string, string>> => {
      const listed = must(await runner.list(target));
      const named = (kind: string): string[] =>
        [...listed].filter(([, entry]) => entry.kind === kind).map(([path]) => path);
      const contents = must(await runner.read(target, named('file'), named('link')));
      return Object.fromEntries(
        [...listed]
          .map(([path, { kind, mode }]): [string, string] => [
            path,
            kind === 'link'
              ? `link ${contents.get(path)}`
              : `${kind} ${mode.toString(8)} ${contents.get(path) ?? ''}`.trim(),
          ])
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );
    };

    const wanted = (manifest: Manifest): Record<string, string> =>
      Object.fromEntries(
        [...manifest]
          .map(([path, entry]): [string, string] => {
            switch (entry.kind) {
              case 'dir':
                return [path, 'dir 755'];
              case 'link':
                return [path, `link ${entry.target}`];
              case 'file':
                return [path, `file ${entry.mode.toString(8)} ${entry.digest}`];
            }
          })
          .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      );

    /** Builds the project with the Dockerfile text; the image goes nowhere. */
    const build = async (
      dockerfile: string,
    ): Promise<{ id: string; exitCode: number; digest: string; log: string }> => {
      const id = randomUUID();
      const place = must(await runner.put('dockerfile/contract/Dockerfile', dockerfile));
      must(await runner.startBuild({ id, argv: argvOf(place) }));
      let log = '';
      const end = must(await runner.followBuild(id, 0, (data) => (log += Buffer.from(data).toString())));
      return { id, ...end, log };
    };
    const argvOf = (dockerfile: string): string[] => [
      '--context=dir:///workspace/ctx/contract',
      `--dockerfile=${dockerfile}`,
      '--destination=localhost/contract:x',
      '--no-push',
      '--cleanup',
      '--reproducible',
    ];
    const withShell = async (): Promise<void> => {
      await mkdir(project.path('bin'), { recursive: true });
      await copyFile(busybox, project.path('bin/busybox'));
      if (!(await scan()).has('bin/sh')) await symlink('busybox', project.path('bin/sh'));
      await sync('contract');
    };

    test('says what it is', () => {
      assert.equal(runner.identity.executorVersion, 'v1.24.0');
      assert.match(runner.identity.workspaceId, /^[0-9a-f-]{36}$/);
    });

    test('lists an empty mirror', async () => {
      assert.equal(must(await runner.list('empty')).size, 0);
    });

    test('acknowledges files, directories and links by content', async () => {
      await project.write('plain.txt', 'plain\n');
      await project.write('tool.sh', '#!/bin/sh\n');
      await chmod(project.path('tool.sh'), 0o755);
      await mkdir(project.path('empty/deep'), { recursive: true });
      await symlink('plain.txt', project.path('short'));
      await symlink(`${'d/'.repeat(80)}x`, project.path('long'));
      const acknowledged = await sync('kinds');
      const manifest = await scan();
      assert.deepEqual(await mirrorOf('kinds'), wanted(manifest));
      for (const [path, entry] of manifest) {
        const content = entry.kind === 'file' ? entry.digest : entry.kind === 'link' ? entry.target : '';
        assert.equal(acknowledged.get(path), content, path);
      }
    });

    test('takes awkward names', async () => {
      for (const path of [
        '-rf',
        'sp ace/two  spaces',
        'new\nline/x\ny',
        'quote\'s "double" `tick` $HOME $(id)',
        '(group)/[param]/page.tsx',
        'ünï/日本語.txt',
        'star*/?',
        'back\\slash',
        `${'n'.repeat(200)}/${'m'.repeat(200)}`,
      ]) {
        await project.write(path, `content of ${path}`);
      }
      await sync('names');
      assert.deepEqual(await mirrorOf('names'), wanted(await scan()));
    });

    test('changes kinds, modes and contents, and removes', async () => {
      const place = project.path.bind(project);
      await project.write('changes/file', 'a');
      await project.write('changes/dir/inner/file', 'b');
      await symlink('dir', place('changes/link'));
      await project.write('changes/mode', 'c');
      await project.write('changes/gone/x', 'd');
      await sync('changes');
      const before = await scan();
      await rm(place('changes/file'));
      await project.write('changes/file/now/a/dir', 'a');
      await rm(place('changes/dir'), { recursive: true });
      await symlink('/etc', place('changes/dir'));
      await rm(place('changes/link'));
      await project.write('changes/link/below', 'e');
      await chmod(place('changes/mode'), 0o755);
      await rm(place('changes/gone'), { recursive: true });
      await sync('changes', before);
      assert.deepEqual(await mirrorOf('changes'), wanted(await scan()));
    });

    test('takes a large file whole, and many small ones', async () => {
      await writeFile(project.path('large.bin'), Buffer.alloc(25_000_000, 'large'));
      for (let index = 0; index < 1_500; index += 1)
        await project.write(`many/a-name-of-some-length/${index % 37}/${index}`, `${index}`);
      await sync('sizes');
      assert.deepEqual(await mirrorOf('sizes'), wanted(await scan()));
      await rm(project.path('many'), { recursive: true });
      await rm(project.path('large.bin'));
    });

    test('saves a single file, whatever its name, its mode and its content', async () => {
      for (const path of [
        'single',
        'single dir/ trailing ',
        '-single',
        `single/${'l'.repeat(180)}/x`,
        'süß',
        'back\\slash',
      ]) {
        await project.remove('single').catch(() => {});
        await project.write(path, 'before');
        await sync('single');
        const from = await scan();
        await writeFile(project.path(path), `after ${'x'.repeat(4_000)}\0\n`);
        await chmod(project.path(path), 0o755);
        const acknowledged = await sync('single', from);
        assert.deepEqual([...acknowledged.keys()], [path]);
        assert.equal((await mirrorOf('single'))[path], wanted(await scan())[path]);
        must(
          await runner.apply(
            'single',
            { remove: [path], write: [], link: [] },
            new Map(),
            nothing,
            () => {},
            never,
          ),
        );
        await rm(project.path(path));
      }
    });

    test('copies what it has already, also from a path that is removed', async () => {
      await writeFile(project.path('original.bin'), Buffer.alloc(100_000, 'copy'));
      await sync('copies');
      const from = await scan();
      await project.write('moved/deep/renamed.bin', Buffer.alloc(100_000, 'copy').toString());
      await chmod(project.path('moved/deep/renamed.bin'), 0o755);
      await project.write('twice.bin', Buffer.alloc(100_000, 'copy').toString());
      await rm(project.path('original.bin'));
      const manifest = await scan();
      const change = diffManifests(from, manifest);
      const copied = ['moved/deep/renamed.bin', 'twice.bin'];
      const acknowledged: string[] = [];
      must(
        await runner.apply(
          'copies',
          {
            ...change,
            write: change.write.filter((path) => !copied.includes(path)),
            copy: copied.map((to) => ({ from: 'original.bin', to })),
          },
          manifest,
          (paths) => files.pack(project.root, manifest, paths),
          (written) => acknowledged.push(...written.keys()),
          never,
        ),
      );
      assert.deepEqual(acknowledged.toSorted(), ['moved', 'moved/deep', ...copied].toSorted());
      assert.deepEqual(await mirrorOf('copies'), wanted(manifest));
      await rm(project.path('moved'), { recursive: true });
      await rm(project.path('twice.bin'));
    });

    test('writes nothing through a symbolic link in the place of a directory', async () => {
      await project.write('inside/file', 'first');
      await sync('links');
      const from = await scan();
      // Somebody in the runner puts a link to another mirror there.
      const { remove, write } = { remove: ['inside/file', 'inside'], write: [] };
      must(
        await runner.apply(
          'links',
          { remove, write, link: ['inside'] },
          new Map([['inside', { kind: 'link', target: '../kinds' }]]),
          () => nothing(),
          () => {},
          never,
        ),
      );
      const before = await mirrorOf('kinds');
      await project.write('inside/file', 'second');
      await project.write('inside/tool.sh', 'through the link');
      const manifest = await scan();
      for (const change of [
        diffManifests(from, manifest),
        { remove: ['inside/plain.txt'], write: [], link: [] },
      ]) {
        const applied = await runner.apply(
          'links',
          change,
          manifest,
          (paths) => files.pack(project.root, manifest, paths),
          () => assert.fail('nothing may be acknowledged'),
          never,
        );
        assert.equal(failed(applied).code, 'sync-failed');
      }
      assert.deepEqual(await mirrorOf('kinds'), before);
      await rm(project.path('inside'), { recursive: true });
    });

    test('goes on after a file that changed while it was sent', async () => {
      const manifest = await scan();
      const applied = await runner.apply(
        'unstable',
        diffManifests(new Map(), manifest),
        manifest,
        async function* broken() {
          yield Buffer.alloc(512, 'not a header');
          throw new Error('it changed');
        },
        () => assert.fail('nothing may be acknowledged'),
        never,
      );
      assert.equal(failed(applied).code, 'file-unstable');
      await sync('unstable');
      assert.deepEqual(await mirrorOf('unstable'), wanted(manifest));
    });

    test('keeps small files for builds and removes them', async () => {
      const path = must(await runner.put('keep/this', 'kept\n'));
      assert.match(path, /\/\.kaniko-dev\/keep\/this$/);
      must(await runner.put('keep/this', undefined));
    });

    test("the first build of a new runner sees none of the runner's own files", async () => {
      await withShell();
      const built = await build(
        'FROM scratch\nCOPY bin/busybox /own/busybox\nRUN ["/own/busybox", "find", "/bin", "/etc", "/own"]\n',
      );
      assert.doesNotMatch(built.log, /^\/bin|^\/etc\/nsswitch/m);
      assert.match(built.log, /^\/own\/busybox$/m);
    });

    test('builds: the whole log, the exit code, the digest', async () => {
      await withShell();
      const built = await build('FROM scratch\nCOPY bin /bin\nRUN echo "one" && echo two >&2\n');
      assert.equal(built.exitCode, 0, built.log);
      assert.match(built.digest, /^sha256:[0-9a-f]{64}$/);
      assert.match(built.log, /^one$/m);
      assert.match(built.log, /^two$/m);
    });

    test('follows a log again from any offset: nothing lost, nothing doubled', async () => {
      const { id, log } = await build(
        'FROM scratch\nCOPY bin /bin\nRUN for i in 1 2 3; do echo line $i; done\n',
      );
      for (const offset of [0, 1, 100, Buffer.byteLength(log)]) {
        let rest = '';
        const end = must(
          await runner.followBuild(id, offset, (data) => (rest += Buffer.from(data).toString())),
        );
        assert.equal(end.exitCode, 0);
        assert.equal(rest, Buffer.from(log).subarray(offset).toString());
      }
    });

    test('a failed build gives its exit code, and leaves nothing for the next', async () => {
      const good = 'FROM scratch\nCOPY bin /bin\nRUN echo good > /good.txt\n';
      const before = await build(good);
      const bad = await build('FROM scratch\nCOPY bin /bin\nRUN echo bad > /bad.txt && exit 42\n');
      assert.equal(bad.exitCode, 42);
      assert.equal(bad.digest, '');
      const again = await build(good);
      assert.equal(again.digest, before.digest, 'the image is the same, bit for bit');
    });

    test('a killed build ends with everything it started, and leaves nothing for the next', async () => {
      const good = 'FROM scratch\nCOPY bin /bin\nRUN echo good > /good.txt\n';
      const before = await build(good);
      const id = randomUUID();
      const place = must(
        await runner.put(
          'dockerfile/contract/Dockerfile',
          'FROM scratch\nCOPY bin /bin\nRUN echo begun; (while :; do echo x >> /workspace/alive; /bin/busybox sleep 0.05; done)\n',
        ),
      );
      must(await runner.startBuild({ id, argv: argvOf(place) }));
      let log = '';
      const begun = Promise.withResolvers<void>();
      const following = runner.followBuild(id, 0, (data) => {
        log += Buffer.from(data).toString();
        if (/^begun$/m.test(log)) begun.resolve();
      });
      await begun.promise;
      must(await runner.killBuild(id));
      assert.equal(must(await following).exitCode, 137);
      const again = await build(good);
      assert.equal(again.digest, before.digest, 'the image is the same, bit for bit');
    });

    test('a second holder is refused by name; the same session takes the workspace over', async () => {
      const other = await open({ name: 'other@test', session: randomUUID() });
      assert.equal(failed(other).code, 'runner-held');
      assert.match(failed(other).message, /contract@test/);
      const before = runner;
      runner = must(await open(holder));
      const lost = await before.list('kinds');
      assert.equal(failed(lost).code, 'runner-lost');
      assert.ok(before.lost.aborted);
      assert.equal(runner.identity.workspaceId, before.identity.workspaceId);
      assert.ok(must(await runner.list('kinds')).size > 0, 'the mirror is still there');
    });

    test('a closed connection fails what is under way and frees the workspace', async () => {
      const under = runner.list('kinds');
      await runner.close();
      assert.ok(!(await under).ok || (await under).ok, 'it settles');
      assert.equal(failed(await runner.list('kinds')).code, 'runner-lost');
      runner = must(await open({ name: 'next@test', session: randomUUID() }));
    });
  });
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function must<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.failure, undefined, 2));
  return result.value;
}

function failed(result: Result<unknown>): Failure {
  assert.ok(!result.ok, 'it should have failed');
  return result.failure;
}
