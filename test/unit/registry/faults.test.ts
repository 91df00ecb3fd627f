/** Faults that a real registry cannot be asked for, from small real servers on loopback. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeRegistry, type RegistryClient, type RegistryOptions } from '../../../src/registry/client.ts';
import { serve, sha256 } from './rig.ts';

const { signal } = new AbortController();
const digest = sha256('manifest');
const quick = { connect: 1000, answer: 1000, retry: 1 };

async function withServer(
  listener: RequestListener,
  run: (image: { registry: string; repository: string }, registry: RegistryClient) => Promise<void>,
  options: RegistryOptions = {},
): Promise<void> {
  const server = await serve(listener);
  try {
    await run({ registry: server.host, repository: 'a/b' }, makeRegistry({ timeouts: quick, ...options }));
  } finally {
    await server.stop();
  }
}

/** Answers each request with the next of the list, the last one for ever. */
function inTurn(...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]): {
  listener: RequestListener;
  seen: string[];
} {
  const seen: string[] = [];
  return {
    seen,
    listener: (request, response) => {
      seen.push(`${request.method} ${request.url}`);
      answers[Math.min(seen.length, answers.length) - 1]?.(response, request);
    },
  };
}

const found = (response: ServerResponse): void =>
  void response.writeHead(200, { 'docker-content-digest': digest }).end();
const status =
  (code: number, headers: Record<string, string> = {}, body = '') =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end(body);

test('429 and 5xx are tried again, with Retry-After', async () => {
  const { listener, seen } = inTurn(status(429, { 'retry-after': '0' }), status(503), found);
  await withServer(listener, async (image, registry) => {
    assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: digest });
    assert.equal(seen.length, 3);
  });
});

test('429 for good is a rate limit; a long Retry-After is not waited for', async () => {
  const limited = inTurn(status(429, {}, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'));
  await withServer(limited.listener, async (image, registry) => {
    const answer = await registry.manifest(image, 'v1', signal);
    assert.ok(!answer.ok && answer.failure.code === 'registry-rate-limited');
    assert.match(answer.failure.message, /TOOMANYREQUESTS slow down/);
    assert.equal(limited.seen.length, 3);
  });
  const long = inTurn(status(429, { 'retry-after': '3600' }));
  await withServer(long.listener, async (image, registry) => {
    const answer = await registry.resolve(image, 'v1', signal);
    assert.ok(!answer.ok && answer.failure.code === 'registry-rate-limited');
    assert.equal(long.seen.length, 1);
  });
});

test('500 for good, 403, and a page of HTML', async () => {
  for (const [answer, code] of [
    [status(500), 'registry-unreachable'],
    [
      status(403, {}, '{"errors":[{"code":"DENIED","message":"requested access is denied"}]}'),
      'registry-denied',
    ],
    [status(200, { 'content-type': 'text/html' }, '<html>'), 'registry-protocol'],
    [status(405), 'registry-protocol'],
  ] as const) {
    await withServer(inTurn(answer).listener, async (image, registry) => {
      const got = await registry.labels(image, digest, signal);
      assert.ok(!got.ok);
      assert.equal(got.failure.code, code, got.failure.message);
    });
  }
});

test('without HEAD and without a digest header the digest is that of the body', async () => {
  await withServer(
    (request, response) => {
      if (request.method === 'HEAD') response.writeHead(405).end();
      else response.end('manifest');
    },
    async (image, registry) => {
      assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: digest });
    },
  );
  await withServer(
    (_, response) => response.end('manifest'),
    async (image, registry) => {
      assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: digest });
    },
  );
});

test('a connection that breaks, in the headers or in the body, is tried again', async () => {
  const cut = inTurn(
    (response) => response.socket?.destroy(),
    (response) => {
      response.writeHead(200, { 'content-length': '8' });
      response.write('mani', () => response.socket?.destroy());
    },
    (response) => response.end('manifest'),
  );
  await withServer(cut.listener, async (image, registry) => {
    const got = await registry.blob(image, digest, signal);
    assert.ok(got.ok, JSON.stringify(got));
    assert.equal(got.value.toString(), 'manifest');
    assert.equal(cut.seen.length, 3);
  });
});

test('content that is not what its digest says is refused, and no file stays', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'registry-faults-'));
  const file = join(directory, 'blob');
  try {
    await withServer(
      (_, response) => response.end('another'),
      async (image, registry) => {
        for (const got of [
          await registry.blob(image, digest, signal),
          await registry.manifest(image, digest, signal),
          await registry.blobToFile(image, digest, file, signal),
        ]) {
          assert.ok(!got.ok && got.failure.code === 'registry-protocol');
          assert.match(got.failure.message, /arrived with digest sha256:/);
        }
        assert.ok(!existsSync(file));
      },
    );
    const truncated: RequestListener = (_, response) => {
      response.writeHead(200, { 'content-length': '8' });
      response.write('mani', () => response.socket?.destroy());
    };
    await withServer(truncated, async (image, registry) => {
      const got = await registry.blobToFile(image, digest, file, signal);
      assert.ok(!got.ok && got.failure.code === 'registry-unreachable', JSON.stringify(got));
      assert.ok(!existsSync(file));
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a server that never answers ends at the deadline, and a stopped signal ends at once', async () => {
  const silent: RequestListener = () => undefined;
  const options = { timeouts: { connect: 1000, answer: 30, retry: 1 } };
  await withServer(
    silent,
    async (image, registry) => {
      const got = await registry.resolve(image, 'v1', signal);
      assert.ok(!got.ok && got.failure.code === 'registry-unreachable');
      assert.match(got.failure.message, /no answer in time/);
    },
    options,
  );
  const controller = new AbortController();
  await withServer(
    () => controller.abort(),
    async (image, registry) => {
      const got = await registry.resolve(image, 'v1', controller.signal);
      assert.ok(!got.ok && got.failure.code === 'interrupted');
    },
  );
});

/** A registry with a token endpoint; `accept` says which Authorization of a token request is good. */
function bearer(accept: (request: IncomingMessage, body: string) => boolean): {
  listener: RequestListener;
  tokens: () => number;
} {
  let issued = 0;
  return {
    tokens: () => issued,
    listener: (request, response) => {
      const host = request.headers.host ?? '';
      if (request.url?.startsWith('/token') === true) {
        let body = '';
        request.on('data', (data: Buffer) => (body += data.toString()));
        request.on('end', () => {
          if (!accept(request, body)) return status(401)(response);
          issued += 1;
          response.end(JSON.stringify({ token: `t${issued}`, expires_in: 300 }));
        });
        return;
      }
      if (request.headers.authorization === `Bearer t${issued}` && issued > 0) return found(response);
      const challenge = `Bearer realm="http://${host}/token",service="test",scope="repository:a/b:pull"`;
      status(401, { 'www-authenticate': challenge })(response);
    },
  };
}

test('a bearer token is fetched once and used again', async () => {
  const { listener, tokens } = bearer(
    (request) => request.url === '/token?service=test&scope=repository%3Aa%2Fb%3Apull',
  );
  await withServer(listener, async (image, registry) => {
    assert.deepEqual(await registry.resolve(image, 'v1', signal), { ok: true, value: digest });
    assert.deepEqual(await registry.resolve(image, 'v2', signal), { ok: true, value: digest });
    assert.equal(tokens(), 1);
  });
});

test('a token endpoint gets Basic credentials, an identity token by POST; refusals are unauthorized', async () => {
  const basic = bearer((request) => request.headers.authorization === 'Basic dTpw');
  const pair = { credentials: () => Promise.resolve({ username: 'u', password: 'p' }) };
  await withServer(
    basic.listener,
    async (image, registry) => assert.ok((await registry.resolve(image, 'v1', signal)).ok),
    pair,
  );
  const identity = bearer(
    (request, body) =>
      request.method === 'POST' && body.includes('grant_type=refresh_token&refresh_token=r%2Fs&'),
  );
  await withServer(
    identity.listener,
    async (image, registry) => assert.ok((await registry.resolve(image, 'v1', signal)).ok),
    { credentials: () => Promise.resolve({ identityToken: 'r/s' }) },
  );
  const none = bearer(() => false);
  await withServer(none.listener, async (image, registry) => {
    const got = await registry.resolve(image, 'v1', signal);
    assert.ok(!got.ok && got.failure.code === 'registry-unauthorized');
    assert.match(got.failure.message, /there are none for it/);
  });
});

test('credentials are not sent to another host that is redirected to', async () => {
  let carried: string | undefined = 'nothing came';
  const store = await serve((request, response) => {
    carried = request.headers.authorization;
    response.end('manifest');
  });
  try {
    const listener: RequestListener = (request, response) => {
      if (request.headers.authorization === undefined)
        return status(401, { 'www-authenticate': 'Basic realm=x' })(response);
      return status(307, { location: `http://${store.host}/blob` })(response);
    };
    await withServer(
      listener,
      async (image, registry) => {
        const got = await registry.blob(image, digest, signal);
        assert.ok(got.ok, JSON.stringify(got));
        assert.equal(carried, undefined);
      },
      { credentials: () => Promise.resolve({ username: 'u', password: 'p' }) },
    );
  } finally {
    await store.stop();
  }
});
