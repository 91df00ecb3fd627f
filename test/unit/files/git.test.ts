import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gitBusy } from '../../../src/files/git.ts';
import { Place } from './place.ts';

function git(directory: string, ...args: readonly string[]): string {
  const config = ['user.name=test', 'user.email=test@example.com', 'protocol.file.allow=always'];
  return execFileSync('git', [...config.flatMap((value) => ['-c', value]), ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: directory, GIT_CONFIG_NOSYSTEM: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

function repository(t: TestContext): Place {
  const place = Place.for(t);
  place.write('api/src/index.ts');
  git(place.root, 'init', '--quiet');
  git(place.root, 'add', '.');
  git(place.root, 'commit', '--quiet', '--message', 'first');
  return place;
}

test('git is busy while a command holds the index, from anywhere in the repository', async (t) => {
  const place = repository(t);
  const roots = [place.root, place.path('api'), place.path('api/src')];
  assert.deepEqual(await Promise.all(roots.map((root) => gitBusy(root))), [false, false, false]);
  // A real commit, looked at from its hook: the index is locked while it runs.
  const seen = place.beside('seen');
  const hook = place.path('.git/hooks/pre-commit');
  fs.mkdirSync(join(hook, '..'), { recursive: true });
  fs.writeFileSync(hook, `#!/bin/sh\ntest -e .git/index.lock && : > ${seen}\n`, { mode: 0o755 });
  place.write('api/src/index.ts', 'changed');
  git(place.root, 'commit', '--quiet', '--all', '--message', 'second');
  assert.ok(fs.existsSync(seen));
  assert.equal(await gitBusy(place.root), false);

  fs.writeFileSync(place.path('.git/index.lock'), '');
  assert.deepEqual(await Promise.all(roots.map((root) => gitBusy(root))), [true, true, true]);
  assert.throws(() => git(place.root, 'add', '.'), /index\.lock/);
  fs.rmSync(place.path('.git/index.lock'));
  assert.equal(await gitBusy(place.root), false);
});

test('worktrees and submodules have an index of their own', async (t) => {
  const place = repository(t);
  const worktree = place.beside('worktree');
  git(place.root, 'worktree', 'add', '--quiet', worktree);
  const outer = Place.for(t);
  git(outer.root, 'init', '--quiet');
  git(outer.root, 'submodule', '--quiet', 'add', place.root, 'sub');
  for (const root of [worktree, outer.path('sub')]) {
    const lock = git(root, 'rev-parse', '--path-format=absolute', '--git-path', 'index.lock');
    assert.equal(await gitBusy(join(root, 'api')), false);
    fs.writeFileSync(lock, '');
    assert.equal(await gitBusy(join(root, 'api')), true, lock);
    assert.equal(await gitBusy(place.root), false);
    fs.rmSync(lock);
  }
});

test('a lock that a crashed git left behind holds nothing up', async (t) => {
  const place = repository(t);
  fs.writeFileSync(place.path('.git/index.lock'), '');
  const { mtimeMs } = fs.statSync(place.path('.git/index.lock'));
  assert.equal(await gitBusy(place.root, () => mtimeMs + 59_000), true);
  assert.equal(await gitBusy(place.root, () => mtimeMs + 61_000), false);
});

test('without a repository nothing is busy', async (t) => {
  const place = Place.for(t);
  place.write('.git/index.lock');
  assert.equal(await gitBusy(place.root), false);
  fs.rmSync(place.path('.git'), { recursive: true });
  for (const content of ['', 'gitdir: nowhere', 'gitdir: ', 'nonsense']) {
    place.write('.git', content);
    assert.equal(await gitBusy(place.root), false);
  }
  assert.equal(await gitBusy(place.beside('none')), false);
});
