/** Who is not root, and machines that have no sandbox. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readFile, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/clock.ts';
import type { Failure } from '../../src/result.ts';
import { openSandbox } from '../../src/runner/local/sandbox.ts';
import { sandboxTrouble } from '../../src/runner/local/trouble.ts';
import { modesIn, readFromLayout } from '../rig/image.ts';
import type { Finished } from '../rig/program.ts';
import { boxImage, boxProject, shell } from '../rig/site.ts';
import { localTools } from '../rig/tools.ts';
import { withoutTraces } from '../rig/traces.ts';
import { User, userName } from '../rig/user.ts';

const dockerfile = `${shell}COPY file /file\nRUN busybox id -u > /id; busybox chown 1000:1000 /file; echo made > /made\n`;

/** Why an unprivileged user can build nothing on this machine, whatever its accounts. */
async function unable(): Promise<string | undefined> {
  const run = promisify(execFile);
  try {
    await run('sh', ['-c', 'command -v newuidmap && command -v newgidmap && command -v setpriv']);
  } catch {
    return 'newuidmap, newgidmap (package uidmap) or setpriv is not installed';
  }
  try {
    await run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'unshare', '--user', 'true']);
  } catch {
    return 'this machine lets unprivileged users make no user namespaces';
  }
  return undefined;
}

function failureOf({ events }: Finished): Failure {
  const failed = events.find((event) => event.type === 'session-failed');
  assert.ok(failed !== undefined, 'it should have failed');
  return failed.failure;
}

describe('a user who is not root', { concurrency: 2 }, () => {
  test('builds with subordinate ids, and owns what comes out', async (context) => {
    const reason = await unable();
    if (reason !== undefined) return context.skip(reason);
    await using user = await User.create({ subordinateIds: true });
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await user.take(project);
    const { uid } = await stat(project.root);
    const watch = user.start(['watch', '--json'], project);
    await watch.waitFor('settled', ({ ok }) => ok);
    assert.equal(await readFromLayout(project.path(boxImage), 'id'), '0\n');
    assert.equal((await modesIn(project.path(boxImage))).get('made'), '-rw-r--r--');
    assert.equal((await stat(project.path(`${boxImage}/index.json`))).uid, uid);
    watch.mark();
    watch.signal('SIGKILL');
    await watch.finished;
    await withoutTraces(project.root);
    const again = await user.start(['once', '--json'], project).finished;
    assert.equal(again.code, 0, again.stdout + again.stderr);
  });

  test('without subordinate ids: told what is missing, what to do, and what else there is', async (context) => {
    const reason = await unable();
    if (reason !== undefined) return context.skip(reason);
    await using user = await User.create({ subordinateIds: false });
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await user.take(project);
    const finished = await user.start(['once', '--json'], project).finished;
    assert.equal(finished.code, 3, finished.stdout + finished.stderr);
    const { code, message, remedy } = failureOf(finished);
    assert.equal(code, 'local-unsupported');
    assert.match(message, new RegExp(`${userName} has no subordinate ids in /etc/subuid`));
    assert.match(remedy, /usermod --add-subuids/);
    assert.match(remedy, /docker.*podman.*kubernetes/);
    await withoutTraces(project.root);
  });

  test('without newuidmap: told what to install', async () => {
    await using user = await User.create({ subordinateIds: true, programs: { unshare: '/usr/bin/unshare' } });
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await user.take(project);
    const finished = await user.start(['once', '--json'], project).finished;
    assert.equal(finished.code, 3, finished.stdout + finished.stderr);
    const { message, remedy } = failureOf(finished);
    assert.match(message, /newuidmap/);
    assert.match(remedy, /uidmap \(Debian\)/);
  });

  test('in a project that belongs to somebody else', async () => {
    await using user = await User.create({ subordinateIds: true });
    await using other = await boxProject(dockerfile, { file: 'content\n' });
    await user.take(other);
    await using project = await boxProject(dockerfile, { file: 'content\n' });
    await project.write('kaniko.config.yaml', await readFile(other.path('kaniko.config.yaml'), 'utf8'));
    await chmod(project.root, 0o755);
    const finished = await user.start(['once', '--json'], project).finished;
    assert.equal(finished.code, 3, finished.stdout + finished.stderr);
    assert.match(failureOf(finished).message, /cannot keep its state: EACCES/);
  });
});

describe('no sandbox', () => {
  test('on another system than Linux: the alternatives are named', async () => {
    await using project = await boxProject(dockerfile);
    for (const platform of ['darwin', 'win32'] as const) {
      const opened = await openSandbox(await localTools(), systemClock, {
        state: project.path('state'),
        images: project.path('images'),
        cache: project.path('cache'),
        rootless: true,
        dockerConfig: undefined,
        platform,
        holder: { name: 'test', session: 'test' },
      });
      assert.ok(!opened.ok);
      assert.equal(opened.failure.code, 'local-unsupported');
      assert.match(opened.failure.message, new RegExp(`needs Linux; this is ${platform}`));
      assert.match(opened.failure.remedy, /docker.*podman.*kubernetes/);
    }
  });

  const said: readonly [string, boolean, RegExp, RegExp][] = [
    ['spawn unshare ENOENT', true, /no `unshare`/, /util-linux/],
    ["unshare: unrecognized option '--map-auto'", true, /too old/, /2\.38/],
    ['unshare: unshare failed: Operation not permitted', true, /user namespaces are switched off/, /sysctl/],
    ['unshare: unshare failed: Operation not permitted', false, /this user may not make/, /docker/],
    ['mount: permission denied\nsandbox: cannot mount /proc', false, /no new \/proc/, /docker/],
    ['something else', true, /unprivileged user may not/, /docker/],
  ];
  for (const [complaint, rootless, message, remedy] of said) {
    test(`${rootless ? 'rootless' : 'root'}: ${complaint.split('\n').at(-1)}`, () => {
      const trouble = sandboxTrouble(complaint, rootless, 'dev');
      assert.match(trouble.message, message);
      assert.match(trouble.remedy, remedy);
      assert.deepEqual(trouble.detail, complaint.split('\n'));
    });
  }
});
