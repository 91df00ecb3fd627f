/** Against a WebSocket server that misbehaves as real ones cannot be asked to. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { openExec, type ExecChannel, type ExecOptions } from '../../../src/kube/exec.ts';
import type { Result } from '../../../src/result.ts';
import { parseStatus } from '../../../src/kube/channel.ts';
import {
  fakeServer,
  statusBody,
  until,
  type FakeOptions,
  type FakeServer,
  type ServerSocket,
} from './rig.ts';

const request = {
  namespace: 'moltbook',
  pod: 'runner-1',
  container: 'kaniko',
  command: ['sh', '-c', "echo 'ü'\n&?"],
};

interface Session {
  readonly server: FakeServer;
  readonly out: Buffer[];
  readonly err: Buffer[];
  readonly open: (options?: ExecOptions) => Promise<Result<ExecChannel>>;
}

async function withServer(options: FakeOptions, run: (session: Session) => Promise<void>): Promise<void> {
  const server = await fakeServer(options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const handlers = {
    onStdout: (data: Uint8Array) => void out.push(Buffer.from(data)),
    onStderr: (data: Uint8Array) => void err.push(Buffer.from(data)),
  };
  try {
    await run({ server, out, err, open: (more) => openExec(server.kube, request, handlers, more) });
  } finally {
    await server.stop();
  }
}

function opened(result: Result<ExecChannel>): ExecChannel {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

const frame = (channel: number, text: string): Uint8Array =>
  Buffer.concat([Buffer.of(channel), Buffer.from(text)]);
const exit = (code: number): Uint8Array =>
  frame(
    3,
    JSON.stringify({
      status: 'Failure',
      message: `command terminated with exit code ${code}`,
      details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
    }),
  );

test('frames are told apart, empty and close frames mean nothing, and the status ends it', async () => {
  const received: Buffer[] = [];
  let url = '';
  const onSocket = (socket: ServerSocket, upgrade: IncomingMessage): void => {
    url = upgrade.url ?? '';
    socket.send(Buffer.of(1));
    socket.send(Buffer.alloc(0));
    socket.send(Buffer.of(255));
    socket.send(Buffer.of(255, 1));
    socket.send(Buffer.of(255, 2));
    socket.send(frame(1, 'out'));
    socket.send(frame(2, 'err'));
    socket.on('message', (data) => {
      received.push(Buffer.from(data));
      if (data[0] === 255) socket.send(exit(7));
    });
  };
  await withServer({ onSocket }, async ({ open, out, err }) => {
    const channel = opened(await open());
    await channel.write(Buffer.from('in'));
    channel.end();
    channel.end();
    await channel.write(Buffer.from('too late'));
    const end = await channel.closed;
    assert.deepEqual(end, { kind: 'status', exitCode: 7, message: 'command terminated with exit code 7' });
    assert.equal(Buffer.concat(out).toString(), 'out');
    assert.equal(Buffer.concat(err).toString(), 'err');
    assert.deepEqual(received, [Buffer.from('\0in'), Buffer.of(255, 0)]);
    assert.ok(!process.stdout.writableEnded);
    const asked = new URL(url, 'http://x');
    assert.equal(asked.pathname, '/api/v1/namespaces/moltbook/pods/runner-1/exec');
    assert.deepEqual(asked.searchParams.getAll('command'), request.command);
  });
});

test('frames that come with the upgrade are not lost', async () => {
  const onSocket = (socket: ServerSocket): void => {
    for (let index = 0; index < 100; index += 1) socket.send(frame(1, 'x'));
    socket.send(frame(3, '{"status":"Success"}'));
  };
  await withServer({ onSocket }, async ({ open, out }) => {
    const channel = opened(await open());
    assert.deepEqual(await channel.closed, { kind: 'status', exitCode: 0, message: '' });
    assert.equal(Buffer.concat(out).length, 100);
  });
});

test('an older protocol, and none at all, are refused with a clear message', async () => {
  for (const protocol of ['v4.channel.k8s.io', false] as const) {
    await withServer({ protocol }, async ({ open }) => {
      const result = await open();
      assert.ok(!result.ok);
      assert.equal(result.failure.code, 'runner-protocol');
      assert.match(result.failure.message, /v5\.channel\.k8s\.io is needed/);
    });
  }
});

test('a connection that is cut settles as dropped, once', async () => {
  const onSocket = (socket: ServerSocket): void => socket.on('message', () => socket.terminate());
  await withServer({ onSocket }, async ({ open }) => {
    const channel = opened(await open());
    await channel.write(Buffer.from('x'));
    const end = await channel.closed;
    assert.equal(end.kind, 'dropped');
    channel.close();
    await channel.write(Buffer.from('y'));
    channel.end();
    assert.equal(await channel.closed, end);
  });
});

test('closing from this side settles at once', async () => {
  await withServer({}, async ({ open }) => {
    const channel = opened(await open());
    channel.close();
    assert.deepEqual(await channel.closed, { kind: 'dropped', reason: 'closed by this side' });
  });
});

test('a peer that answers neither frames nor pings counts as dropped', async () => {
  await withServer({ autoPong: false }, async ({ open }) => {
    const channel = opened(await open({ silence: 60 }));
    const end = await channel.closed;
    assert.ok(end.kind === 'dropped');
    assert.match(end.reason, /no sign of life/);
  });
});

test('a refused upgrade is told with the words of the server', async () => {
  const refuse = (code: number, body: string): FakeOptions => ({
    onUpgrade(_, socket) {
      socket.end(
        `HTTP/1.1 ${code} X\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      );
      return true;
    },
  });
  const forbidden =
    'pods "runner-1" is forbidden: User "dev" cannot create resource "pods/exec" in API group "" in the namespace "moltbook"';
  for (const [code, body, expected, pattern] of [
    [403, JSON.stringify(statusBody(403, forbidden)), 'forbidden', /user "dev" may not create pods\/exec/],
    [403, '', 'forbidden', /this user may not create pods\/exec/],
    [404, JSON.stringify(statusBody(404, 'pods "runner-1" not found')), 'runner-missing', /is gone/],
    [400, JSON.stringify(statusBody(400, 'container x is not valid')), 'runner-not-ready', /x is not valid/],
    [500, 'unable to upgrade connection: container not found', 'cluster-unreachable', /container not found/],
    [401, '', 'cluster-unauthorized', /does not accept the credentials/],
  ] as const) {
    await withServer(refuse(code, body), async ({ open }) => {
      const result = await open();
      assert.ok(!result.ok);
      assert.equal(result.failure.code, expected, result.failure.message);
      assert.match(result.failure.message, pattern);
    });
  }
});

test('on 401 the kubeconfig is read again, once', async () => {
  const seen: unknown[] = [];
  let server: FakeServer | undefined;
  const options: FakeOptions = {
    onUpgrade(upgrade, socket) {
      seen.push(upgrade.headers.authorization);
      if (upgrade.headers.authorization === 'Bearer second') return false;
      server?.writeToken('second');
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return true;
    },
  };
  await withServer(options, async (session) => {
    server = session.server;
    opened(await session.open()).close();
    assert.deepEqual(seen, ['Bearer first', 'Bearer second']);
  });
});

test('a server that never answers the upgrade fails at the deadline, a stopped signal at once', async () => {
  const stalled = { onUpgrade: () => true };
  await withServer(stalled, async ({ open }) => {
    const result = await open({ handshakeTimeout: 40 });
    assert.ok(!result.ok);
    assert.equal(result.failure.code, 'cluster-unreachable');
    assert.match(result.failure.message, /no answer in time/);
  });
  const controller = new AbortController();
  const aborting = {
    onUpgrade() {
      controller.abort();
      return true;
    },
  };
  await withServer(aborting, async ({ open }) => {
    const result = await open({ signal: controller.signal });
    assert.ok(!result.ok && result.failure.code === 'interrupted');
  });
});

test('a peer that stops reading stops the writer, and nothing is lost', async () => {
  let peer: ServerSocket | undefined;
  let received = 0;
  const onSocket = (socket: ServerSocket): void => {
    peer = socket;
    socket.pause();
    socket.on('message', (data) => {
      received += data.length - 1;
    });
  };
  await withServer({ onSocket }, async ({ open }) => {
    const channel = opened(await open());
    const block = Buffer.alloc(4 * 1024 * 1024, 1);
    let written = 0;
    const total = 16;
    const writing = (async () => {
      for (; written < total; written += 1) await channel.write(block);
    })();
    // The kernel takes some megabytes; then the writer must stand still for 200 ms.
    let last = -1;
    let since = performance.now();
    await until(
      () => {
        if (written !== last) since = performance.now();
        last = written;
        return performance.now() - since > 200;
      },
      () => `${written} blocks were written to a peer that does not read`,
    );
    assert.ok(written < total / 2, `${written} of ${total} blocks were taken`);
    peer?.resume();
    await writing;
    await until(
      () => received === total * block.length,
      () => `${received} bytes arrived`,
    );
    channel.close();
  });
});

test('a writer that waits is woken when the connection goes away', async () => {
  let peer: ServerSocket | undefined;
  const onSocket = (socket: ServerSocket): void => {
    peer = socket;
    socket.pause();
  };
  await withServer({ onSocket }, async ({ open }) => {
    const channel = opened(await open());
    const writing = channel.write(Buffer.alloc(64 * 1024 * 1024));
    peer?.terminate();
    await writing;
    assert.equal((await channel.closed).kind, 'dropped');
  });
});

test('status texts', () => {
  assert.deepEqual(parseStatus('{"status":"Success"}'), { kind: 'status', exitCode: 0, message: '' });
  const missing = { status: 'Failure', message: 'exec: "sh": executable file not found in $PATH' };
  assert.deepEqual(parseStatus(JSON.stringify(missing)), {
    kind: 'status',
    exitCode: undefined,
    message: missing.message,
  });
  assert.deepEqual(parseStatus('not JSON'), { kind: 'status', exitCode: undefined, message: 'not JSON' });
  assert.deepEqual(parseStatus('null'), { kind: 'status', exitCode: undefined, message: 'null' });
});
