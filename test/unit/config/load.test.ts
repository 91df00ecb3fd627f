import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { configCommand } from '../../../src/commands/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { selectTargets } from '../../../src/config/select.ts';
import { failureOf, listing, project, value, write } from './project.ts';

const content = { targets: { api: { context: 'api', image: 'ghcr.io/owner/api' } } };
const json = JSON.stringify(content);
const yaml = 'targets:\n  api:\n    context: api\n    image: ghcr.io/owner/api\n';
const typed = `const config: object = ${json};\nexport default config;\n`;

const formats: readonly (readonly [name: string, files: Record<string, string>])[] = [
  ['ts', { 'kaniko.config.ts': typed }],
  ['ts as a module', { 'kaniko.config.ts': typed, 'package.json': '{"type":"module"}' }],
  ['mts', { 'kaniko.config.mts': typed }],
  ['js', { 'kaniko.config.js': `export default ${json}` }],
  ['js as a module', { 'kaniko.config.js': `export default ${json}`, 'package.json': '{"type":"module"}' }],
  ['CommonJS', { 'kaniko.config.js': `module.exports = ${json}` }],
  ['mjs', { 'kaniko.config.mjs': `export default ${json}` }],
  ['a function', { 'kaniko.config.mjs': `export default () => (${json})` }],
  ['an async function', { 'kaniko.config.ts': `export default async () => (${json})` }],
  ['json', { 'kaniko.config.json': json }],
  ['json with a byte order mark', { 'kaniko.config.json': `\uFEFF${json}` }],
  ['yaml', { 'kaniko.config.yaml': yaml }],
  ['yml', { 'kaniko.config.yml': yaml }],
  ['package.json', { 'package.json': JSON.stringify({ name: 'x', 'kaniko-dev': content }) }],
];

for (const [name, files] of formats) {
  test(`reads ${name} and writes nothing`, async (t) => {
    const cwd = await project(t, files);
    const before = await listing(cwd);
    const loaded = value(await loadConfig({ cwd }));
    assert.equal(loaded.root, cwd);
    assert.equal(loaded.config.targets['api']?.context, join(cwd, 'api'));
    assert.equal(loaded.config.targets['api']?.cacheRepo, 'ghcr.io/owner/api/cache');
    assert.deepEqual(loaded.dependencies, [loaded.file]);
    assert.deepEqual(await listing(cwd), before);
  });
}

const reloads = [
  ['ts', {}],
  ['ts', { 'package.json': '{"type":"module"}' }],
  ['mts', {}],
  ['js', {}],
  ['mjs', {}],
] as const;

for (const [extension, more] of reloads) {
  test(`reloads .${extension} and what it imports${'package.json' in more ? ' as a module' : ''}`, async (t) => {
    const file = `kaniko.config.${extension}`;
    const inner = `parts/inner.${extension}`;
    const importing = (stage: string): string =>
      `import { image } from './${inner}';\nexport default { targets: { api: { context: 'api', image, stage: '${stage}' } } };\n`;
    const cwd = await project(t, {
      ...more,
      [file]: importing('one'),
      [inner]: `export const image = 'r/one';\n`,
    });
    const first = value(await loadConfig({ cwd }));
    assert.equal(first.config.targets['api']?.image, 'r/one');
    assert.deepEqual([...first.dependencies].toSorted(), [join(cwd, file), join(cwd, inner)].toSorted());

    await write(cwd, { [inner]: `export const image = 'r/two-longer';\n` });
    const second = value(await loadConfig({ cwd }));
    assert.equal(second.config.targets['api']?.image, 'r/two-longer');

    await write(cwd, { [file]: importing('two') });
    const third = value(await loadConfig({ cwd }));
    assert.equal(third.config.targets['api']?.stage, 'two');

    await write(cwd, { [inner]: 'export const image = ;\n' });
    const broken = failureOf(await loadConfig({ cwd }));
    assert.equal(broken.code, 'config-unreadable');
    if (extension === 'mjs') {
      assert.equal(broken.message, `cannot read ${join(cwd, file)}: Unexpected token ';'`);
      assert.equal(broken.detail?.[0], `in one of ${join(cwd, file)}, ${join(cwd, inner)}`);
    } else {
      assert.equal(broken.message, `cannot read ${join(cwd, inner)}:1:22: Unexpected ";"`);
    }

    await write(cwd, { [inner]: `export const image = 'r/mended';\n` });
    const mended = value(await loadConfig({ cwd }));
    assert.equal(mended.config.targets['api']?.image, 'r/mended');
    assert.deepEqual([...mended.dependencies].toSorted(), [...first.dependencies].toSorted());
  });
}

test('finds the nearest upward', async (t) => {
  const root = await project(t, {
    'kaniko.config.json': json,
    'a/kaniko.config.yaml': yaml,
    'a/b/package.json': '{"name":"b"}',
    'a/b/c/keep': '',
    'd/keep': '',
  });
  assert.equal(value(await loadConfig({ cwd: join(root, 'a/b/c') })).root, join(root, 'a'));
  assert.equal(value(await loadConfig({ cwd: join(root, 'd') })).root, root);
});

test('refuses two in one directory', async (t) => {
  const cwd = await project(t, {
    'kaniko.config.json': json,
    'package.json': JSON.stringify({ 'kaniko-dev': content }),
    'kaniko.config.yaml': yaml,
  });
  const failure = failureOf(await loadConfig({ cwd }));
  assert.equal(failure.code, 'config-ambiguous');
  assert.equal(failure.message, `there is more than one configuration in ${cwd}`);
  assert.deepEqual(failure.detail, [
    join(cwd, 'kaniko.config.json'),
    join(cwd, 'kaniko.config.yaml'),
    `${join(cwd, 'package.json')} (key "kaniko-dev")`,
  ]);
  assert.equal(
    value(await loadConfig({ cwd, file: 'kaniko.config.yaml' })).file,
    join(cwd, 'kaniko.config.yaml'),
  );
});

test('says what it looked for when there is none', async (t) => {
  const cwd = await project(t, { 'package.json': '{' });
  const failure = failureOf(await loadConfig({ cwd }));
  assert.equal(failure.code, 'config-missing');
  assert.equal(failure.message, `there is no configuration in ${cwd} or above`);
  assert.equal(
    failure.detail?.[0],
    'looked for kaniko.config.{ts,mts,js,mjs,json,yaml,yml} and the key "kaniko-dev" of package.json',
  );
  assert.equal(failure.detail?.[1]?.startsWith(`in ${cwd}, ${dirname(cwd)}, `), true);
  assert.match(failure.detail?.[2] ?? '', /^could not read .*package\.json: /);
});

test('says that a named file is missing', async (t) => {
  const cwd = await project(t, {});
  const failure = failureOf(await loadConfig({ cwd, file: 'x/nope.ts' }));
  assert.equal(failure.code, 'config-missing');
  assert.equal(failure.message, `there is no file ${join(cwd, 'x/nope.ts')}`);
});

const broken: readonly (readonly [
  title: string,
  name: string,
  content: string,
  place: string,
  first: string,
])[] = [
  ['TypeScript syntax', 'kaniko.config.ts', 'export default {\n  a: ,\n};', ':2:6', 'Unexpected ","'],
  ['JavaScript syntax', 'kaniko.config.mjs', 'export default {\n  a: ,\n};', '', "Unexpected token ','"],
  ['a throw', 'kaniko.config.ts', 'const a = 1;\nthrow new Error("no " + a);', ':2:7', 'no 1'],
  [
    'a throwing function',
    'kaniko.config.mts',
    'export default () => {\n  throw new Error("no");\n};',
    ':2:9',
    'no',
  ],
  [
    'a rejection',
    'kaniko.config.mjs',
    'export default async () => {\n  throw new Error("no");\n};',
    ':2:9',
    'no',
  ],
  ['a throw of null', 'kaniko.config.mjs', 'throw null;', '', 'it threw null'],
  ['a frozen error', 'kaniko.config.mjs', 'throw Object.freeze(new Error("no"));', ':1:21', 'no'],
  ['JSON syntax', 'kaniko.config.json', '{\n  "a": ,\n}', ':2:8', "Unexpected token ',' (line 2 column 8)"],
  [
    'JSON cut off',
    'kaniko.config.json',
    '{\n  "a": [\n',
    ':2:9',
    'Unexpected end of JSON input (line 2 column 9)',
  ],
  [
    'JSON with a comma',
    'kaniko.config.json',
    '{\n  "a": 1,\n}',
    ':3:1',
    'Expected double-quoted property name in JSON at position 12 (line 3 column 1)',
  ],
  ['YAML syntax', 'kaniko.config.yaml', 'targets:\n  a: "b\n', ':3', 'deficient indentation (3:1)'],
];

for (const [title, name, text, place, first] of broken) {
  test(`unreadable: ${title}`, async (t) => {
    const cwd = await project(t, { [name]: text });
    const before = await listing(cwd);
    const failure = failureOf(await loadConfig({ cwd }));
    assert.equal(failure.code, 'config-unreadable');
    assert.equal(failure.message, `cannot read ${join(cwd, name)}${place}: ${first}`);
    assert.deepEqual(await listing(cwd), before);
  });
}

test('unreadable: a missing import is named', async (t) => {
  const cwd = await project(t, { 'kaniko.config.ts': 'import "./nope.ts";\nexport default {};' });
  const failure = failureOf(await loadConfig({ cwd }));
  assert.equal(failure.code, 'config-unreadable');
  assert.match(failure.message, /Cannot find module .*nope\.ts/);
});

test('a named package.json without the key', async (t) => {
  const cwd = await project(t, { 'package.json': '{"name":"x"}' });
  const failure = failureOf(await loadConfig({ cwd, file: 'package.json' }));
  assert.equal(failure.code, 'config-invalid');
  assert.deepEqual(failure.detail, ['it has no key "kaniko-dev"']);
});

test('unreadable: an unknown extension', async (t) => {
  const cwd = await project(t, { 'kaniko.toml': '' });
  const failure = failureOf(await loadConfig({ cwd, file: 'kaniko.toml' }));
  assert.equal(failure.code, 'config-unreadable');
  assert.equal(failure.remedy, 'use one of .ts, .mts, .js, .mjs, .json, .yaml, .yml');
});

for (const [name, text, hint] of [
  ['kaniko.config.yaml', '', 'the file is empty'],
  ['kaniko.config.ts', 'export const config = {};', 'is "export default" missing?'],
  ['kaniko.config.mjs', 'export const config = {};', 'is "export default" missing?'],
  ['kaniko.config.mjs', 'export default () => {};', 'is "export default" missing?'],
] as const) {
  test(`nothing in ${name}: ${text}`, async (t) => {
    const cwd = await project(t, { [name]: text });
    const failure = failureOf(await loadConfig({ cwd }));
    assert.equal(failure.code, 'config-invalid');
    assert.equal(failure.message, `${join(cwd, name)} holds no configuration`);
    assert.deepEqual(failure.detail, [hint]);
  });
}

test('a key of the reading library means nothing', async (t) => {
  const cwd = await project(t, {
    'kaniko.config.json': JSON.stringify({ $import: './other.json', ...content }),
    'other.json': '{}',
  });
  assert.match(failureOf(await loadConfig({ cwd })).detail?.[0] ?? '', /^\$import: unknown key/);
});

test('works in a directory with a strange name', async (t) => {
  const root = await project(t, {
    "a (b)/[c] 'd'/é#%20/kaniko.config.ts": `import { image } from './n.ts';\nexport default { targets: { api: { context: '.', image } } };\n`,
    "a (b)/[c] 'd'/é#%20/n.ts": `export const image: string = 'r/x';\n`,
  });
  const cwd = join(root, "a (b)/[c] 'd'/é#%20");
  const loaded = value(await loadConfig({ cwd }));
  assert.equal(loaded.config.targets['api']?.context, cwd);
  assert.deepEqual([...loaded.dependencies].toSorted(), [join(cwd, 'kaniko.config.ts'), join(cwd, 'n.ts')]);
});

test('overrides win, are checked, and are relative to the working directory', async (t) => {
  const root = await project(t, {
    'kaniko.config.json': JSON.stringify({ ...content, cluster: { namespace: 'a', context: 'b' } }),
    'sub/keep': '',
  });
  const cwd = join(root, 'sub');
  const loaded = value(await loadConfig({ cwd, overrides: { namespace: 'c', kubeconfig: 'k' } }));
  assert.deepEqual(loaded.config.cluster, { context: 'b', kubeconfig: join(cwd, 'k'), namespace: 'c' });
  assert.equal(loaded.config.runner.type === 'kubernetes' && loaded.config.runner.namespace, 'c');
  const bad = failureOf(await loadConfig({ cwd, overrides: { namespace: 'C' } }));
  assert.match(bad.detail?.[0] ?? '', /^cluster\.namespace: expected a namespace/);
});

test('selects targets in the order of the configuration', async (t) => {
  const target = { context: '.', image: 'r/x' };
  const cwd = await project(t, {
    'kaniko.config.json': JSON.stringify({ targets: { web: target, api: target, worker: target } }),
  });
  const { config } = value(await loadConfig({ cwd }));
  assert.deepEqual(value(selectTargets(config, [])), ['web', 'api', 'worker']);
  assert.deepEqual(value(selectTargets(config, ['worker', 'web', 'web'])), ['web', 'worker']);
  const failure = failureOf(selectTargets(config, ['api', 'wokrer']));
  assert.equal(failure.code, 'target-unknown');
  assert.equal(failure.message, 'there is no target "wokrer"; did you mean "worker"?');
  assert.equal(failure.remedy, 'the targets are web, api, worker');
  assert.equal(failureOf(selectTargets(config, ['constructor'])).message, 'there is no target "constructor"');
});

test('the config command prints what it found', async (t) => {
  const cwd = await project(t, { 'kaniko.config.json': json });
  const file = join(cwd, 'kaniko.config.json');
  let out = '';
  const write = (text: string): void => void (out += text);
  value(await configCommand({ cwd, json: false }, write));
  assert.equal(out.startsWith(`# ${file}, `), true);
  assert.match(out, /^ {4}image: ghcr\.io\/owner\/api$/m);
  out = '';
  value(await configCommand({ cwd, json: true }, write));
  const { config } = value(await loadConfig({ cwd }));
  assert.deepEqual(JSON.parse(out), JSON.parse(JSON.stringify({ file, config })));
});
