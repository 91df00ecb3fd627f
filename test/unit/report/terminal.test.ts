import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Event } from '../../../src/event.ts';
import { terminalReporter } from '../../../src/report/terminal.ts';
import { badly, nasty, well } from './story.ts';

interface Options {
  readonly color?: boolean;
  readonly verbose?: boolean;
}

function shown(events: readonly Event[], options: Options = {}): string {
  let text = '';
  const emit = terminalReporter((more) => (text += more), { color: false, verbose: false, ...options });
  for (const event of events) emit(event);
  return text;
}

const reference =
  'ghcr.io/ardenone/moltbook-api:dev-abcdef012345@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';

describe('the terminal', () => {
  test('shows a session that goes well', () => {
    assert.equal(
      shown(well),
      `\
                   kaniko.config.ts: api, moltbook-frontend
runner             waiting: pod/a is Pending
runner             pod/kaniko-build-runner-1, kaniko v1.24.0, connected in 61 ms
                   watching api, moltbook-frontend; Ctrl-C ends it, r builds again
api                left out run/app.sock: a socket
api                syncing 120 files (12.3 MB)
api                synced 120 entries (12.3 MB) in 1.2 s
api                repaired in the runner: src/x.ts
api                waiting for the runner
api                building ghcr.io/ardenone/moltbook-api:dev-abcdef012345
api                | RUN npm ci
api                built ${reference} in 10.0 s (kaniko 9.4 s, 3 of 8 from the cache)
api                | 1 of 2 pods are ready
api                rolled deployment/moltbook-api in 3.0 s: moltbook-api-1, moltbook-api-2
api                up to date in 1 min 15 s
api                synced 1 entry (12 B), 1 removed in 4 ms: src/main.ts, old.ts
api                nothing to build: no COPY or ADD reads it
api                nothing to build: ${reference} is these files
api                nothing to roll: deployment/moltbook-api runs it already
`,
    );
  });

  test('shows a session that does not', () => {
    assert.equal(
      shown(badly),
      `\
          kaniko.config.ts: api
runner    executor from the cache: /root/.cache/kaniko-dev/executor
          kaniko.config.ts changed: starting over with it
          keeping the old configuration (config-invalid): targets.api.image: a text is expected
          → Correct it and save.
api       building ghcr.io/ardenone/moltbook-api:dev-abcdef012345
api       build cancelled: src/a.ts, src/b.ts changed
api       build failed (build-run-failed): RUN npm ci (Dockerfile line 4) failed with exit code 1
          | npm error code E404
          | npm error 404 Not Found
          → Mend it and save.
runner    the connection to the runner ended: reset; connecting again
          cannot go on (runner-missing): there is no deployment a
          → Create it.
`,
    );
  });

  test('shows the whole log in place of the progress when it is asked for', () => {
    const lines = shown(well, { verbose: true }).split('\n');
    assert.ok(lines.includes('api                | added 120 packages'));
    assert.equal(lines.includes('api                | RUN npm ci'), false);
  });

  test('colours by meaning, and says the same', () => {
    const coloured = shown(badly, { color: true });
    assert.ok(coloured.includes('\u001b[31mbuild failed (build-run-failed): RUN npm ci'));
    assert.ok(coloured.includes('\u001b[1mapi     \u001b[0m  building'));
    // oxlint-disable-next-line no-control-regex -- the colours are taken out again
    assert.equal(coloured.replaceAll(/\u001b\[\d*m/g, ''), shown(badly));
  });
});

describe('control characters', () => {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const forbidden = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

  test('reach the terminal from nowhere, and no text makes lines of its own', () => {
    const wicked = fc.constantFrom(
      '\u001b[2J',
      '\u001b]0;title\u0007',
      '\r',
      '\n',
      '\t',
      '\u009b1A',
      '\u202e',
      '\0',
      'a',
    );
    fc.assert(
      fc.property(fc.array(wicked), (parts) => {
        for (const verbose of [false, true]) {
          const text = shown(nasty(parts.join('')), { verbose });
          assert.doesNotMatch(text, forbidden);
          assert.equal(text.split('\n').length, shown(nasty('x'), { verbose }).split('\n').length);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('that only colour the output of a command leave no trace', () => {
    const line = '\u001b[1;32mok\u001b[0m  \u001b[38;5;9m3 tests\u001b[m';
    const output = nasty(line).filter(({ type }) => type === 'build-output');
    assert.match(shown(output, { verbose: true }), /\| ok {2}3 tests\n$/);
  });
});
