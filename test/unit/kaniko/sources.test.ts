import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CopyInstruction, dockerfileSources, mayRead } from '../../../src/kaniko/sources.ts';

function readsOf(dockerfile: string): CopyInstruction['reads'][] {
  return dockerfileSources(dockerfile).copies.map(({ reads }) => reads);
}

const context = (...sources: string[]): CopyInstruction['reads'] => ({ type: 'context', sources });

describe('the sources of one instruction', () => {
  const one: readonly [instruction: string, sources: readonly string[]][] = [
    ['COPY a /x', ['a']],
    ['COPY a b c/ /x/', ['a', 'b', 'c/']],
    ['copy a /x', ['a']],
    ['Add a /x', ['a']],
    ['COPY --chown=1:1 --chmod=755 a /x', ['a']],
    ['COPY --link a /x', ['a']],
    ['COPY ["a b", "c", "/x"]', ['a b', 'c']],
    ['ADD --chown=1 ["a b", "/x"]', ['a b']],
    ['COPY --chown=1 --chmod=644 [ "a  b",\t"c\\"d" , "/x" ]', ['a  b', 'c"d']],
    ['COPY ["a b", \\\n  "c", "/x"]', ['a b', 'c']],
    ['COPY ["\\u0061", "/x"]', ['a']],
    ['COPY [a b', ['[a']],
    ['COPY . .', ['.']],
    ['COPY *.json /x', ['*.json']],
    ['COPY $SRC ${OTHER} /x', ['$SRC', '${OTHER}']],
    ['COPY a \\\n  b \\\n# a comment\n  c /x', ['a', 'b', 'c']],
    ['COPY \\\n\n  a /x', ['a']],
    ['ADD https://r.example/a.tgz /x', ['https://r.example/a.tgz']],
    ['  COPY a /x', ['a']],
  ];
  for (const [instruction, sources] of one) {
    test(JSON.stringify(instruction), () => {
      assert.deepEqual(readsOf(`FROM a\n${instruction}\n`), [context(...sources)]);
      assert.deepEqual(readsOf(`FROM a\r\n${instruction.replaceAll('\n', '\r\n')}\r\n`), [
        context(...sources),
      ]);
    });
  }

  test('with another escape character', () => {
    assert.deepEqual(readsOf('# escape=`\nFROM a\nCOPY a `\n  b /x\nCOPY c /y\n'), [
      context('a', 'b'),
      context('c'),
    ]);
  });

  test('comments, RUN text and instructions before FROM are none', () => {
    assert.deepEqual(
      readsOf('ARG A\nCOPY z /\n# COPY a /\nFROM a\n# COPY b /\nRUN echo \\\n  COPY c /\nCOPY d /\n'),
      [context('d')],
    );
  });

  test('the body of a heredoc holds none', () => {
    const copies = readsOf('FROM a\nRUN <<EOF\nCOPY a /x\nEOF\nCOPY b /x\n');
    assert.ok(copies.some((reads) => reads.type === 'context' && reads.sources.includes('b')));
  });

  test('a copy of a text written in place may read anything', () => {
    const [reads] = readsOf('FROM a\nCOPY <<EOF /x\nhello\nEOF\n');
    assert.ok(reads?.type === 'context' && mayRead(reads.sources, 'any/file'));
  });
});

describe('COPY --from', () => {
  const stages = 'FROM a AS one\nCOPY x /\nFROM b AS Two\nFROM c\n';
  const from: readonly [string, CopyInstruction['reads']][] = [
    ['one', { type: 'stage', stage: 0 }],
    ['two', { type: 'stage', stage: 1 }],
    ['0', { type: 'stage', stage: 0 }],
    ['1', { type: 'stage', stage: 1 }],
    ['2', { type: 'image' }],
    ['9', { type: 'image' }],
    ['node:20', { type: 'image' }],
  ];
  for (const [name, reads] of from) {
    test(name, () => assert.deepEqual(readsOf(`${stages}COPY --from=${name} /a /b\n`).at(-1), reads));
  }

  test('of the stage itself, by name or number, is no stage', () => {
    assert.deepEqual(readsOf('FROM a AS self\nCOPY --from=self /a /b\nCOPY --from=0 /a /b\n'), [
      { type: 'image' },
      { type: 'image' },
    ]);
  });

  test('of a name used twice is the last before', () => {
    const twice = 'FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x /a /b\n';
    assert.deepEqual(readsOf(twice), [{ type: 'stage', stage: 1 }]);
  });

  test('bases are stages by name, else images', () => {
    assert.deepEqual(dockerfileSources('FROM a AS one\nFROM one AS two\nFROM TWO\nFROM b\n').bases, [
      undefined,
      0,
      1,
      undefined,
    ]);
  });
});

describe('ONBUILD', () => {
  test('runs in the stages that are based on its stage', () => {
    const dockerfile = 'FROM a AS base\nONBUILD COPY src /src\nFROM base\nFROM b\nFROM base\n';
    assert.deepEqual(dockerfileSources(dockerfile).copies, [
      { line: 1, stage: 1, triggered: true, reads: context('src') },
      { line: 1, stage: 3, triggered: true, reads: context('src') },
    ]);
  });

  test('of a stage that nothing is based on reads nothing here', () => {
    assert.deepEqual(readsOf('FROM a\nONBUILD COPY src /src\nONBUILD RUN make\n'), []);
  });
});

describe('a path', () => {
  const read: readonly [source: string, path: string, may: boolean][] = [
    ['.', 'any/file', true],
    ['./', 'any/file', true],
    ['/', 'any/file', true],
    ['src', 'src', true],
    ['src', 'src/a/b', true],
    ['src', 'srcs/a', false],
    ['src', 'a/src', false],
    ['./src/', 'src/a', true],
    ['/src', 'src/a', true],
    ['src//deep/./er', 'src/deep/er/x', true],
    ['src/../other', 'anything', true],
    ['*.json', 'package.json', true],
    ['*.json', 'deep/package.json', false],
    ['*.json', 'package.jsonc', false],
    ['*', 'src/deep/file', true],
    ['src/*', 'src/a', true],
    ['src/*', 'src/a/b', true],
    ['src/*/c', 'src/a/b', false],
    ['p?ckage', 'package/x', true],
    ['p?ckage', 'p/ckage', false],
    ['a+b(c)', 'a+b(c)', true],
    ['a+*', 'aab', false],
    ['[ab].txt', 'anything', true],
    ['"src"', 'anything', true],
    ["'a", 'anything', true],
    ['$SRC', 'anything', true],
    ['a\\*b', 'anything', true],
    ['https://r.example/a', 'https:/r.example/a', false],
    ['git@github.com:a/b', 'src', false],
    ['ünï*', 'ünïcode', true],
    ['?', '🚀', true],
  ];
  for (const [source, path, may] of read) {
    test(`${source} ${may ? 'may read' : 'does not read'} ${path}`, () => {
      assert.equal(mayRead([source], path), may);
    });
  }

  test('is read by none of no sources', () => assert.equal(mayRead([], 'a'), false));
});
