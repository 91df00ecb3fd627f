/** What is refused before the cluster is asked: configurations, options, kubeconfigs. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { Moltbook } from '../rig/moltbook.ts';
import { type ProgramOptions, run } from '../rig/program.ts';
import { Project } from '../rig/project.ts';
import { assertRefused, configured, refuses } from '../rig/refusal.ts';

interface Kubeconfig {
  'current-context': string;
  clusters: { cluster: { server: string; 'certificate-authority-data'?: string } }[];
  users: { user: { token?: string } }[];
}

describe('bad input without a runner', { timeout: 300_000 }, () => {
  let moltbook: Moltbook;
  let elsewhere: Project;
  before(async () => {
    // Without the secret its runner never becomes ready.
    moltbook = await Moltbook.create({ credentials: false });
    elsewhere = await Project.empty();
  });
  after(async () => {
    await elsewhere?.[Symbol.asyncDispose]();
    await moltbook?.[Symbol.asyncDispose]();
  });

  const withKubeconfig = async (change: (config: Kubeconfig) => void): Promise<ProgramOptions> => {
    const text = await readFile(moltbook.cluster.developerKubeconfig, 'utf8');
    const config = JSON.parse(text) as Kubeconfig;
    change(config);
    const path = elsewhere.path('kubeconfig');
    await writeFile(path, JSON.stringify(config));
    return { ...moltbook.developer, env: { KUBECONFIG: path } };
  };
  const serverOf = (config: Kubeconfig, url: string): void => {
    for (const { cluster } of config.clusters) cluster.server = url;
  };

  describe('configuration', () => {
    test('none: names where it looked', async () => {
      const finished = await run(['once', '--json'], { ...moltbook.developer, cwd: elsewhere.root });
      const failure = assertRefused(finished, { code: 'config-missing', message: /no configuration in \// });
      assert.ok(failure.detail?.some((line) => line.includes(elsewhere.root)));
    });

    test('a named file that is not there', async () => {
      await refuses(moltbook, ['once', '--config', 'nowhere.yaml'], {
        code: 'config-missing',
        message: /\/nowhere\.yaml$/,
        remedy: /--config/,
      });
    });

    test('two in one directory: names both', async () => {
      await moltbook.project.write('kaniko.config.json', '{}');
      try {
        const { failure } = await refuses(moltbook, ['once'], {
          code: 'config-ambiguous',
          message: new RegExp(moltbook.project.root),
          remedy: /--config/,
        });
        assert.match(failure.detail?.join(' ') ?? '', /kaniko\.config\.json .*kaniko\.config\.yaml/);
      } finally {
        await rm(moltbook.project.path('kaniko.config.json'));
      }
    });

    test('unknown keys, wrong types and a missing image: all problems at once', async () => {
      await moltbook.project.write(
        'wrong.yaml',
        'clutser: {}\nbuild: { settle: soon }\ntargets:\n  api: { context: api, dockerFile: x }\n',
      );
      const { failure } = await refuses(moltbook, ['once', '--config', 'wrong.yaml'], {
        code: 'config-invalid',
        message: /^4 problems in \/.*\/wrong\.yaml$/,
      });
      const lines = failure.detail?.join('\n') ?? '';
      for (const wanted of [
        /^clutser: .*cluster/m,
        /^build\.settle: /m,
        /\.api\.image: /,
        /dockerFile: .*dockerfile/,
      ])
        assert.match(lines, wanted);
    });

    test('text that cannot be parsed: names file and line', async () => {
      await moltbook.project.write('broken.yaml', 'targets:\n  api: [\n');
      await refuses(moltbook, ['once', '--config', 'broken.yaml'], {
        code: 'config-unreadable',
        message: /broken\.yaml:\d+/,
      });
    });

    test('a certificate file that is not there', async () => {
      const argv = await configured(moltbook.project, (config) => {
        config.registry = { ...config.registry, certificates: { 'ghcr.io': 'no/ca.crt' } };
      });
      await refuses(moltbook, ['once', ...argv], {
        code: 'config-invalid',
        message: /ghcr\.io.*no\/ca\.crt/,
      });
    });
  });

  describe('options', () => {
    test('an unknown target: lists those that there are', async () => {
      const { failure } = await refuses(moltbook, ['once', 'fronted'], {
        code: 'target-unknown',
        message: /fronted/,
      });
      assert.match(`${failure.message} ${failure.remedy}`, /api.*frontend/);
    });

    test('--tar without --local, and --push without --local', async () => {
      const usage = { code: 'usage', remedy: /--local|--push/ } as const;
      await refuses(moltbook, ['once', 'api', '--tar', 'x.tar'], { ...usage, message: /--tar/ });
      await refuses(moltbook, ['once', 'api', '--push'], { ...usage, message: /--push/ });
    });

    test('an unknown option, an unknown command, and none', async () => {
      for (const [argv, said] of [
        [['once', '--fast'], /unknown option '--fast'[^]*--help/],
        [['biuld'], /unknown command 'biuld'/],
        [[], /Usage: kaniko-dev/],
      ] as const) {
        const { code, stderr } = await run(argv, moltbook.developer);
        assert.equal(code, 2, stderr);
        assert.match(stderr, said);
      }
    });
  });

  describe('kubeconfig', () => {
    test('missing, from the environment and from the option', async () => {
      const missing = {
        code: 'kubeconfig-missing',
        message: /\/no\/kubeconfig/,
        remedy: /--kubeconfig/,
      } as const;
      await refuses(moltbook, ['once'], missing, {
        ...moltbook.developer,
        env: { KUBECONFIG: '/no/kubeconfig' },
      });
      await refuses(moltbook, ['once', '--kubeconfig', '/no/kubeconfig'], missing);
    });

    test('garbage: names the file, and shows nothing of its content', async () => {
      const path = elsewhere.path('garbage');
      for (const text of [
        '{ token: "s3cret-token',
        's3cret-token',
        '- s3cret-token\n',
        '\0\u0001s3cret-token',
      ]) {
        await writeFile(path, text);
        const { finished } = await refuses(moltbook, ['once', '--kubeconfig', path], {
          code: 'kubeconfig-invalid',
          message: /\/garbage/,
        });
        assert.doesNotMatch(finished.stdout + finished.stderr, /s3cret/);
      }
    });

    test('a directory in its place', async () => {
      await mkdir(elsewhere.path('directory'));
      await refuses(moltbook, ['once', '--kubeconfig', elsewhere.path('directory')], {
        code: 'kubeconfig-invalid',
        message: /\/directory/,
      });
    });

    test('an unknown context: lists those that there are', async () => {
      await refuses(moltbook, ['once', '--context', 'production'], {
        code: 'kubeconfig-invalid',
        message: /context "production"/,
        remedy: /developer@/,
      });
    });

    test('a dead address fails at once; a silent one within the deadline', async () => {
      const silent = createServer((socket) => {
        socket.on('error', () => {});
        socket.resume();
      });
      await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
      const { port } = silent.address() as AddressInfo;
      const unreachable = {
        code: 'cluster-unreachable',
        message: new RegExp(`127\\.0\\.0\\.1:${port}: `),
      } as const;
      const url = `https://127.0.0.1:${port}`;
      const options = await withKubeconfig((config) => serverOf(config, url));
      const started = performance.now();
      await refuses(moltbook, ['once'], unreachable, options);
      assert.ok(performance.now() - started < 22_000, 'the silent address');
      await new Promise((resolve) => silent.close(resolve));
      const closed = performance.now();
      await refuses(moltbook, ['once'], { ...unreachable, remedy: /`server` of the kubeconfig/ }, options);
      assert.ok(performance.now() - closed < 6_000, 'the closed port');
    });

    test('a token that is not accepted', async () => {
      const options = await withKubeconfig((config) => {
        for (const { user } of config.users) user.token = 'expired-s3cret';
      });
      const { finished } = await refuses(
        moltbook,
        ['once'],
        { code: 'cluster-unauthorized', message: /401/, remedy: /log in again/ },
        options,
      );
      assert.doesNotMatch(finished.stdout + finished.stderr, /s3cret/);
    });

    test('an authority that is not known', async () => {
      const options = await withKubeconfig((config) => {
        for (const { cluster } of config.clusters) delete cluster['certificate-authority-data'];
      });
      await refuses(
        moltbook,
        ['once'],
        {
          code: 'cluster-unreachable',
          message: /not trusted.*unknown authority/,
          remedy: /certificate-authority/,
        },
        options,
      );
    });
  });
});
