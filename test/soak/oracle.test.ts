// What the soak's verdict stands on: frames that tell every loss, and two accounts of each connection.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

/** The soak is plain JavaScript; its modules come without types. */
const load = (name: string) => import(new URL(name, import.meta.url).href);
const { FrameReader, PATTERN_SEED, helloFrame, makePattern, writeFrame } = await load('frames.js');
const { Judge } = await load('judge.js');
const { classesOf } = await load('mappings.js');
const { growthOf } = await load('memory.js');
const { planOf } = await load('plan.js');

const pattern = makePattern(PATTERN_SEED) as Buffer;

function stream(number: number, lengths: number[]): Buffer {
  const frames = lengths.map((length, sequence) => {
    const frame = Buffer.alloc(16 + length);
    writeFrame(pattern, frame, number, sequence, length);
    return frame;
  });
  return Buffer.concat([helloFrame(number) as Buffer, ...frames]);
}

function read(bytes: Buffer, cuts: number[] = []) {
  const reader = new FrameReader(pattern, -1);
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < places.length; i++) reader.feed(bytes, places[i - 1], places[i]);
  return reader as { fault: string | null; frames: number; bytes: number; number: number; whole: boolean };
}

describe('frames', () => {
  const lengthsOf = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 8 });
  const cutsOf = fc.array(fc.nat());

  test('are read whole, however the stream is cut into pieces', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), lengthsOf, cutsOf, (number, lengths, cuts) => {
        const bytes = stream(number, lengths);
        const reader = read(bytes, cuts);
        expect(reader).toMatchObject({
          fault: null,
          frames: lengths.length,
          bytes: bytes.length,
          number,
          whole: true,
        });
      }),
      { numRuns: 200 },
    );
  });

  test('one byte that is changed, doubled or missing is found', () => {
    const places = fc.tuple(lengthsOf, fc.nat(), fc.constantFrom('change', 'double', 'drop'));
    fc.assert(
      fc.property(places, cutsOf, ([lengths, place, how], cuts) => {
        const bytes = stream(5, lengths);
        const at = place % bytes.length;
        const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + 1)];
        const piece = { change: [bytes[at]! ^ 1], double: [bytes[at]!, bytes[at]!], drop: [] }[how]!;
        const reader = read(Buffer.concat([before, Buffer.from(piece), after]), cuts);
        // What is missing or too much in the last frame shows at the end of the stream.
        expect(reader.fault !== null || !reader.whole || reader.frames !== lengths.length).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('frames of another connection, or in another order, are found', () => {
    const one = stream(1, [4, 4]);
    const [hello, first, second] = [one.subarray(0, 16), one.subarray(16, 36), one.subarray(36)];
    expect(read(Buffer.concat([hello, second])).fault).toMatch(/frame 1 arrived in place of frame 0/);
    expect(read(Buffer.concat([hello, first, first])).fault).toMatch(/frame 0 arrived in place of frame 1/);
    expect(read(Buffer.concat([helloFrame(2) as Buffer, first])).fault).toMatch(
      /of connection 1 .* on connection 2/,
    );
  });
});

describe('the judge', () => {
  // number, state, code, sent, received, frames sent, frames received, fault
  type Row = [number, string, string, number, number, number, number, string | null];
  const row = (state: string, sent: number, received: number, code = ''): Row => [
    7,
    state,
    code,
    sent,
    received,
    1,
    1,
    null,
  ];
  function lostOf(server: Row[], peer: Row[], known = { anonymous: 0, refused: 0 }): number {
    const judge = new Judge();
    judge.take('server', server);
    judge.take('peer', peer);
    judge.finish(known, { anonymous: 0 });
    return judge.lost;
  }

  test.each([
    ['both ended well with every byte', row('done', 10, 20), row('done', 20, 10), 0],
    ['a byte less than was sent arrived', row('done', 10, 19), row('done', 20, 10), 1],
    ['a byte less arrived at the peer', row('done', 10, 20), row('done', 20, 9), 1],
    ['a byte more arrived than was sent', row('done', 10, 21), row('done', 20, 10), 1],
    ['an error that nobody has announced', row('failed', 10, 20, 'ECONNRESET'), row('done', 20, 10), 1],
    ['an end too early that nobody has announced', row('cut', 10, 20), row('done', 20, 10), 1],
    [
      'the server cut it off: its tail is excused',
      row('aborted', 10, 5),
      row('failed', 20, 8, 'ECONNRESET'),
      0,
    ],
    ['the peer cut it off', row('failed', 10, 5, 'EPIPE'), row('aborted', 20, 8), 0],
    ['cut off, but with a byte that was never sent', row('aborted', 10, 5), row('failed', 20, 11), 1],
    ['one on which nothing moved any more', row('aborted', 10, 5), row('stuck', 20, 8), 1],
  ])('%s', (_, server, peer, lost) => {
    expect(lostOf([server], [peer])).toBe(lost);
  });
  test('a wrong frame is a loss, also where the connection was cut off', () => {
    const faulty = row('aborted', 10, 5);
    faulty[7] = 'frame 2 arrived in place of frame 1';
    expect(lostOf([faulty], [row('failed', 20, 8)])).toBe(1);
  });
  test('a connection that closes twice at one end', () => {
    expect(lostOf([row('aborted', 1, 0), row('aborted', 1, 0)], [row('failed', 0, 1)])).toBeGreaterThan(0);
  });
  test('one that only the peer knows must be counted by the server as turned away', () => {
    const refused = row('failed', 16, 0, 'ECONNRESET');
    expect(lostOf([], [refused], { anonymous: 0, refused: 1 })).toBe(0);
    expect(lostOf([], [refused])).toBe(1);
    expect(lostOf([], [row('done', 16, 16)], { anonymous: 0, refused: 1 })).toBe(1);
  });
});

describe('growth of memory', () => {
  const MIB = 2 ** 20;
  /** A sample each ten seconds, until `minutes`; `drained` more minutes at the end are those of the drain. */
  const samples = (minutes: number, ownMib: (minute: number) => number, drained = 0) =>
    Array.from({ length: (minutes + drained) * 6 + 1 }, (_, i) => {
      const ownBytes = ownMib(i / 6) * MIB;
      const rest = { pssBytes: ownBytes, heapBytes: 3 * MIB, youngBytes: MIB, oldBytes: 2 * MIB };
      const draining = i > minutes * 6;
      return { atMs: i * 10_000, draining, ownBytes, ...rest, mallocBytes: MIB, mappings: i };
    });

  test('is the median of the last five minutes against that of minutes five to ten', () => {
    expect(growthOf(samples(60, (minute) => Math.min(minute, 5))).ownMib).toBe(0);
    expect(growthOf(samples(60, (minute) => minute)).ownMib).toBeCloseTo(50, 0);
    expect(growthOf(samples(60, (minute) => minute))).toMatchObject({ windowMs: 300_000, endMs: 3_600_000 });
    // What lasted less than half of a window is no growth, in neither of them.
    expect(growthOf(samples(60, (minute) => (minute > 58 ? 99 : 5))).ownMib).toBe(0);
    expect(growthOf(samples(60, (minute) => (minute > 6 && minute < 8 ? 99 : 5))).ownMib).toBe(0);
    // What came between them to stay is.
    expect(growthOf(samples(60, (minute) => (minute > 30 ? 8 : 5))).ownMib).toBe(3);
  });
  test('has shorter windows in a run below a quarter of an hour, and is null below seven minutes', () => {
    expect(growthOf(samples(6, () => 1))).toBe(null);
    expect(growthOf(samples(7, (minute) => minute))).toMatchObject({ windowMs: 60_000 });
    expect(growthOf(samples(7, (minute) => minute)).ownMib).toBeCloseTo(1, 0);
    expect(growthOf(samples(11, () => 1))).toMatchObject({ windowMs: 180_000, ownMib: 0 });
    expect(growthOf([])).toBe(null);
  });
  test('leaves out the samples of the drain, also where they are many', () => {
    const drained = samples(20, (minute) => (minute > 20 ? 40 : 5), 10);
    expect(growthOf(drained)).toMatchObject({ ownMib: 0, endMs: 20 * 60_000 });
    expect(growthOf(samples(6, () => 1, 10))).toBe(null);
  });
  test('says which part of it grew', () => {
    const grown = samples(20, (minute) => (minute > 15 ? 9 : 5)).map((sample) => ({
      ...sample,
      mallocBytes: sample.atMs > 15 * 60_000 ? 4 * MIB : MIB,
    }));
    const parts = { ownMib: 4, mallocMib: 3, restMib: 1, youngMib: 0, oldMib: 0, liveMib: 0 };
    expect(growthOf(grown)).toMatchObject(parts);
  });

  test('private pages are told apart by the kind of mapping', () => {
    const range = (addresses: string, rights: string, name: string, kib: number) =>
      `${addresses} ${rights} 00000000 00:00 0 ${name}\nRss: 9 kB\nAnonymous:  ${String(kib)} kB\nKSM: 0 kB\n`;
    const text = [
      range('5500000000-5500010000', 'rw-p', '                   /usr/bin/node', 8),
      range('5600000000-5600020000', 'rw-p', '                   [heap]', 100),
      range('7f0000000000-7f0000021000', 'rw-p', '', 16), // an arena, and the rest of its 64 MiB
      range('7f0000021000-7f0004000000', '---p', '', 0),
      range('7f0008000000-7f0008040000', 'rw-p', '', 256), // aligned as one, but nothing behind it
      range('7f0009000000-7f0009040000', 'rw-p', '[anon: something]', 32),
      range('7ffc00000000-7ffc00021000', 'rw-p', '[stack]', 12),
    ].join('');
    expect(classesOf(text)).toEqual({
      mallocBytes: 116 * 1024,
      stackBytes: 12 * 1024,
      fileBytes: 8 * 1024,
      anonymousBytes: 288 * 1024,
      mappings: 7,
    });
  });
});

test('the same seed and number give the same plan, others another', () => {
  expect(planOf(1, 2)).toEqual(planOf(1, 2));
  const plans = new Set(Array.from({ length: 100 }, (_, i) => JSON.stringify(planOf(i % 10, i))));
  expect(plans.size).toBe(100);
});
