import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ByteQueue, type Message, MessageReader } from '../../../src/runner/frames.ts';

/** The bytes cut at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [
    0,
    ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b),
    bytes.length,
  ];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const places = fc.array(fc.nat());
const payload = fc.uint8Array({ maxLength: 40 });

/** `ok N…`, as the agent answers. */
const counts = (words: readonly string[]): readonly number[] | undefined =>
  words[0] === 'ok' ? words.slice(1).map(Number) : undefined;

const encode = (payloads: readonly Uint8Array[]): Buffer =>
  Buffer.concat([Buffer.from(`${['ok', ...payloads.map(({ length }) => length)].join(' ')}\n`), ...payloads]);

function readAll(pieces: readonly Uint8Array[]): { messages: Message[]; broken: string | undefined } {
  const reader = new MessageReader(counts);
  const messages: Message[] = [];
  for (const piece of pieces) {
    const read = reader.push(piece);
    messages.push(...read.messages);
    if (read.broken !== undefined) return { messages, broken: read.broken };
  }
  return { messages, broken: undefined };
}

describe('the byte queue', () => {
  test('gives back what was put in, however it is cut and taken', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), places, fc.array(fc.nat(20)), (bytes, cuts, sizes) => {
        const queue = new ByteQueue();
        for (const piece of cut(bytes, cuts)) queue.push(piece);
        const taken: Uint8Array[] = [];
        for (const size of sizes) taken.push(queue.take(Math.min(size, queue.length)));
        const { length } = queue;
        taken.push(queue.take(length));
        assert.equal(queue.length, 0);
        assert.deepEqual(Buffer.concat(taken), Buffer.from(bytes));
      }),
    );
  });

  test('gives lines once they are whole, and bytes in between', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[^\n\uD800-\uDFFF]{0,9}$/), payload)),
        places,
        (items, cuts) => {
          const all = Buffer.concat(items.flatMap(([line, bytes]) => [Buffer.from(`${line}\n`), bytes]));
          const queue = new ByteQueue();
          for (const piece of cut(all, cuts)) queue.push(piece);
          for (const [line, bytes] of items) {
            assert.equal(queue.line(), line);
            assert.deepEqual(Buffer.from(queue.take(bytes.length)), Buffer.from(bytes));
          }
          assert.equal(queue.line(), undefined);
          assert.equal(queue.length, 0);
        },
      ),
    );
  });

  test('has no line without its end', () => {
    const queue = new ByteQueue();
    queue.push(Buffer.from('half'));
    assert.equal(queue.line(), undefined);
    queue.push(Buffer.from(' a line\nrest'));
    assert.equal(queue.line(), 'half a line');
    assert.equal(queue.line(), undefined);
    assert.equal(queue.length, 4);
  });
});

describe('the message reader', () => {
  test('gives the same messages for any cuts', () => {
    fc.assert(
      fc.property(fc.array(fc.array(payload, { maxLength: 4 })), places, (messages, cuts) => {
        const read = readAll(cut(Buffer.concat(messages.map(encode)), cuts));
        assert.equal(read.broken, undefined);
        assert.deepEqual(
          read.messages.map((message) => message.payloads.map((bytes) => [...bytes])),
          messages.map((payloads) => payloads.map((bytes) => [...bytes])),
        );
      }),
    );
  });

  test('gives a message with its last byte, not before', () => {
    const bytes = encode([Buffer.from('ab'), Buffer.from(''), Buffer.from('c\n')]);
    const reader = new MessageReader(counts);
    for (const [index] of bytes.entries()) {
      const { messages } = reader.push(bytes.subarray(index, index + 1));
      assert.equal(messages.length, index === bytes.length - 1 ? 1 : 0);
    }
  });

  test('gives what came before a broken line, and names it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(payload, { maxLength: 3 }), { maxLength: 3 }),
        fc.constantFrom('sh: out of memory', 'ok x', 'ok -1', 'ok 1.5', 'ok 1e999', ''),
        places,
        (messages, line, cuts) => {
          const bytes = Buffer.concat([...messages.map(encode), Buffer.from(`${line}\nok 0\n`)]);
          const read = readAll(cut(bytes, cuts));
          assert.equal(read.broken, line);
          assert.equal(read.messages.length, messages.length);
        },
      ),
    );
  });
});
