import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unsupported } from '../../../src/kaniko/unsupported.ts';

const refused = [
  'RUN <<EOF\necho hi\nEOF\n',
  'RUN <<-"EOF" bash\necho hi\nEOF\n',
  'run python3 <<PY\nprint(1)\nPY\n',
  'COPY <<EOF /file\ncontent\nEOF\n',
  'ONBUILD RUN <<EOF\necho hi\nEOF\n',
];

test('a heredoc is refused where the executor would skip it without a word', () => {
  for (const text of refused) {
    const failure = unsupported(`FROM scratch\n${text}`, 'v1.24.0');
    assert.equal(failure?.code, 'build-dockerfile-invalid', text);
    assert.match(failure?.message ?? '', /Dockerfile line 2/);
    assert.equal(unsupported(`FROM scratch\n${text}`, 'v1.28.3'), undefined);
  }
});

test('a shift, a quoted text and a comment are no heredocs', () => {
  for (const text of ['RUN echo $((1 << 2))', 'RUN echo "<<EOF"', '# RUN <<EOF', 'COPY a b']) {
    assert.equal(unsupported(`FROM scratch\n${text}\n`, 'v1.24.0'), undefined, text);
  }
});
