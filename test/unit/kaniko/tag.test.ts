import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { imageTag, isContentTag } from '../../../src/kaniko/tag.ts';

const hash = 'abcdef0123456789'.repeat(4);
const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

describe('tags', () => {
  const tags: readonly [strategy: string, tag: string, content: boolean][] = [
    ['content', 'dev-abcdef012345', true],
    ['timestamp', 'dev-20260102-030405', false],
    ['{target}-{hash}', 'api-abcdef012345', true],
    ['{hash}-{time}', 'abcdef012345-20260102-030405', false],
    ['latest', 'latest', false],
    ['{target}-{target}', 'api-api', false],
  ];
  for (const [strategy, tag, content] of tags) {
    test(strategy, () => {
      assert.equal(imageTag(strategy, 'api', hash, now), tag);
      assert.equal(isContentTag(strategy), content);
    });
  }

  test('a name that looks like a placeholder is not filled twice', () => {
    assert.equal(imageTag('{target}', '{x}', hash, now), '{x}');
    assert.equal(imageTag('{hash}-{target}', '$&', hash, now), 'abcdef012345-$&');
  });
});
