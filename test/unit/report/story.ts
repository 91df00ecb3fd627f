/** Two sessions as they happen: everything goes well; nothing does. */
import type { Event } from '../../../src/event.ts';
import { failure } from '../../../src/result.ts';

const contentHash = 'abcdef0123456789'.repeat(4);
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
const image = 'ghcr.io/ardenone/moltbook-api:dev-abcdef012345';
const of = { target: 'api', generation: 1, contentHash } as const;

export const well: readonly Event[] = [
  { type: 'session-started', config: 'kaniko.config.ts', targets: ['api', 'moltbook-frontend'] },
  { type: 'runner-connecting', runner: 'deployment/kaniko-build-runner' },
  { type: 'runner-waiting', runner: 'deployment/kaniko-build-runner', reason: 'pod/a is Pending' },
  { type: 'runner-connected', runner: 'pod/kaniko-build-runner-1', executor: 'v1.24.0', ms: 61.4 },
  { type: 'watching', targets: ['api', 'moltbook-frontend'] },
  { type: 'skipped-file', target: 'api', generation: 1, path: 'run/app.sock', reason: 'a socket' },
  { type: 'sync-started', ...of, write: 120, remove: 0, bytes: 12_345_678 },
  {
    type: 'synced',
    ...of,
    written: 120,
    removed: 0,
    bytes: 12_345_678,
    ms: 1_234,
    paths: ['a', 'b', 'c', 'd', 'e'],
  },
  { type: 'drift-repaired', ...of, paths: ['src/x.ts'] },
  { type: 'build-waiting', ...of },
  { type: 'build-started', ...of, image },
  { type: 'build-progress', ...of, text: 'RUN npm ci' },
  { type: 'build-output', ...of, line: 'added 120 packages' },
  { type: 'built', ...of, image, digest, executorMs: 9_400, ms: 9_960, cacheHits: 3, commands: 8 },
  { type: 'roll-started', ...of, workload: 'deployment/moltbook-api', image: `${image}@${digest}` },
  { type: 'roll-progress', ...of, workload: 'deployment/moltbook-api', message: '1 of 2 pods are ready' },
  {
    type: 'rolled',
    ...of,
    workload: 'deployment/moltbook-api',
    changed: true,
    pods: ['moltbook-api-1', 'moltbook-api-2'],
    ms: 3_000,
  },
  { type: 'settled', target: 'api', generation: 1, ok: true, ms: 75_000 },
  { type: 'synced', ...of, written: 1, removed: 1, bytes: 12, ms: 4, paths: ['src/main.ts', 'old.ts'] },
  { type: 'change-unread', ...of, paths: ['README.md'] },
  { type: 'build-unneeded', ...of, image, digest },
  { type: 'rolled', ...of, workload: 'deployment/moltbook-api', changed: false, pods: [], ms: 10 },
  { type: 'session-ended', exitCode: 0 },
];

export const badly: readonly Event[] = [
  { type: 'session-started', config: 'kaniko.config.ts', targets: ['api'] },
  { type: 'tool-found', tool: 'executor', source: 'cache', path: '/root/.cache/kaniko-dev/executor' },
  { type: 'config-changed', config: 'kaniko.config.ts' },
  {
    type: 'config-rejected',
    failure: failure('config-invalid', 'targets.api.image: a text is expected', 'Correct it and save.'),
  },
  { type: 'build-started', ...of, image },
  { type: 'build-cancelled', ...of, paths: ['src/a.ts', 'src/b.ts'] },
  {
    type: 'step-failed',
    target: 'api',
    generation: 2,
    step: 'build',
    failure: failure(
      'build-run-failed',
      'RUN npm ci (Dockerfile line 4) failed with exit code 1',
      'Mend it and save.',
      ['npm error code E404', 'npm error 404 Not Found'],
    ),
  },
  { type: 'settled', target: 'api', generation: 2, ok: false, ms: 800 },
  { type: 'runner-lost', runner: 'pod/a', reason: 'the connection to the runner ended: reset' },
  { type: 'session-failed', failure: failure('runner-missing', 'there is no deployment a', 'Create it.') },
  { type: 'session-ended', exitCode: 3 },
];

/** What nobody should put into a name, an error or an output, in every place that may hold it. */
export function nasty(text: string): readonly Event[] {
  const bad = failure('build-failed', text, text, [text]);
  const target = { ...of, target: text };
  return [
    { type: 'session-started', config: text, targets: [text] },
    { type: 'runner-connected', runner: text, executor: text, ms: 1 },
    { type: 'runner-waiting', runner: text, reason: text },
    { type: 'runner-lost', runner: text, reason: text },
    { type: 'tool-found', tool: 'busybox', source: 'host', path: text },
    { type: 'config-changed', config: text },
    { type: 'config-rejected', failure: bad },
    { type: 'session-failed', failure: bad },
    { type: 'skipped-file', target: text, generation: 1, path: text, reason: text },
    { type: 'synced', ...target, written: 1, removed: 0, bytes: 1, ms: 1, paths: [text] },
    { type: 'drift-repaired', ...target, paths: [text] },
    { type: 'build-started', ...target, image: text },
    { type: 'build-output', ...target, line: text },
    { type: 'build-progress', ...target, text },
    { type: 'build-cancelled', ...target, paths: [text] },
    { type: 'built', ...target, image: text, digest: text, executorMs: 1, ms: 1, cacheHits: 0, commands: 1 },
    { type: 'build-unneeded', ...target, image: text, digest: text },
    { type: 'roll-progress', ...target, workload: text, message: text },
    { type: 'rolled', ...target, workload: text, changed: true, pods: [text], ms: 1 },
    { type: 'rolled', ...target, workload: text, changed: false, pods: [], ms: 1 },
    { type: 'step-failed', target: text, generation: 1, step: 'roll', failure: bad },
  ];
}
