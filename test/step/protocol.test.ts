// The protocol's lines: whatever way they are cut, each is read once, and what is none is refused.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LINE_CHARACTERS_MAX, LineReader, encode, type Message } from '../../src/step/protocol.js';

function read(texts: string[]): unknown[] {
  const lines: unknown[] = [];
  const reader = new LineReader((line) => lines.push(line));
  for (const text of texts) reader.push(text);
  return lines;
}

describe('the line reader', () => {
  test('gives each line once, in order, however the stream is cut', () => {
    const values = fc.array(fc.jsonValue(), { maxLength: 10 });
    fc.assert(
      fc.property(values, fc.array(fc.nat(30), { maxLength: 30 }), (values, cuts) => {
        const stream = values.map((value) => `${JSON.stringify(value)}\n`).join('');
        const texts: string[] = [];
        let at = 0;
        for (const length of cuts) texts.push(stream.slice(at, (at += length)));
        texts.push(stream.slice(at));
        expect(JSON.stringify(read(texts))).toBe(JSON.stringify(values));
      }),
    );
  });
  test('waits for the end of a line, and leaves out empty ones', () => {
    expect(read(['1\n\n', '\r\n', '2'])).toEqual([1]);
  });
  test('refuses what is no JSON, with the line, cut', () => {
    expect(() => read(['{"do":\n'])).toThrow('is no JSON: "{\\"do\\":"');
    expect(() => read([`${'z'.repeat(1000)}\n`])).toThrow(/"z{60}\.\.\."/);
  });
  test('refuses a line beyond the bound, also one that comes in pieces or never ends', () => {
    const piece = ' '.repeat(LINE_CHARACTERS_MAX / 4);
    expect(() => read([piece, piece, piece, piece, ' '])).toThrow('longer than');
    expect(() => read([`${piece}${piece}${piece}${piece} \n`])).toThrow('longer than');
    expect(read([piece, piece, piece, `${piece.slice(2)}1\n`])).toEqual([1]);
  });
  test('a wait without bound survives the way', () => {
    const event = { type: 'waitBegin', timeoutMs: Infinity, reason: 'idle', timeNs: 1 } as const;
    const message: Message = { type: 'traced', reactor: 1, reason: 'end', events: [event], eventsLost: 0 };
    expect(read([encode(message)])).toEqual([message]);
  });
});
