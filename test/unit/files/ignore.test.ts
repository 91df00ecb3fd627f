import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { parseIgnoreFile, type Level } from '../../../src/files/ignore.ts';
import { failureOf, valueOf } from './place.ts';

const rules = (...lines: string[]) => valueOf(parseIgnoreFile(lines.join('\n'), '.dockerignore'));

/** Ignore file lines, a path, and whether Docker leaves it out. */
const cases: readonly (readonly [lines: string | readonly string[], path: string, ignored: boolean])[] = [
  // Docker's documentation
  ['*/temp*', 'somedir/temporary.txt', true],
  ['*/temp*', 'somedir/temp', true],
  ['*/temp*', 'temporary.txt', false],
  ['*/temp*', 'somedir/subdir/temporary.txt', false],
  ['*/*/temp*', 'somedir/subdir/temporary.txt', true],
  ['*/*/temp*', 'somedir/temporary.txt', false],
  ['temp?', 'tempa', true],
  ['temp?', 'tempb', true],
  ['temp?', 'temp', false],
  ['temp?', 'tempab', false],
  ['temp?', 'dir/tempa', false],
  ['**/*.go', 'a.go', true],
  ['**/*.go', 'a/b/c.go', true],
  ['**/*.go', 'a/b/c.goo', false],
  [['*.md', '!README.md'], 'README.md', false],
  [['*.md', '!README.md'], 'other.md', true],
  [['*.md', '!README*.md', 'README-secret.md'], 'README-secret.md', true],
  [['*.md', '!README*.md', 'README-secret.md'], 'README-x.md', false],
  [['*.md', 'README-secret.md', '!README*.md'], 'README-secret.md', false],
  ['# comment', '# comment', false],
  ['/foo/bar', 'foo/bar', true],
  ['foo/bar', 'foo/bar/deep/er', true],
  ['foo/bar', 'x/foo/bar', false],
  [['*', '!src'], 'src/a/b', false],
  [['*', '!src'], 'lib/a', true],
  // lines
  [' # not a comment', '# not a comment', true],
  ['  spaced  ', 'spaced', true],
  ['\ttabbed\t', 'tabbed', true],
  ['\u00a0nbsp\u0085', 'nbsp', true],
  ['crlf\r', 'crlf', true],
  ['\uFEFFmarked', 'marked', true],
  ['\uFEFF# comment', '# comment', false],
  ['', 'anything', false],
  ['   ', 'anything', false],
  ['a b', 'a b', true],
  [['x', '! x'], 'x', false],
  [['x', '!/x'], 'x', false],
  [['x', '! /x '], 'x', false],
  // cleaning
  ['./foo', 'foo', true],
  ['foo/', 'foo', true],
  ['foo/', 'foo/bar', true],
  ['foo//bar', 'foo/bar', true],
  ['foo/./bar/../baz', 'foo/baz', true],
  ['/', 'foo', false],
  ['.', 'foo', false],
  ['..', 'foo', false],
  ['../foo', 'foo', false],
  ['//foo', 'foo', true],
  // literal
  ['abc.def', 'abc.def', true],
  ['abc.def', 'abcdef', false],
  ['abc.def', 'abcZdef', false],
  ['a(b)c/def', 'a(b)c/def', true],
  ['a(b)c/def', 'a(b)c/xyz', false],
  ['a.|)$(}+{bc', 'a.|)$(}+{bc', true],
  ['dist/proxy.py-2.4.0rc3.dev36+g08-py3.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08-py3.whl', true],
  ['dist/*.whl', 'dist/proxy.py-2.4.0rc3.dev36+g08-py3.whl', true],
  ['.gitignore', '.gitignore', true],
  ['Foo', 'foo', false],
  // one star, question mark
  ['*', 'a', true],
  ['*', 'a/b', true],
  ['.*', '.foo', true],
  ['.*', 'foo', false],
  ['a*', 'a', true],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['*c', 'abc', true],
  ['*x', 'xxx', true],
  ['a/*.txt', 'a/dir/file.txt', false],
  ['a/*.txt', 'a/file.txt', true],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['abc?def', 'abcZdef', true],
  ['abc?def', 'abcdef', false],
  ['a?b', 'a☺b', true],
  ['a?b', 'a😀b', true],
  ['a?b', 'a/b', false],
  ['a???b', 'a☺b', false],
  ['a*b', 'a\rb', true],
  // two stars
  ['**', 'file', true],
  ['**', 'dir/file', true],
  ['**/', 'file', true],
  ['**/**', 'dir/file', true],
  ['dir/**', 'dir/file', true],
  ['dir/**', 'dir/dir2/file', true],
  ['dir/**', 'dir', false],
  ['abc/**', 'abcd/e', false],
  ['**/dir', 'dir', true],
  ['**/dir', 'a/b/dir/file', true],
  ['**/dir', 'a/subdir', false],
  ['**/dir2/*', 'dir/dir2/file', true],
  ['**/dir2/**', 'dir/dir2/dir3/file', true],
  ['**file', 'dir/dir/afile', true],
  ['**/file*txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'dir/dir/file.txt', true],
  ['**/**/*.txt', 'file.txt', true],
  ['**/**/*.txt2', 'dir/dir/file.txt', false],
  ['a**/*.txt', 'a/dir/dir/file.txt', true],
  ['a/*.txt**', 'a/file.txt', true],
  ['a/**/z', 'a/z', true],
  ['a/**/z', 'a/b/c/z', true],
  ['**/foo/bar', 'dir/dir2/foo/bar', true],
  ['**/.foo', 'bar.foo', false],
  ['**/*.txt', 'a\nb.txt', true],
  // classes
  ['a[b-d]e', 'ace', true],
  ['a[b-d]e', 'aae', false],
  ['a[^b-d]e', 'aze', true],
  ['ab[^c]', 'abc', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['a[^a]b', 'a☺b', true],
  ['a[^a]b', 'a/b', true],
  ['[.]x', '.x', true],
  ['[.]x', 'ax', false],
  ['[a-c&&b]x', '&x', true],
  ['[[:digit:]]x', '7x', true],
  ['[[:digit:]]x', 'ax', false],
  ['[[:^digit:]]x', 'ax', true],
  ['x]y*', 'x]yz', true],
  // escapes
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a\\\\', 'a\\', true],
  ['\\#x', '#x', true],
  ['\\!x', '!x', true],
  ['[\\]a]', ']', true],
  ['[\\-x]', '-', true],
  ['[x\\-]', 'z', false],
  ['[\\\\]x', '\\x', true],
  // what Docker's expressions do besides
  ['a^b', 'a^b', true],
  ['a|b*', 'bc', true],
  ['[*]', '[]', true],
  ['v\\d', 'v7', true],
  // negation, order, parents
  [['docs', '!docs/README.md'], 'docs/README.md', false],
  [['docs', '!docs/README.md'], 'docs/other.md', true],
  [['docs/*', '!docs/README.md'], 'docs/README.md', false],
  [['!a.go', '*.go'], 'a.go', true],
  [['**', '!util/docker/web'], 'util/docker/web/foo', false],
  [['**', '!util/docker/web', 'util/docker/web/foo'], 'util/docker/web/foo', true],
  [['**', '!dist/*.whl'], 'dist/x.whl', false],
  [['**', '!**/keep/**'], 'a/b/keep/c/d', false],
  [['a', '!a/b', 'a/b/c', '!a/b/c/d'], 'a/b/c/d/e', false],
  [['a', '!a/b', 'a/b/c', '!a/b/c/d'], 'a/b/c/x', true],
  [['a', '!a'], 'a/b', false],
  [['!a', 'a'], 'a/b', true],
  [['node_modules', '!**/*.ts'], 'node_modules/a/b.ts', false],
  [['*', '!**/package.json'], 'packages/a/package.json', false],
  [['*', '!**/package.json'], 'packages/a/index.js', true],
  [['**/node_modules', '!**/node_modules/keep'], 'a/node_modules/keep/x', false],
  [['!keep', '*'], 'keep', true],
  [['*', '!keep', '*'], 'keep', true],
  [['secret', '!secret/public', 'secret/public/key'], 'secret/public/key', true],
  [['secret', '!secret/public', 'secret/public/key'], 'secret/public/cert', false],
  [['.*', '!.env.example'], '.env', true],
  [['.*', '!.env.example'], '.env.example', false],
  [['.git', '!.git/HEAD'], '.git/HEAD', false],
  [['dist', '!dist'], 'dist/app.js', false],
  // the byte order mark is one only where the file begins
  ['\uFEFF', 'anything', false],
  ['\uFEFF  spaced', 'spaced', true],
  [['\uFEFF*.md', '!keep.md'], 'keep.md', false],
  [['a', '\uFEFFb'], 'b', false],
  [['a', '\uFEFFb'], '\uFEFFb', true],
  ['\uFEFF\uFEFFb', 'b', false],
  // spaces at the ends of lines, and what is no space
  ['trailing   ', 'trailing', true],
  ['trailing   ', 'trailing   ', false],
  ['trailing\t \r', 'trailing', true],
  ['in  side ', 'in  side', true],
  ['in  side ', 'in side', false],
  ['\u3000wide\u2003', 'wide', true],
  ['\u200bzero', 'zero', false],
  ['\u200bzero', '\u200bzero', true],
  [' !x', 'x', false],
  [['x', ' !x'], 'x', false],
  [['x', '!\tx\t'], 'x', false],
  ['a # b', 'a # b', true],
  ['a # b', 'a', false],
  ['\t# no comment', '# no comment', true],
  // more escapes
  ['\\a', 'a', false],
  ['a\\?b', 'a?b', true],
  ['a\\?b', 'axb', false],
  ['\\[x\\]', '[x]', true],
  ['\\[x\\]', 'x', false],
  ['a\\ b', 'a b', true],
  ['\\*\\*', '**', true],
  ['\\*\\*', 'ab', false],
  ['[!a]x', '!x', true],
  ['[!a]x', 'bx', false],
  ['dir\\/x', 'dir/x', true],
  // more paths
  ['./', 'anything', false],
  ['a/..', 'a', false],
  ['a/../b', 'b', true],
  ['/../b', 'b', true],
  ['/**/x', 'a/b/x', true],
  ['/*.md', 'a.md', true],
  ['/*.md', 'docs/a.md', false],
  ['*.MD', 'a.md', false],
  ['é', 'e\u0301', false],
  ['**/*', 'a/b', true],
  ['*/*', 'a', false],
  ['*/*', 'a/b/c', true],
  ['a/**', 'a/b/../c', true],
  ['**/a/**/b', 'x/a/y/z/b', true],
  ['**/a/**/b', 'a/b', true],
  ['**.log', 'a/b.log', true],
];

suite('ignore files', () => {
  test('mean what Docker means', () => {
    assert.ok(cases.length >= 160);
    const wrong = cases.filter(
      ([lines, path, ignored]) => rules(...[lines].flat()).ignores(path) !== ignored,
    );
    assert.deepEqual(wrong, []);
  });

  test('patterns that Docker refuses are refused, with their line', () => {
    const invalid = [
      '[',
      'a[',
      '[^',
      '[^bc',
      '[]a]',
      '[-]',
      '[x-]',
      '[-x]',
      '[a-b-c]',
      '\\',
      'a\\',
      'trailing\\ ',
      '!',
      '! ',
      '!/',
      '[z-a]',
    ];
    for (const pattern of [...invalid, '[[:nothing:]]', '\\q', '\\Qx', 'a{2}*', '!a[']) {
      const failure = failureOf(parseIgnoreFile(`fine\n# comment\n\n${pattern}\n`, 'api/.dockerignore'));
      assert.equal(failure.code, 'ignore-file-invalid', pattern);
      assert.ok(failure.message.startsWith('api/.dockerignore:4: '), failure.message);
    }
  });

  test('braces that Docker reads literally are literal', () => {
    assert.equal(rules('a{2}').ignores('a{2}'), true);
    assert.equal(rules('{a,b}*').ignores('{a,b}c'), true);
    assert.equal(rules('{a,b}*').ignores('a'), false);
  });
});

suite('pruning', () => {
  const pruned: readonly (readonly [readonly string[], string, boolean])[] = [
    [['node_modules'], 'node_modules', true],
    [['node_modules'], 'src', false],
    [['node_modules', '!src/a'], 'node_modules', true],
    [['*', '!src'], 'node_modules', true],
    [['*', '!src'], 'src', false],
    [['*', '!src/a/b'], 'src', false],
    [['*', '!src/a/b'], 'src/a', false],
    [['*', '!src/a/b'], 'src/c', true],
    [['*', '!s*/a'], 'src', false],
    [['*', '!s*/a'], 'lib', true],
    [['*', '!**/keep'], 'node_modules', false],
    [['*', '![a-z]*/keep'], 'node_modules', false],
    [['!node_modules/keep', 'node_modules'], 'node_modules', true],
    [['a', '!a/b', 'a/b/c'], 'a/b/c', true],
    [['a', '!a/b', 'a/b/c'], 'a', false],
  ];
  test('leaves out what no negated pattern can reach', () => {
    assert.deepEqual(
      pruned.filter(([lines, path, expected]) => rules(...lines).prunes(path) !== expected),
      [],
    );
  });

  const segment = fc.constantFrom('a', 'b', 'ab', 'c', 'x.ts');
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const piece = fc.constantFrom('a', 'b', 'ab', '*', '**', '?', 'a*', '*.ts', '[ab]', '[^a]', '\\a', 'c**');
  const pattern = fc
    .tuple(fc.boolean(), fc.array(piece, { minLength: 1, maxLength: 4 }))
    .map(([negated, parts]) => (negated ? '!' : '') + parts.join('/'));

  test('never hides a file that is wanted, and walking agrees with asking', () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 5 }), path, (lines, path) => {
        const { root, ignores, prunes } = rules(...lines);
        const names = path.split('/');
        const file = names.pop() ?? '';
        let level: Level = root;
        let hidden = false;
        for (const name of names) {
          level = level.enter(name);
          hidden ||= level.pruned;
          assert.equal(prunes(level.path), level.pruned);
          assert.equal(ignores(level.path), level.ignored);
        }
        assert.equal(level.ignores(file), ignores(path));
        if (hidden) assert.equal(ignores(path), true, 'a pruned directory held something wanted');
      }),
      { numRuns: 3000, seed: 7 },
    );
  });
});
