import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiException } from '@kubernetes/client-node';
import {
  CredentialError,
  isTransient,
  kubeFailure,
  RefusedUpgrade,
  type Doing,
} from '../../../src/kube/errors.ts';
import { failure } from '../../../src/result.ts';
import { statusBody } from './rig.ts';

const server = 'https://api.example:6443';
const get: Doing = {
  verb: 'get',
  resource: 'deployments',
  group: 'apps',
  namespace: 'moltbook',
  name: 'api',
};
const exec: Doing = { verb: 'create', resource: 'pods/exec', namespace: 'moltbook', name: 'runner-1' };

function api(code: number, message: string): ApiException<unknown> {
  return new ApiException<unknown>(
    code,
    'Unknown API Status Code!',
    JSON.stringify(statusBody(code, message)),
    {},
  );
}

function network(code: string): Error {
  return new TypeError('fetch failed', { cause: Object.assign(new Error('below'), { code }) });
}

const table: readonly [string, unknown, Doing, string, RegExp][] = [
  ['refused', network('ECONNREFUSED'), get, 'cluster-unreachable', /api\.example:6443: connection refused/],
  ['unknown host', network('ENOTFOUND'), get, 'cluster-unreachable', /host name is unknown/],
  ['timeout', network('UND_ERR_CONNECT_TIMEOUT'), get, 'cluster-unreachable', /no answer in time/],
  ['deadline', new DOMException('x', 'TimeoutError'), get, 'cluster-unreachable', /no answer in time/],
  ['expired', network('CERT_HAS_EXPIRED'), get, 'cluster-unreachable', /has expired/],
  ['authority', network('SELF_SIGNED_CERT_IN_CHAIN'), get, 'cluster-unreachable', /unknown authority/],
  ['host name', network('ERR_TLS_CERT_ALTNAME_INVALID'), get, 'cluster-unreachable', /another host name/],
  [
    '401',
    new ApiException(401, 'Unauthorized', undefined, {}),
    get,
    'cluster-unauthorized',
    /does not accept.*expired/,
  ],
  ['plugin', new CredentialError('aws: not logged in'), get, 'cluster-unauthorized', /aws: not logged in/],
  [
    'RBAC',
    api(
      403,
      'deployments.apps "api" is forbidden: User "system:serviceaccount:moltbook:dev" cannot get resource "deployments" in API group "apps" in the namespace "moltbook"',
    ),
    get,
    'forbidden',
    /serviceaccount:moltbook:dev" may not get deployments in namespace "moltbook".*\{apiGroups: \["apps"\], resources: \["deployments"\], verbs: \["get"\]\}/,
  ],
  [
    'quota',
    api(403, 'pods "x" is forbidden: exceeded quota: q, requested: pods=1'),
    get,
    'forbidden',
    /exceeded quota.*a policy or quota refuses it/,
  ],
  [
    'exec without body',
    new RefusedUpgrade(403, ''),
    exec,
    'forbidden',
    /may not create pods\/exec.*resources: \["pods\/exec"\], verbs: \["create", "get"\]/,
  ],
  [
    'exec as the event of ws',
    {
      type: 'error',
      message: 'Unexpected server response: 403',
      error: new Error('Unexpected server response: 403'),
    },
    exec,
    'forbidden',
    /create pods\/exec/,
  ],
  [
    'exec 404',
    new RefusedUpgrade(404, JSON.stringify(statusBody(404, 'pods "runner-1" not found'))),
    exec,
    'runner-missing',
    /runner-1/,
  ],
  ['exec 500', new RefusedUpgrade(500, 'boom'), exec, 'cluster-unreachable', /answered 500.*boom/],
  [
    'namespace',
    api(404, 'namespaces "moltbook" not found'),
    get,
    'namespace-missing',
    /"moltbook" does not exist/,
  ],
  ['429', api(429, 'too many'), get, 'cluster-unreachable', /overloaded/],
  [
    '503',
    new ApiException(503, 'x', '<html>\n bad gateway', {}),
    get,
    'cluster-unreachable',
    /503.*<html> bad gateway/,
  ],
  ['422', api(422, 'spec is invalid'), { ...get, refused: 'roll-failed' }, 'roll-failed', /spec is invalid/],
  [
    'proxy page',
    new Error('media type text/html is not supported'),
    get,
    'cluster-unreachable',
    /did not answer like/,
  ],
];

test('every error of the client becomes a failure that names what to do', () => {
  for (const [name, error, doing, code, pattern] of table) {
    const made = kubeFailure(error, doing, server);
    assert.equal(made.code, code, name);
    assert.match(`${made.message} ${made.remedy}`, pattern, name);
    assert.doesNotMatch(made.message, /\n/, name);
  }
});

test('a 404 is what the caller says it is', () => {
  const missing = failure('workload-missing', 'none', 'make one');
  assert.equal(
    kubeFailure(api(404, 'deployments.apps "api" not found'), { ...get, missing }, server),
    missing,
  );
});

test('a bug is thrown, not reported', () => {
  assert.throws(() => kubeFailure(new TypeError('x is not a function'), get, server), TypeError);
});

test('only what may pass is tried again', () => {
  for (const error of [api(429, ''), api(503, ''), network('ECONNRESET'), network('ECONNREFUSED')]) {
    assert.ok(isTransient(error));
  }
  for (const error of [api(403, ''), api(409, ''), network('CERT_HAS_EXPIRED'), new Error('x')]) {
    assert.ok(!isTransient(error));
  }
});
