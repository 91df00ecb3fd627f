import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Entry, Manifest } from '../../../src/host.ts';
import { keyDockerfile, namesArgument, originalLine } from '../../../src/kaniko/cachekey.ts';

const file = (digest: string): Entry => ({ kind: 'file', mode: 0o644, size: 1, digest });
const manifestOf = (files: Readonly<Record<string, string>>): Manifest =>
  new Map(Object.entries(files).map(([path, digest]) => [path, file(digest)]));

/** The values of the ARGs that were added, in order. */
function keys(dockerfile: string, manifest: Manifest): string[] {
  const pattern = new RegExp(`^(?:ONBUILD )?ARG ${namesArgument}=(.*)$`, 'gm');
  return [...keyDockerfile(dockerfile, manifest).text.matchAll(pattern)].map((match) => match[1] ?? '');
}

const before = manifestOf({ 'src/a.ts': '1', 'src/b.ts': '2', 'docs/x.md': '3' });
const renamed = manifestOf({ 'src/a.ts': '1', 'src/c.ts': '2', 'docs/x.md': '3' });
const edited = manifestOf({ 'src/a.ts': '1', 'src/b.ts': '9', 'docs/x.md': '3' });

describe('the key of a copy from the context', () => {
  const dockerfile = 'FROM a\nCOPY src /src\nCOPY docs /docs\nRUN make\n';

  test('changes with a name, for the copies that read it', () => {
    const [source, docs] = keys(dockerfile, before);
    assert.notEqual(keys(dockerfile, renamed)[0], source);
    assert.equal(keys(dockerfile, renamed)[1], docs);
  });

  test('does not change with a content: kaniko knows that itself', () => {
    assert.deepEqual(keys(dockerfile, edited), keys(dockerfile, before));
  });

  test('does not depend on the order of the manifest', () => {
    const turned = new Map([...before].toReversed());
    assert.deepEqual(keys(dockerfile, turned), keys(dockerfile, before));
    const stages = 'FROM a AS x\nCOPY . /\nFROM b\nCOPY --from=x / /\n';
    assert.deepEqual(keys(stages, turned), keys(stages, before));
  });

  test('tells names apart that only differ in where one ends', () => {
    const left = manifestOf({ 'src/a': '1', 'src/bc': '2' });
    const right = manifestOf({ 'src/ab': '1', 'src/c': '2' });
    assert.notDeepEqual(keys(dockerfile, left), keys(dockerfile, right));
  });
});

describe('the key of a copy from a stage', () => {
  const dockerfile = 'FROM a AS x\nCOPY src /src\nRUN make\nFROM b\nCOPY --from=x /out /out\n';

  test('changes with names and contents: what the stage makes of them is unknown', () => {
    const [, stage] = keys(dockerfile, before);
    assert.notEqual(keys(dockerfile, edited)[1], stage);
    assert.notEqual(keys(dockerfile, renamed)[1], stage);
    const program: Entry = { kind: 'file', mode: 0o755, size: 1, digest: '1' };
    assert.notEqual(keys(dockerfile, new Map([...before, ['src/a.ts', program]]))[1], stage);
  });

  test('does not change with what the stage does not read', () => {
    const other = manifestOf({ 'src/a.ts': '1', 'src/b.ts': '2', 'docs/y.md': '4' });
    assert.deepEqual(keys(dockerfile, other), keys(dockerfile, before));
  });

  test('follows stages and bases', () => {
    for (const chain of [
      'FROM a AS x\nCOPY src /\nFROM x AS y\nFROM b\nCOPY --from=y / /\n',
      'FROM a AS x\nCOPY src /\nFROM b AS y\nCOPY --from=x / /\nFROM c\nCOPY --from=y / /\n',
    ])
      assert.notEqual(keys(chain, edited).at(-1), keys(chain, before).at(-1));
  });

  test('an image needs none', () => {
    assert.equal(
      keyDockerfile('FROM a\nCOPY --from=node:20 / /\n', before).text,
      'FROM a\nCOPY --from=node:20 / /\n',
    );
  });

  test('a stage that copies from itself has an end', () => {
    assert.deepEqual(keys('FROM a AS x\nCOPY --from=x / /\n', before), []);
  });

  test('many stages that read each other twice take no time', () => {
    const stages = Array.from({ length: 60 }, (_, index) =>
      index === 0
        ? 'FROM a\nCOPY src /'
        : `FROM a\nCOPY --from=${index - 1} /x /\nCOPY --from=${index - 1} /y /`,
    );
    assert.equal(keys(stages.join('\n'), before).length, 119);
  });
});

describe('the keyed Dockerfile', () => {
  test('has an ARG before each copy and is the same otherwise', () => {
    const { text, added } = keyDockerfile('FROM a\r\nCOPY a \\\r\n  b /\r\n\r\nadd c /\r\n', before);
    const shown = text.replaceAll(/=[0-9a-f]{16}/g, '=KEY');
    const argument = `ARG ${namesArgument}=KEY\n`;
    assert.equal(shown, `FROM a\r\n${argument}COPY a \\\r\n  b /\r\n\r\n${argument}add c /\r\n`);
    assert.deepEqual(added, [2, 5]);
  });

  test('has one for a trigger that another stage runs, as a trigger', () => {
    const { text } = keyDockerfile('FROM a AS x\nONBUILD COPY src /\nFROM x\nFROM x\n', before);
    assert.equal(
      text.replace(/=[0-9a-f]{16}/, '=KEY'),
      `FROM a AS x\nONBUILD ARG ${namesArgument}=KEY\nONBUILD COPY src /\nFROM x\nFROM x\n`,
    );
  });

  test('leads back to every line of the original', () => {
    const instruction = fc.constantFrom(
      'FROM a',
      'FROM a AS x',
      'FROM x',
      'COPY a /',
      'copy a \\\n  b /',
      'ADD . /',
      'COPY --from=x / /',
      'COPY --from=img / /',
      'ONBUILD COPY a /',
      'RUN make \\\n# no\n  it',
      '# COPY a /',
      '',
      'COPY',
      'nonsense',
      'RUN <<EOF\nCOPY a /\nEOF',
      'COPY ["a", "/"',
    );
    fc.assert(
      fc.property(fc.array(instruction), fc.constantFrom('\n', '\r\n'), (instructions, end) => {
        const original = instructions.join('\n').replaceAll('\n', end);
        const keyed = keyDockerfile(original, before);
        const lines = keyed.text.split('\n');
        const originals = original.split('\n');
        assert.equal(lines.length, originals.length + keyed.added.length);
        for (const [index, line] of lines.entries()) {
          const number = originalLine(keyed, index + 1);
          // A line that was added leads to the one that it was put before.
          if (!line.includes(namesArgument)) assert.equal(originals[number - 1], line);
          else assert.match(originals[number - 1] ?? '', /COPY|ADD/i);
        }
      }),
      { numRuns: 500 },
    );
  });
});
