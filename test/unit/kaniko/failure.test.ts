/** Texts that a test machine cannot provoke, as kaniko v1.24.0 and its libraries print them; the rest is the corpus. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainFailure } from '../../../src/kaniko/failure.ts';
import { noProgress } from '../../../src/kaniko/progress.ts';
import type { Failure, FailureCode } from '../../../src/result.ts';

const plain = { text: '', added: [] };

function explain(error: string, exitCode = 1): Failure {
  return explainFailure(exitCode, { ...noProgress, errors: [error] }, plain, '');
}

const permissions =
  'error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, and try again: checking push permission for ';
const attempts = 'error building image: unable to complete operation after 0 attempts, last error: ';

const cases: readonly [name: string, error: string, code: FailureCode, message: RegExp][] = [
  [
    'GHCR token without write:packages',
    `${permissions}"ghcr.io/ardenone/moltbook-api:dev-1": POST https://ghcr.io/v2/ardenone/moltbook-api/blobs/uploads/: DENIED: permission_denied: write_package`,
    'registry-denied',
    /ghcr\.io\/ardenone\/moltbook-api:dev-1$/,
  ],
  [
    'a refusal without a code',
    `${permissions}"r.example:4010/a:1": POST https://r.example:4010/v2/a/blobs/uploads/: unexpected status code 403 Forbidden`,
    'registry-denied',
    /r\.example:4010\/a:1$/,
  ],
  [
    'digits that are no status',
    `${permissions}"r.example:4010/a:1": creating push check transport for r.example:4010 failed: Get "https://r.example:4010/v2/": dial tcp 192.0.2.1:4010: i/o timeout`,
    'registry-unreachable',
    /192\.0\.2\.1:4010: i\/o timeout$/,
  ],
  [
    'a pull limit without a code',
    `${attempts}GET https://index.docker.io/v2/library/node/manifests/20: unexpected status code 429 Too Many Requests`,
    'registry-rate-limited',
    /rate/,
  ],
  [
    'a Docker Hub name that does not exist',
    `${attempts}GET https://index.docker.io/v2/library/nodee/manifests/20: UNAUTHORIZED: authentication required; [map[Action:pull Class: Name:library/nodee Type:repository]]`,
    'build-base-missing',
    /does not exist or may not be pulled/,
  ],
  [
    'a certificate for another name',
    `${attempts}Get "https://r.example/v2/": tls: failed to verify certificate: x509: certificate is valid for ingress.local, not r.example`,
    'registry-certificate',
    /x509: certificate is valid for ingress\.local, not r\.example$/,
  ],
  [
    'DNS that does not answer',
    `${attempts}Get "https://r.example/v2/": dial tcp: lookup r.example on 10.96.0.10:53: read udp 10.1.2.3:4444->10.96.0.10:53: i/o timeout`,
    'registry-unreachable',
    /host r\.example$/,
  ],
  [
    'a proxy that swallows the handshake',
    `${attempts}Get "https://r.example/v2/": net/http: TLS handshake timeout`,
    'registry-unreachable',
    /r\.example broke: TLS handshake timeout$/,
  ],
  [
    'no route, over IPv6',
    `${attempts}Get "https://r.example/v2/": dial tcp [2001:db8::1]:443: connect: network is unreachable`,
    'registry-unreachable',
    /\[2001:db8::1\]:443: network is unreachable$/,
  ],
  [
    'a push that broke off',
    'error pushing image: failed to push to destination r.example/a:1: PATCH https://r.example/v2/a/blobs/uploads/1: unexpected status code 502 Bad Gateway: <html>',
    'registry-unreachable',
    /r\.example answers 502 Bad Gateway$/,
  ],
  [
    'a push that failed somehow',
    'error pushing image: failed to push to destination r.example/a:1: blob upload unknown',
    'registry-unreachable',
    /could not be pushed/,
  ],
  [
    'a full disk',
    'error building image: error building stage: failed to take snapshot: write /kaniko/123456: no space left on device',
    'build-no-space',
    /no space/,
  ],
  [
    'a container that is none',
    'kaniko should only be run inside of a container, run with the --force flag if you are sure you want to continue',
    'build-failed',
    /should only be run inside/,
  ],
];

describe('failures of the executor', () => {
  for (const [name, error, code, message] of cases) {
    test(name, () => {
      const found = explain(error);
      assert.equal(found.code, code, found.message);
      assert.match(found.message, message);
      assert.notEqual(found.remedy, '');
    });
  }

  for (const exitCode of [137, 143]) {
    test(`exit code ${exitCode} is the end of the executor itself`, () => {
      assert.equal(explainFailure(exitCode, noProgress, plain, '').code, 'build-killed');
    });
  }

  test('a command that ended with 137 is a command', () => {
    const errors = ['error building image: waiting for process to exit: exit status 137'];
    const found = explainFailure(
      137,
      { ...noProgress, instruction: 'RUN build', errors },
      plain,
      'FROM x\nRUN build\n',
    );
    assert.equal(found.code, 'build-run-failed');
    assert.equal(found.message, 'RUN build (Dockerfile line 2) failed with exit code 137');
  });

  test('an executor that says nothing', () => {
    assert.equal(explainFailure(2, noProgress, plain, '').message, 'the executor ended with exit code 2');
  });

  test('the last word decides, not what a command printed before', () => {
    const errors = [
      'error TOOMANYREQUESTS',
      'error pushing image: failed to push to destination r/a:1: DENIED: no',
    ];
    assert.equal(explainFailure(1, { ...noProgress, errors }, plain, '').code, 'registry-denied');
  });

  test('lines are those of the user’s Dockerfile', () => {
    const keyed = { text: '', added: [2, 4] };
    const errors = [
      'error building image: parsing dockerfile: dockerfile parse error on line 7: unknown instruction: X',
    ];
    assert.match(explainFailure(1, { ...noProgress, errors }, keyed, '').message, /error on line 5: unknown/);
  });

  test('secrets are in neither message nor evidence', () => {
    const instruction = 'RUN NPM_TOKEN=npm_0123456789abcdefghij0123 npm ci';
    const output = ['//registry.npmjs.org/:_authToken=s3cr3t-value'];
    const errors = ['error building image: waiting for process to exit: exit status 1'];
    const found = explainFailure(
      1,
      { ...noProgress, instruction, output, errors },
      plain,
      `FROM a\n${instruction}\n`,
    );
    assert.doesNotMatch(JSON.stringify(found), /npm_0123|s3cr3t/);
    const pull = explain(`${attempts}Get "https://user:hunter22@r.example/v2/": EOF`);
    assert.doesNotMatch(JSON.stringify(pull), /hunter22/);
  });
});
