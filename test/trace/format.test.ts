// The format of traces: what was recorded is read back as it was, and what is damaged gives a coded error or all whole records.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observer } from '../../src/index.js';
import { UnderloopError } from '../../src/index.js';
import type { Timer } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import { HEADER_BYTES, ITEM_KINDS, RECORD } from '../../src/trace/format.js';
import { Recorder, readTrace } from '../../src/trace/index.js';
import type { TraceEvent } from '../../src/trace/index.js';
import { thrown } from '../reactor/fixture.js';

const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const count = fc.nat(1000);
const bits = fc.nat(127);
const name = fc.string({ maxLength: 20, unit: 'grapheme' });
const kind = fc.constantFrom(...ITEM_KINDS);

/** A call of the observer, and what it must be read back as. */
type Told = { tell: (recorder: Recorder) => void; event: object };
const told = <T>(
  fields: fc.Arbitrary<T>,
  tell: (recorder: Recorder, fields: T) => void,
  event: (fields: T) => object,
): fc.Arbitrary<Told> =>
  fields.map((value) => ({ tell: (recorder) => tell(recorder, value), event: event(value) }));

const named = (text: string) => Object.defineProperty(() => undefined, 'name', { value: text });
const timerOf = (fields: { timer: number; deadlineMs: number; name: string }) =>
  ({ sequence: fields.timer, deadlineMs: fields.deadlineMs, name: fields.name }) as unknown as Timer;

const anyTold: fc.Arbitrary<Told> = fc.oneof(
  told(
    fc.record({ fd: int, readiness: bits, slot: int, generation: int, raw: fc.nat() }),
    (r, f) => r.readiness(f.fd, f.readiness, f.slot, f.generation, f.raw),
    (f) => ({ type: 'readiness', ...f }),
  ),
  told(
    fc.record({ kind: kind.filter((one) => one !== 'timer'), name, fd: int, readiness: bits }),
    (r, f) => r.itemBegin(f.kind, named(f.name), f.fd, f.readiness),
    (f) => ({ type: 'itemBegin', ...f, timer: -1 }),
  ),
  told(
    fc.record({ timer: count, deadlineMs: fc.double({ noNaN: true }), name }),
    (r, f) => r.itemBegin('timer', timerOf(f), -1, 0),
    (f) => ({ type: 'itemBegin', kind: 'timer', name: f.name, fd: -1, readiness: 0, timer: f.timer }),
  ),
  told(
    fc.record({ timer: count, deadlineMs: fc.double({ noNaN: true }), name }),
    (r, f) => r.timerSet(timerOf(f)),
    (f) => ({ type: 'timerSet', ...f }),
  ),
  told(
    fc.record({ kind }),
    (r, f) => r.itemEnd(f.kind),
    (f) => ({ type: 'itemEnd', ...f }),
  ),
  told(
    fc.record({ slot: int, generation: int, readiness: bits }),
    (r, f) => r.stale(f.slot, f.generation, f.readiness),
    (f) => ({ type: 'stale', ...f }),
  ),
  told(
    fc.record({
      change: fc.constantFrom('add', 'modify', 'remove', 'park'),
      fd: int,
      interest: bits,
      slot: int,
      generation: int,
    }),
    (r, f) => r.interest(f.change, f.fd, f.interest, f.slot, f.generation),
    (f) => ({ type: 'interest', ...f }),
  ),
  told(
    fc.record({
      timeoutMs: fc.double({ noNaN: true }),
      reason: fc.constantFrom('queued', 'timer', 'host', 'idle'),
    }),
    (r, f) => r.waitBegin(f.timeoutMs, f.reason),
    (f) => ({ type: 'waitBegin', ...f }),
  ),
  told(
    fc.record({ kind, message: name }),
    (r, f) => r.error(Object.assign(new Error(f.message), { name: 'E' }), f.kind),
    (f) => ({ type: 'error', kind: f.kind, message: `E: ${f.message}` }),
  ),
  told(
    fc.record({ name: fc.constantFrom('recv', 'send', 'close', 'x'), result: int, fd: int, a: int, b: int }),
    (r, f) => r.call(f.name, [f.fd, f.a, f.b], f.result, f.fd, f.a, f.b),
    (f) => ({ type: 'call', ...f, text: '' }),
  ),
  told(
    fc.record({ fd: int, host: fc.ipV4(), port: count }),
    (r, f) => r.call('bind', [f.fd, { host: f.host, port: f.port }], 0, f.fd, 0, 0),
    (f) => ({
      type: 'call',
      name: 'bind',
      result: 0,
      fd: f.fd,
      a: 0,
      b: 0,
      text: `${f.host}:${String(f.port)}`,
    }),
  ),
  told(
    fc.record({ text: name }),
    (r, f) => r.mark(f.text),
    (f) => ({ type: 'mark', ...f }),
  ),
  told(
    fc.record({ kind, name }),
    (r, f) => r.queued(f.kind, named(f.name)),
    (f) => ({ type: 'queued', ...f }),
  ),
  told(
    fc.record({ name }),
    (r, f) => r.resumed(f.name),
    (f) => ({ type: 'resumed', ...f }),
  ),
  told(
    fc.record({ timers: count, readinesses: count, posted: count, deferred: count, closed: count }),
    (r, f) => r.batch(f.timers, f.readinesses, f.posted, f.deferred, f.closed),
    (f) => ({ type: 'batch', ...f }),
  ),
);

/** A recorder on a scripted clock that goes on by `stepMs` at each reading. */
function recorder(ringBytes: number, stepMs: number): Recorder {
  const kernel = new ScriptedKernel();
  const now = kernel.now.bind(kernel);
  kernel.now = () => {
    kernel.clock.advance(stepMs);
    return now();
  };
  const made = new Recorder({ ringBytes });
  made.reactorOpened({ kernel, poller: kernel.openPoller('scripted') as never });
  return made;
}

/** The events without their times, and with the times checked. */
function untimed(events: Iterable<TraceEvent>): object[] {
  let lastNs = -1;
  return [...events].map(({ timeNs, ...event }) => {
    expect(timeNs).toBeGreaterThanOrEqual(lastNs);
    lastNs = timeNs;
    return event;
  });
}

describe('a trace', () => {
  test('gives random records back as they were told, however far apart in time', () => {
    fc.assert(
      fc.property(
        fc.array(anyTold, { maxLength: 300, size: 'max' }),
        // 3 s is more than a record's own 31 bits of nanoseconds can tell.
        fc.constantFrom(0, 0.000001, 1, 3000),
        (all, stepMs) => {
          const made = recorder(1024 * 1024, stepMs);
          for (const { tell } of all) tell(made);
          const [first, ...rest] = untimed(readTrace(made.toBytes()));
          expect(first).toMatchObject({ type: 'reactorOpened', kernel: 'scripted', poller: 'scripted' });
          expect(rest).toEqual(all.map(({ event }) => event));
        },
      ),
      { numRuns: 150 },
    );
  });
  test('in a small ring keeps the newest records, whole, and counts the lost ones', () => {
    fc.assert(
      fc.property(fc.array(anyTold, { minLength: 50, maxLength: 100 }), (all) => {
        const made = recorder(16 * 1024, 0.1);
        const rounds = 30;
        for (let round = 0; round < rounds; round++) for (const { tell } of all) tell(made);
        const trace = readTrace(made.toBytes());
        const kept = untimed(trace);
        expect(trace.header.ring).toBe(true);
        expect(made.lost).toBeGreaterThan(0);
        expect(trace.header.lost).toBe(made.lost);
        const told = Array.from({ length: rounds }, () => all.map(({ event }) => event)).flat();
        expect(kept).toEqual(told.slice(-kept.length));
        expect(kept.length).toBeGreaterThan(100);
      }),
      { numRuns: 20 },
    );
  });
  test('has times in nanoseconds on the reactor’s clock', () => {
    const made = recorder(64 * 1024, 0);
    for (const nowMs of [1.000001, 5000, 5000.25]) made.turnBegin(1, nowMs);
    const times = [...readTrace(made.toBytes())].slice(1).map(({ timeNs }) => timeNs);
    expect(times).toEqual([1_000_001, 5e9, 5_000_250_000]);
  });
  test('cuts a text that is too long, and never a character in two', () => {
    const made = recorder(64 * 1024, 0);
    made.mark('ü'.repeat(5000));
    const [, mark] = [...readTrace(made.toBytes())];
    expect(mark).toMatchObject({ type: 'mark', text: 'ü'.repeat(494) });
  });
  test('names more texts than it has numbers for by one that says so', () => {
    const made = recorder(16 * 1024, 0);
    for (let i = 0; i < 65_600; i++) made.resumed(`text ${String(i)}`);
    expect([...readTrace(made.toBytes())].at(-1)).toMatchObject({
      name: '(more texts than a trace can name)',
    });
  });
  test('survives what handlers throw that cannot be shown', () => {
    const made = recorder(16 * 1024, 0);
    const hostile = Object.defineProperty(new Error(), 'message', {
      get: () => {
        throw new Error('no');
      },
    });
    for (const error of [hostile, null, undefined, Symbol('s'), 7]) made.error(error, 'posted');
    const messages = [...readTrace(made.toBytes())].flatMap((event) =>
      event.type === 'error' ? [event.message] : [],
    );
    expect(messages).toEqual(['(an error that cannot be shown)', 'null', 'undefined', 'Symbol(s)', '7']);
  });
});

/** A trace with some of everything. */
function sample(): Buffer {
  const made = recorder(64 * 1024, 0.5);
  const tell: Observer = made;
  for (let turn = 1; turn <= 20; turn++) {
    tell.turnBegin(turn, turn);
    tell.waitBegin(Infinity, 'idle');
    tell.waitEnd(1);
    tell.readiness(7, 1, 2, 3, 1);
    tell.itemBegin('readiness', named(`handler ${String(turn)}`), 7, 1);
    tell.call('recv', [7, 0, 64], -11, 7, 0, 64);
    tell.itemEnd('readiness', named(''));
    tell.turnEnd(turn);
    made.mark('a mark');
  }
  return Buffer.from(made.toBytes());
}

describe('what is no whole trace', () => {
  const whole = sample();
  const events = [...readTrace(whole)];

  test('cut anywhere behind its header gives all whole records, and says that its end is missing', () => {
    for (let length = HEADER_BYTES; length < whole.length; length++) {
      const trace = readTrace(whole.subarray(0, length));
      const read = [...trace];
      expect(read).toEqual(events.slice(0, read.length));
      const atBlock = read.length === 0 && !trace.truncated;
      expect(trace.truncated || atBlock, `cut at ${String(length)}`).toBe(true);
    }
  });
  test('a hole of zeros, where a block was still on its way, ends it', () => {
    const holed = Buffer.concat([whole, Buffer.alloc(4096), whole.subarray(HEADER_BYTES)]);
    const trace = readTrace(holed);
    expect([...trace]).toEqual(events);
    expect(trace.truncated).toBe(true);
  });
  test('something else, another version, another header', () => {
    const code = (change: (bytes: Buffer) => void): string | undefined => {
      const bytes = Buffer.from(whole);
      change(bytes);
      return thrown(() => [...readTrace(bytes)]).code;
    };
    expect(thrown(() => readTrace(Buffer.from('GIF89a, and more than a header of bytes'))).code).toBe(
      'ERR_TRACE_FORMAT',
    );
    expect(thrown(() => readTrace(new Uint8Array(0))).code).toBe('ERR_TRACE_FORMAT');
    expect(code((bytes) => bytes.writeUInt32LE(2, 12))).toBe('ERR_TRACE_VERSION');
    expect(code((bytes) => bytes.writeUInt32LE(7, 8))).toBe('ERR_TRACE_CORRUPT');
    expect(code((bytes) => bytes.writeUInt32LE(0x12345678, HEADER_BYTES))).toBe('ERR_TRACE_CORRUPT');
    expect(code((bytes) => bytes.writeUInt32LE(0x7ffffffc, HEADER_BYTES + 8))).toBe('ERR_TRACE_CORRUPT');
    expect(thrown(() => readTrace(whole.subarray(0, 40))).code).toBe('ERR_TRACE_CORRUPT');
    expect(thrown(() => readTrace(7 as unknown as string)).code).toBe('ERR_ARGUMENT');
    expect(thrown(() => readTrace('no/such/file')).code).toBe('ENOENT');
  });
  test('random damage never hangs and gives records or a coded error, nothing else', () => {
    let failed = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            // No more records than fit, whatever their lengths say.
            let read = 0;
            for (const _ of readTrace(bytes)) read++;
            expect(read).toBeLessThanOrEqual(bytes.length / 8);
          } catch (error) {
            failed++;
            expect(error).toBeInstanceOf(UnderloopError);
            expect((error as UnderloopError).code).toMatch(/^ERR_TRACE_/);
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(failed).toBeGreaterThan(200);
  });
  test('a trace of a machine of the other byte order is read as well', () => {
    const swapped = Buffer.from(whole);
    // Everything in it is words of 4 bytes but magic, texts and doubles; a header alone will do.
    swapped.subarray(8, 24).swap32();
    swapped.subarray(24, 48).swap64();
    swapped.subarray(48, 56).swap32();
    const { header } = readTrace(swapped.subarray(0, HEADER_BYTES));
    expect(header).toEqual({ ...readTrace(whole).header, littleEndian: false });
  });
  test('every type of record has a number of its own', () => {
    const numbers = Object.values(RECORD);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});
