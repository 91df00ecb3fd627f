import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Event } from '../../../src/event.ts';
import { jsonReporter } from '../../../src/report/jsonl.ts';
import { badly, nasty, well } from './story.ts';

const time = '2026-01-02T03:04:05.678Z';

function written(events: readonly Event[]): string {
  let text = '';
  const emit = jsonReporter(
    (more) => (text += more),
    () => Date.parse(time),
  );
  for (const event of events) emit(event);
  return text;
}

function readBack(text: string): unknown[] {
  assert.ok(text.endsWith('\n'));
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

test('every event is a line that reads back, with its time first', () => {
  const events = [...well, ...badly];
  const text = written(events);
  assert.deepEqual(
    readBack(text),
    events.map((event) => ({ time, ...event })),
  );
  assert.ok(text.split('\n').every((line) => line === '' || line.startsWith(`{"time":"${time}","type":"`)));
});

test('whatever the names and texts are', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const events = nasty(text);
      assert.deepEqual(
        readBack(written(events)),
        events.map((event) => ({ time, ...event })),
      );
    }),
  );
});
