import assert from 'node:assert/strict';
import { test } from 'node:test';
import { instructionLine } from '../../../src/kaniko/instruction.ts';

const dockerfile = `# a comment
FROM node AS build

RUN npm ci && \\
    # in between
    npm run   build
copy . /app
RUN twice
RUN twice
`;

for (const [instruction, line] of [
  ['FROM node AS build', 2],
  ['RUN npm ci &&     npm run   build', 4],
  ['COPY . /app', 7],
  ['RUN twice', undefined],
  ['RUN nowhere', undefined],
] as const) {
  test(`${instruction} stands on line ${line}`, () => {
    assert.equal(instructionLine(dockerfile, instruction), line);
    assert.equal(instructionLine(dockerfile.replaceAll('\n', '\r\n'), instruction), line);
  });
}
