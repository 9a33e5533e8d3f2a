// The write queue by itself: what goes in comes out, in order, however it is cut, and in few pieces.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WriteQueue } from '../../src/net/write-queue.js';
import { pattern } from './world.js';

/** Takes out up to `max` bytes of the first `piecesMax` pieces, as a send does; null when the queue has none. */
function take(queue: WriteQueue, max: number, piecesMax = 1, bytesMax = Infinity): Uint8Array | null {
  const { pieces, offset } = queue;
  if (pieces.length === 0) return null;
  const count = queue.gather(piecesMax, bytesMax);
  expect(count >= 1 && count <= piecesMax).toBe(true);
  const all = pieces.slice(0, count).map((piece, i) => piece.subarray(i === 0 ? offset : 0, queue.endOf(i)));
  expect(count === 1 || Buffer.concat(all).length <= bytesMax).toBe(true);
  const bytes = Buffer.concat(all).subarray(0, max);
  if (bytes.length === 0) throw new Error('an empty piece would be sent for ever');
  queue.consume(bytes.length);
  return bytes;
}

test('bytes come out in order and complete, in any mixture of pushes and partial sends', () => {
  const action = fc.oneof(
    fc.record({ push: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 50_000 })) }),
    fc.record({
      take: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 50_000 })),
      pieces: fc.integer({ min: 1, max: 5 }),
      bytes: fc.integer({ min: 1, max: 60_000 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const queue = new WriteQueue();
      let pushed = 0;
      let taken = 0;
      const check = (bytes: Uint8Array): void => {
        expect(Buffer.from(bytes).equals(pattern(bytes.length, taken))).toBe(true);
        taken += bytes.length;
      };
      for (const one of actions) {
        if ('push' in one) {
          // In the middle of a larger buffer, so that a wrong start or end shows.
          const around = Buffer.concat([
            Buffer.alloc(3, 0xee),
            pattern(one.push, pushed),
            Buffer.alloc(3, 0xee),
          ]);
          queue.push(around, 3, 3 + one.push);
          pushed += one.push;
        } else {
          const bytes = take(queue, one.take, one.pieces, one.bytes);
          expect(bytes === null).toBe(pushed === taken);
          if (bytes !== null) {
            check(bytes);
          }
        }
        expect(queue.bytes).toBe(pushed - taken);
      }
      for (let bytes = take(queue, Infinity); bytes !== null; bytes = take(queue, Infinity)) check(bytes);
      expect(taken).toBe(pushed);
      expect(queue.bytes).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("a queued byte is a copy: the caller's buffer is the caller's again at once", () => {
  const queue = new WriteQueue();
  const bytes = Buffer.from('mine');
  queue.push(bytes, 0, 4);
  bytes.fill(0);
  expect(Buffer.from(take(queue, 4)!).toString()).toBe('mine');
});

test('a megabyte in single bytes becomes few pieces: neither objects nor system calls per byte', () => {
  const queue = new WriteQueue();
  const one = new Uint8Array(1);
  for (let i = 0; i < 1_048_576; i++) queue.push(one, 0, 1);
  expect(queue.bytes).toBe(1_048_576);
  let pieces = 0;
  while (pieces < 100 && take(queue, Infinity) !== null) pieces++;
  expect([pieces < 100, queue.bytes]).toEqual([true, 0]);
});

test('a few bytes take little room: thousands of connections may wait with a greeting queued', () => {
  const queue = new WriteQueue();
  queue.push(Buffer.from('hello'), 0, 5);
  expect(queue.pieces[0]!.buffer.byteLength).toBe(5);
  queue.push(Buffer.from('!'), 0, 1);
  let room = 0;
  for (let [bytes] = queue.pieces; bytes !== undefined; [bytes] = queue.pieces) {
    room += bytes.buffer.byteLength;
    take(queue, Infinity);
  }
  expect(room).toBeLessThanOrEqual(12);
});
