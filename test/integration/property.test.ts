/**
 * Random trees, random edits (also while a scan or a transfer runs), and a connection that is cut at random steps: at
 * rest the mirror equals the context, nothing else was written in the runner, and nothing at all on this side.
 *
 * KANIKO_DEV_RUNS: how many (default 50). KANIKO_DEV_SEED: where to begin; each run is one seed, so a long series can
 * go on where it ended, and a failure is repeated by its seed alone.
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/clock.ts';
import { createFiles } from '../../src/files/scan.ts';
import type { Holder, RunnerConnection } from '../../src/host.ts';
import { openSandbox } from '../../src/runner/local/sandbox.ts';
import type { OwnedConnection } from '../../src/runner/reconnecting.ts';
import { Mirror } from '../../src/steps/mirror.ts';
import { Project } from '../rig/project.ts';
import { localTools } from '../rig/tools.ts';

const runs = Number(process.env['KANIKO_DEV_RUNS'] ?? 50);
const firstSeed = Number(process.env['KANIKO_DEV_SEED'] ?? 1);
const never = new AbortController().signal;

const names = [
  'a',
  'b c',
  '-rf',
  '.hidden',
  'ünï',
  "quo'te",
  'new\nline',
  '(group)',
  '[x]',
  '$HOME',
  'n'.repeat(150),
  '*',
  'tab\there',
];

test(
  `${runs} random contexts, edits and lost connections from seed ${firstSeed}`,
  { timeout: 3_600_000 },
  async () => {
    const tools = await localTools();
    for (let seed = firstSeed; seed < firstSeed + runs; seed += 1) {
      await using project = await Project.empty();
      const holder: Holder = { name: 'property', session: randomUUID() };
      const own = project.path('own');
      const open = async (): Promise<OwnedConnection> => {
        const opened = await openSandbox(tools, systemClock, {
          state: join(own, 'local'),
          images: join(own, 'images'),
          cache: join(own, 'cache'),
          rootless: false,
          dockerConfig: undefined,
          platform: process.platform,
          holder,
        });
        assert.ok(opened.ok, JSON.stringify(opened));
        return opened.value;
      };
      try {
        await oneRun(project, own, open, random(seed));
      } catch (error) {
        throw new Error(`seed ${seed}: repeat it with KANIKO_DEV_RUNS=1 KANIKO_DEV_SEED=${seed}`, {
          cause: error,
        });
      }
    }
  },
);

type Random = (below: number) => number;

async function oneRun(
  project: Project,
  own: string,
  open: () => Promise<OwnedConnection>,
  below: Random,
): Promise<void> {
  const root = project.path('context');
  fs.mkdirSync(root);
  fs.writeFileSync(join(root, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  const files = createFiles();
  const source = { root, dockerfile: join(root, 'Dockerfile') };
  let connection = await open();
  try {
    for (let round = 0; round < 3; round += 1) {
      for (let edits = 1 + below(12); edits > 0; edits -= 1) edit(root, below);
      let cuts = below(4);
      let mirror: Mirror | undefined;
      for (let attempt = 0; ; attempt += 1) {
        assert.ok(attempt < 40, 'it never comes to rest');
        if (connection.lost.aborted) connection = await open();
        if (mirror === undefined || mirror.connection.lost.aborted) {
          const cut = cuts > 0 ? below(8) : undefined;
          mirror = new Mirror('it', cut === undefined ? connection : cutting(connection, cut));
          cuts -= 1;
        }
        // Somebody goes on editing while it is read and sent.
        const meanwhile = cuts > 0 && below(3) === 0;
        const scanning = files.scan(source, never);
        if (meanwhile) edit(root, below);
        const scanned = await scanning;
        if (!scanned.ok) {
          assert.equal(scanned.failure.code, 'file-unstable');
          continue;
        }
        const before = snapshot(root);
        const syncing = mirror.sync(
          files,
          root,
          scanned.value.manifest,
          { onStart: () => {}, onSent: () => {} },
          never,
        );
        if (meanwhile) edit(root, below);
        const synced = await syncing;
        if (!meanwhile) assert.deepEqual(snapshot(root), before, 'nothing is written on this side');
        if (!synced.ok) {
          assert.match(synced.failure.code, /^(runner-lost|file-unstable)$/, JSON.stringify(synced.failure));
          continue;
        }
        if (!meanwhile && !connection.lost.aborted) break;
      }
      assert.deepEqual(snapshot(join(own, 'local/workspace/ctx/it')), normalised(snapshot(root)));
      assert.deepEqual(fs.readdirSync(join(own, 'local/workspace')).toSorted(), ['.kaniko-dev', 'ctx']);
      assert.deepEqual(fs.readdirSync(join(own, 'local/workspace/ctx')), ['it']);
    }
  } finally {
    await connection.close();
  }
}

/** The connection, cut at its n-th step: before a call, while it is under way, or between two acknowledgements. */
function cutting(connection: OwnedConnection, steps: number): RunnerConnection {
  let left = steps;
  const step = (): void => {
    left -= 1;
    if (left < 0) void connection.close();
  };
  return {
    identity: connection.identity,
    lost: connection.lost,
    list: async (target) => {
      step();
      const listing = connection.list(target);
      step();
      return listing;
    },
    read: async (target, fileNames, links) => {
      step();
      const reading = connection.read(target, fileNames, links);
      step();
      return reading;
    },
    apply: async (target, change, manifest, pack, acknowledged, signal) => {
      step();
      return connection.apply(
        target,
        change,
        manifest,
        async function* stepping(paths) {
          for await (const piece of pack(paths)) {
            step();
            yield piece;
          }
        },
        (written, removed) => {
          acknowledged(written, removed);
          step();
        },
        signal,
      );
    },
    put: (name, content) => connection.put(name, content),
    startBuild: (start) => connection.startBuild(start),
    followBuild: (id, offset, onData) => connection.followBuild(id, offset, onData),
    killBuild: (id) => connection.killBuild(id),
    dockerConfig: () => connection.dockerConfig(),
  };
}

function edit(root: string, below: Random): void {
  const place = pick(root, below);
  const kind = below(8);
  try {
    if (kind === 0) fs.rmSync(place, { recursive: true, force: true });
    else if (kind === 1) fs.renameSync(place, pick(root, below));
    else if (kind === 2 && fs.lstatSync(place).isFile()) fs.chmodSync(place, below(2) === 0 ? 0o755 : 0o644);
    else if (kind === 3) replace(place, () => fs.mkdirSync(place));
    else if (kind === 4)
      replace(place, () => fs.symlinkSync(below(2) === 0 ? '/etc' : 'x'.repeat(1 + below(180)), place));
    else replace(place, () => fs.writeFileSync(place, content(below)));
  } catch (error) {
    // A rename into itself, a parent that is a file: no edit at all.
    assert.ok(error instanceof Error && 'code' in error, String(error));
  }
}

function replace(place: string, make: () => void): void {
  fs.rmSync(place, { recursive: true, force: true });
  make();
}

/** A place up to three directories deep; the directories on the way exist unless something else is there. */
function pick(root: string, below: Random): string {
  let place = root;
  for (let depth = below(3); depth > 0; depth -= 1) {
    place = join(place, names[below(names.length)] ?? 'a');
    if (!fs.existsSync(place) && fs.lstatSync(place, { throwIfNoEntry: false }) === undefined)
      fs.mkdirSync(place);
    if (!fs.lstatSync(place).isDirectory()) return place;
  }
  return join(place, names[below(names.length)] ?? 'a');
}

function content(below: Random): Buffer {
  const size = [0, 1, 100, 5_000, 40_000, 300_000, 3_000_000][below(7)] ?? 0;
  return Buffer.alloc(size, `content ${below(6)} `);
}

/** Everything below, by relative path. */
function snapshot(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (directory: string, prefix: string): void => {
    for (const name of fs.readdirSync(directory).toSorted()) {
      const place = join(directory, name);
      const stat = fs.lstatSync(place);
      const path = prefix + name;
      if (stat.isSymbolicLink()) found[path] = `link ${fs.readlinkSync(place)}`;
      else if (stat.isDirectory()) {
        found[path] = `dir ${(stat.mode & 0o777).toString(8)}`;
        walk(place, `${path}/`);
      } else {
        const digest = createHash('sha256').update(fs.readFileSync(place)).digest('hex');
        found[path] = `file ${(stat.mode & 0o777).toString(8)} ${digest}`;
      }
    }
  };
  walk(root, '');
  return found;
}

/** Modes as they are in a mirror. */
function normalised(entries: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entries).map(([path, text]) => [path, text.replace(/^dir \d+/, 'dir 755')]),
  );
}

function random(seed: number): Random {
  let state = seed * 0x9e3779b9;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
