import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dockerfileReads } from '../../../src/kaniko/relevance.ts';
import { readTest } from '../../../src/kaniko/sources.ts';

const all = ['src/a.ts', 'src/b.ts', 'docs/x.md', 'README.md'];

function relevant(dockerfile: string): string[] {
  const reads = dockerfileReads(dockerfile);
  return reads.type === 'everything' ? all : all.filter(readTest(reads.sources));
}

describe('what a Dockerfile can read', () => {
  const cases: readonly [name: string, dockerfile: string, paths: readonly string[]][] = [
    ['what it copies', 'FROM a\nCOPY src /src\n', ['src/a.ts', 'src/b.ts']],
    [
      'what any of its stages copies',
      'FROM a\nCOPY src/a.ts /\nFROM b\nADD *.md /\n',
      ['src/a.ts', 'README.md'],
    ],
    [
      'nothing through another stage or image',
      'FROM a AS x\nFROM b\nCOPY --from=x src /\nCOPY --from=img docs /\n',
      [],
    ],
    ['nothing without a copy', 'FROM a\nRUN cat src/a.ts\n', []],
    ['everything by a variable', 'FROM a\nARG S\nCOPY $S /\n', all],
    ['everything by a mount', 'FROM a\nRUN --mount=type=bind,target=/x make\n', all],
    ['everything by a mount on a later line', 'FROM a\nRUN \\\n  --mount=type=bind,target=/x make\n', all],
    ['everything with a base image of triggers', 'FROM node:8-onbuild\n', all],
    ['everything by a heredoc', 'FROM a\nCOPY <<EOF /x\nhi\nEOF\n', all],
    ['what a trigger of its own copies', 'FROM a AS x\nONBUILD COPY src/a.ts /\nFROM x\n', ['src/a.ts']],
  ];
  for (const [name, dockerfile, paths] of cases) {
    test(name, () => assert.deepEqual(relevant(dockerfile), paths));
    test(`${name}, in lower case`, () => {
      const lower = dockerfile.replaceAll(/^[A-Z]+(?: COPY)?/gm, (word) => word.toLowerCase());
      assert.deepEqual(relevant(lower), paths);
    });
  }
});
