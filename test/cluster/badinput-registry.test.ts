/** Registries that refuse, that are reached in the wrong way, and that are not there. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import type { KanikoDevConfig } from '../../src/config/config.ts';
import { Moltbook } from '../rig/moltbook.ts';
import type { ProgramOptions } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { configured, refuses, runnerIdle } from '../rig/refusal.ts';

describe('registries', { timeout: 300_000 }, () => {
  let moltbook: Moltbook;
  let empty: Project;
  /** A user who never ran `docker login`. */
  let developer: ProgramOptions;
  before(async () => {
    moltbook = await Moltbook.create({ workloads: false });
    empty = await Project.empty();
    developer = withDocker(empty.root);
  });
  after(async () => {
    await empty?.[Symbol.asyncDispose]();
    await moltbook?.[Symbol.asyncDispose]();
  });

  const withDocker = (directory: string): ProgramOptions => ({
    ...moltbook.developer,
    env: { ...moltbook.developer.env, DOCKER_CONFIG: directory },
  });
  const loginOf = (password: string): string => {
    const auth = Buffer.from(`writer:${password}`).toString('base64');
    return JSON.stringify({ auths: { [moltbook.cluster.tlsRegistry]: { auth } } });
  };
  const loggedIn = async (password: string): Promise<ProgramOptions> => {
    await writeFile(empty.path('config.json'), loginOf(password));
    return developer;
  };
  const loggedOut = async (): Promise<ProgramOptions> => {
    await writeFile(empty.path('config.json'), '{}');
    return developer;
  };
  /** One target, pushed to the registry; rolled nowhere. */
  const pushingTo = async (
    registry: string,
    change: (config: KanikoDevConfig) => void = () => {},
  ): Promise<readonly string[]> => {
    const argv = await configured(moltbook.project, (config) => {
      const { frontend } = config.targets;
      assert.ok(frontend);
      config.targets = {
        frontend: { ...frontend, image: `${registry}/${moltbook.owner}/frontend`, deploy: false },
      };
      change(config);
    });
    return ['once', 'frontend', ...argv];
  };
  const toTls = async (): Promise<readonly string[]> =>
    pushingTo(moltbook.cluster.tlsRegistry, (config) => {
      const { tlsRegistry, tlsRegistryCa } = moltbook.cluster;
      config.registry = { ...config.registry, certificates: { [tlsRegistry]: tlsRegistryCa } };
    });
  const tls = (): RegExp => new RegExp(moltbook.cluster.tlsRegistry);

  test('one whose authority is not named: says so, and how to name it', async () => {
    const argv = await pushingTo(moltbook.cluster.tlsRegistry);
    await refuses(
      moltbook,
      argv,
      { code: 'registry-certificate', message: tls(), remedy: /registry\.certificates/ },
      await loggedOut(),
    );
    // This machine may trust more than the runner does.
    const trusting = { ...(await loggedIn('writer-password')) };
    const env = { ...trusting.env, NODE_EXTRA_CA_CERTS: moltbook.cluster.tlsRegistryCa };
    await refuses(
      moltbook,
      argv,
      { code: 'registry-certificate', message: /x509: /, remedy: /registry\.certificates/ },
      { ...trusting, env },
    );
    await runnerIdle(moltbook);
  });

  test('one that asks for credentials, and there are none, or wrong ones', async () => {
    const argv = await toTls();
    const none = { code: 'registry-unauthorized', message: tls(), remedy: /secret/ } as const;
    await refuses(moltbook, argv, none, await loggedOut());
    const { finished } = await refuses(
      moltbook,
      argv,
      { ...none, message: /does not accept the credentials/ },
      await loggedIn('wr0ng-s3cret'),
    );
    assert.doesNotMatch(finished.stdout + finished.stderr, /s3cret/);
  });

  test('one that this machine may write to and the runner may not', async () => {
    const { finished } = await refuses(
      moltbook,
      await toTls(),
      { code: 'registry-denied', message: tls(), remedy: /secret ghcr-credentials/ },
      await loggedIn('writer-password'),
    );
    assert.ok(finished.events.some(({ type }) => type === 'build-started'));
    await runnerIdle(moltbook);
  });

  test('plain HTTP that is not listed: names the option', async () => {
    const { registry } = moltbook.cluster;
    const argv = await pushingTo(registry, (config) => {
      delete config.registry;
    });
    await refuses(
      moltbook,
      argv,
      {
        code: 'registry-certificate',
        message: new RegExp(`${registry} speaks plain HTTP`),
        remedy: /registry\.insecure/,
      },
      await loggedOut(),
    );
  });

  test('TLS that is listed as plain HTTP: names the option', async () => {
    const { tlsRegistry } = moltbook.cluster;
    const argv = await pushingTo(tlsRegistry, (config) => {
      config.registry = { ...config.registry, insecure: [tlsRegistry] };
    });
    await refuses(
      moltbook,
      argv,
      { code: 'registry-certificate', message: /speaks HTTPS/, remedy: /registry\.insecure/ },
      await loggedOut(),
    );
  });

  test('an address where nothing listens', async () => {
    const nothing = `${moltbook.cluster.nodeIp}:5999`;
    await refuses(
      moltbook,
      await pushingTo(nothing),
      {
        code: 'registry-unreachable',
        message: new RegExp(`${nothing}: connection refused`),
        remedy: /host, the port/,
      },
      await loggedOut(),
    );
  });

  test('a mirror of base images where nothing listens', async () => {
    const nothing = `${moltbook.cluster.nodeIp}:5999`;
    const argv = await pushingTo(moltbook.cluster.registry, (config) => {
      config.registry = { ...config.registry, mirrors: { 'index.docker.io': nothing } };
    });
    await refuses(
      moltbook,
      argv,
      { code: 'registry-unreachable', message: new RegExp(`${nothing}: connection refused`) },
      await loggedOut(),
    );
    await runnerIdle(moltbook);
  });

  test("with the runner's credentials all of it works, and this machine asks with them", async () => {
    const secret = [
      'create',
      'secret',
      'generic',
      'ghcr-credentials',
      '--type=kubernetes.io/dockerconfigjson',
    ];
    const made = await moltbook.kubectl([
      ...secret,
      `--from-literal=.dockerconfigjson=${loginOf('writer-password')}`,
      '--dry-run=client',
      '-o',
      'yaml',
    ]);
    await moltbook.cluster.kubectl(['-n', moltbook.namespace, 'replace', '-f', '-'], { input: made });
    // A new pod has the new secret at once; a running one only after a minute.
    await moltbook.kubectl(['delete', 'pod', '--all', '--grace-period=0', '--force']);
    const finished = await moltbook.run(await toTls(), await loggedOut());
    assert.equal(finished.code, 0, finished.stdout);
    const built = finished.events.find((event) => event.type === 'built');
    assert.match(built?.digest ?? '', /^sha256:/);
    assert.doesNotMatch(finished.stdout + finished.stderr, /writer-password|d3JpdGVy/);
    const again = await moltbook.run(await toTls(), await loggedOut());
    assert.ok(
      again.events.some(({ type }) => type === 'build-unneeded'),
      again.stdout,
    );
    await runnerIdle(moltbook);
  });
});
