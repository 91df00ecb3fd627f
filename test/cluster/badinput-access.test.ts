/** Rights and things that are missing in the cluster, and a runner that cannot do its work. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Moltbook } from '../rig/moltbook.ts';
import { assertRefused, configured, refuses, runnerIdle } from '../rig/refusal.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

describe('missing rights', { timeout: 300_000 }, () => {
  let moltbook: Moltbook;
  let printed: readonly Rule[];
  before(async () => {
    moltbook = await Moltbook.create();
    printed = JSON.parse(
      await moltbook.kubectl(['get', 'role', 'kaniko-dev', '-o', 'jsonpath={.rules}']),
    ) as Rule[];
  });
  after(async () => moltbook?.[Symbol.asyncDispose]());

  /** The printed Role without a verb of a resource, in force when this returns. */
  const without = async (verb: string, resource: string): Promise<void> => {
    const rules = printed.flatMap((rule) => {
      const verbs = rule.resources.includes(resource) ? rule.verbs.filter((one) => one !== verb) : rule.verbs;
      return verbs.length === 0 ? [] : [{ ...rule, verbs }];
    });
    await useRules(rules);
    await until(verb, resource, 'no');
  };
  const useRules = async (rules: readonly Rule[]): Promise<void> => {
    await moltbook.kubectl(['patch', 'role', 'kaniko-dev', '--type=merge', '-p', JSON.stringify({ rules })]);
  };
  const restore = async (verb: string, resource: string): Promise<void> => {
    await useRules(printed);
    await until(verb, resource, 'yes');
  };
  /** The authorizer learns of a changed Role a moment later. */
  const until = async (verb: string, resource: string, answer: 'yes' | 'no'): Promise<void> => {
    const [name = '', subresource = ''] = resource.split('/');
    const asked = [verb, name, `--subresource=${subresource}`];
    const ask = ['-n', moltbook.namespace, 'auth', 'can-i', ...asked];
    const { developerKubeconfig: kubeconfig } = moltbook.cluster;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      // kubectl exits with 1 for a no.
      const said = await moltbook.cluster.kubectl(ask, { kubeconfig }).catch(() => 'no');
      if (said.trim() === answer) return;
    }
    throw new Error(`${verb} ${resource} never became "${answer}"`);
  };

  test('somebody who may do nothing: names the user, the verb, the resource and the rule', async () => {
    await refuses(
      moltbook,
      ['once'],
      {
        code: 'forbidden',
        message: /^user "nobody-dev" may not get deployments in namespace "moltbook-/,
        remedy: /apiGroups: \["apps"\], resources: \["deployments"\], verbs: \["get"\]/,
      },
      { ...moltbook.developer, env: { KUBECONFIG: moltbook.cluster.nobodyKubeconfig } },
    );
  });

  test('without list pods, and without exec', async () => {
    await without('list', 'pods');
    await refuses(moltbook, ['once'], {
      code: 'forbidden',
      message: /^user "developer" may not list pods in namespace/,
      remedy: /resources: \["pods"\], verbs: \["list"\]/,
    });
    await restore('list', 'pods');
    const rules = printed.filter(({ resources }) => !resources.includes('pods/exec'));
    await useRules(rules);
    await until('create', 'pods/exec', 'no');
    await refuses(moltbook, ['once'], {
      code: 'forbidden',
      message: /^user "developer" may not create pods\/exec in namespace/,
      remedy: /resources: \["pods\/exec"\], verbs: \["create", "get"\]/,
    });
    await restore('create', 'pods/exec');
  });

  test('without patch deployments: the image is pushed and stays unused, the Deployment is as it was', async () => {
    await without('patch', 'deployments');
    const images = await moltbook.images('moltbook-frontend');
    const finished = await moltbook.run(['once', 'frontend']);
    assertRefused(finished, {
      code: 'forbidden',
      message: /^user "developer" may not patch deployments in namespace/,
      remedy: /apiGroups: \["apps"\], resources: \["deployments"\], verbs: \["patch"\]/,
    });
    assert.ok(finished.events.some(({ type }) => type === 'built'));
    assert.equal(await moltbook.images('moltbook-frontend'), images);
    await restore('patch', 'deployments');
    const mended = await moltbook.run(['once', 'frontend']);
    assert.equal(mended.code, 0, mended.stderr);
    assert.ok(
      mended.events.some(({ type }) => type === 'build-unneeded'),
      'what was pushed is used now',
    );
    await runnerIdle(moltbook);
  });

  test('without what only explains (events, logs, ReplicaSets) everything works', async () => {
    const rules = printed.filter(({ resources }) =>
      resources.every((one) => !['events', 'pods/log', 'replicasets'].includes(one)),
    );
    await useRules(rules);
    await until('list', 'replicasets', 'no');
    await moltbook.project.write('moltbook-frontend/public/index.html', 'with fewer rights\n');
    const finished = await moltbook.run(['once', 'frontend']);
    assert.equal(finished.code, 0, finished.stdout);
    assert.equal(await moltbook.serves('moltbook-frontend', '/index.html'), 'with fewer rights\n');
    await restore('list', 'replicasets');
  });

  test('a workspace that cannot be written', async () => {
    const argv = await configured(moltbook.project, (config) => {
      config.runner = { workspace: '/etc/hostname/below' };
    });
    await refuses(moltbook, ['once', 'frontend', ...argv], {
      code: 'runner-not-ready',
      message: /^\/etc\/hostname\/below in pod\/kaniko-build-runner-\S+ cannot be written$/,
      remedy: /emptyDir/,
    });
    await runnerIdle(moltbook);
  });
});

describe('names in the cluster', { timeout: 120_000 }, () => {
  let moltbook: Moltbook;
  before(async () => {
    // Without the secret its runner never becomes ready.
    moltbook = await Moltbook.create({ credentials: false });
  });
  after(async () => moltbook?.[Symbol.asyncDispose]());

  test('a namespace that does not exist', async () => {
    // Whoever may do nothing outside of a namespace is not told that another is missing.
    await refuses(moltbook, ['once', '--namespace', 'no-such-place'], {
      code: 'forbidden',
      message: /may not get deployments in namespace "no-such-place"/,
      remedy: /or correct the namespace/,
    });
    await refuses(
      moltbook,
      ['once', '--namespace', 'no-such-place'],
      {
        code: 'namespace-missing',
        message: /"no-such-place"/,
        remedy: /kubectl create namespace no-such-place/,
      },
      { ...moltbook.developer, env: { KUBECONFIG: moltbook.cluster.adminKubeconfig } },
    );
  });

  test('a runner that does not exist, and a container that it does not have', async () => {
    const named = async (runner: { deployment?: string; container?: string }): Promise<readonly string[]> =>
      configured(moltbook.project, (config) => {
        config.runner = runner;
      });
    await refuses(moltbook, ['once', ...(await named({ deployment: 'no-runner' }))], {
      code: 'runner-missing',
      message: /deployment "no-runner" in namespace "moltbook-/,
      remedy: /kubectl apply -f k8s\//,
    });
    await refuses(moltbook, ['once', ...(await named({ container: 'sidecar' }))], {
      code: 'runner-missing',
      message: /no container "sidecar".*it has kaniko/,
    });
  });

  test('a runner that waits for its secret: the secret is named while waiting and at the end', async () => {
    const argv = await configured(moltbook.project, (config) => {
      config.runner = { timeout: '6s' };
    });
    const { finished } = await refuses(moltbook, ['once', ...argv], {
      code: 'runner-not-ready',
      message: /kaniko-build-runner.* in 6 s: .*secret "ghcr-credentials"/,
      remedy: /kubectl -n moltbook-.* create secret docker-registry ghcr-credentials/,
    });
    const reasons = finished.events.flatMap((event) =>
      event.type === 'runner-waiting' ? [event.reason] : [],
    );
    assert.match(reasons.at(-1) ?? '', /secret "ghcr-credentials"/);
    assert.equal(new Set(reasons).size, reasons.length, 'each reason is told once');
  });

  test('a runner that is scaled to nothing', async () => {
    const argv = await configured(moltbook.project, (config) => {
      config.runner = { timeout: '2s' };
    });
    await moltbook.kubectl(['scale', 'deployment', 'kaniko-build-runner', '--replicas=0']);
    await refuses(moltbook, ['once', ...argv], {
      code: 'runner-not-ready',
      message: /scaled to 0 replicas/,
      remedy: /kubectl .*scale/,
    });
  });
});

describe('a runner image without a shell', { timeout: 120_000 }, () => {
  test('names the container, the pod and the image to use', async () => {
    const { noShellImage } = await import('./images.ts');
    const moltbook = await Moltbook.create({
      change: (text) =>
        text
          .replace(/image: gcr\.io\/kaniko-project\/executor\S+/, `image: ${noShellImage}`)
          .replace(
            / +command:\n[^]*? +resources:\n/,
            '          command: [/hold/sleep, "3600"]\n          resources:\n',
          ),
    });
    try {
      await refuses(moltbook, ['once'], {
        code: 'runner-no-shell',
        message: /container kaniko of pod\/kaniko-build-runner-\S+ has no \/busybox\/sh/,
        remedy: /-debug/,
      });
    } finally {
      await moltbook[Symbol.asyncDispose]();
    }
  });
});
