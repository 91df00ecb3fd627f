import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Program } from '../rig/program.ts';
import { siteProject } from '../rig/site.ts';

test('a changed configuration is taken up; a broken one is refused and the old one goes on', async () => {
  await using project = await siteProject();
  const watch = new Program(['watch', '--json'], { cwd: project.root });
  try {
    await watch.waitFor('settled', (event) => event.ok);

    await project.edit('kaniko.config.yaml', (text) => text.replace('context: site', 'contxt: site'));
    const rejected = await watch.waitFor('config-rejected');
    assert.equal(rejected.failure.code, 'config-invalid');
    assert.match(rejected.failure.detail?.join('\n') ?? '', /did you mean "context"/);
    await project.write('site/public/hello.txt', 'still watched\n');
    assert.match((await watch.waitFor('built')).image, /^localhost\/site:/);

    await project.edit('kaniko.config.yaml', (text) =>
      text.replace('contxt: site', 'context: site').replace('localhost/site', 'localhost/other'),
    );
    await watch.waitFor('config-changed');
    await watch.waitFor('watching');
    await project.write('site/public/hello.txt', 'watched by the new session\n');
    assert.match((await watch.waitFor('built')).image, /^localhost\/other:/);
  } finally {
    const { code } = await watch.interrupt();
    assert.equal(code, 130);
  }
});
