/** The local runner and the one in the cluster build the same image from the same files. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layersOf } from '../rig/image.ts';
import { Moltbook } from '../rig/moltbook.ts';
import { siteProject } from '../rig/site.ts';

test('with kaniko.reproducible both runners give the same layers', { timeout: 300_000 }, async () => {
  await using moltbook = await Moltbook.create({ workloads: false });
  await using project = await siteProject();
  const { registry } = moltbook.cluster;
  const image = `${registry}/${moltbook.owner}/site`;
  const config = (runner: string): string =>
    [
      `cluster: { namespace: ${moltbook.namespace} }`,
      `runner: ${runner}`,
      `registry: { insecure: ["${registry}"] }`,
      'kaniko: { reproducible: true }',
      `targets: { site: { context: site, image: "${image}" } }`,
    ].join('\n');
  const options = { ...moltbook.developer, cwd: project.root };

  await project.write('kaniko.config.yaml', config('{ type: local }'));
  const local = await moltbook.run(['once'], options);
  assert.equal(local.code, 0, local.stdout);
  await project.write('kaniko.config.yaml', config('{ type: kubernetes }'));
  const pod = await moltbook.run(['once'], options);
  assert.equal(pod.code, 0, pod.stdout);

  const built = pod.events.find((event) => event.type === 'built');
  assert.ok(built?.type === 'built');
  const manifest = await fetch(`http://${registry}/v2/${moltbook.owner}/site/manifests/${built.digest}`, {
    headers: {
      accept:
        'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json',
    },
  });
  const { layers } = (await manifest.json()) as { layers: { digest: string }[] };
  assert.deepEqual(
    layers.map(({ digest }) => digest),
    await layersOf(project.path('.kaniko-dev/images/site')),
  );
});
