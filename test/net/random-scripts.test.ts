// Random scripts of writes, pauses, ends and resets on both ends, over a kernel that takes and gives a few bytes at a time.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Connection, ConnectionHandlers } from '../../src/index.js';
import { Logs, World, pattern, scriptedModes } from './world.js';
import type { Log } from './world.js';

type Action =
  | { do: 'write'; bytes: number }
  | { do: 'pause' | 'resume' | 'end' | 'close' | 'reset' | 'throw' }
  | { do: 'turn' };

const side = fc.constantFrom('client', 'server');
const calm: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write'), bytes: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('throw') }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn') }) },
) as fc.Arbitrary<Action>;
const rough = fc.oneof(
  { weight: 12, arbitrary: calm },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('close', 'reset') }) },
) as fc.Arbitrary<Action>;

const setting = fc.record({
  shortReads: fc.oneof(
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 100, max: 2000 }),
    fc.constant(Infinity),
  ),
  shortWrites: fc.oneof(
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 100, max: 2000 }),
    fc.constant(Infinity),
  ),
  socketBufferBytes: fc.integer({ min: 1, max: 4000 }),
  writeQueueBytesMax: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1000, max: 9000 })),
  bufferBytes: fc.integer({ min: 1, max: 2000 }),
  connectDelayMs: fc.constantFrom(0, 5),
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

/** One end: what it wrote, in order, and what it was told. */
interface End {
  connection: Connection | null;
  /** Taken by write(): the first so many bytes of {@link pattern}. */
  taken: number;
  throwing: boolean;
  ended: boolean;
  logs: Logs;
}

function end(): End {
  const self: End = { connection: null, taken: 0, throwing: false, ended: false, logs: null as never };
  const handlers: ConnectionHandlers = {
    open: (connection) => (self.connection ??= connection),
    data: () => {
      if (!self.throwing) return;
      self.throwing = false;
      throw new Error('from data');
    },
    readClosed: (connection) => void (self.ended && connection.end()),
  };
  self.logs = new Logs(handlers);
  return self;
}

function act(self: End, action: Action): void {
  const { connection } = self;
  if (connection === null || connection.closed) return;
  switch (action.do) {
    case 'write':
      if (connection.writable) self.taken += connection.write(pattern(action.bytes, self.taken));
      break;
    case 'end':
      self.ended = true;
      connection.end();
      break;
    case 'throw':
      self.throwing = true;
      break;
    case 'turn':
      break;
    default:
      connection[action.do]();
  }
}

function run(mode: (typeof scriptedModes)[number], options: Setting, script: [string, Action][]): void {
  const { writeQueueBytesMax, shortReads, shortWrites, ...kernel } = options;
  const w = new World(mode, kernel);
  w.scripted!.shortReads(shortReads);
  w.scripted!.shortWrites(shortWrites);
  const ends = { client: end(), server: end() };
  const listener = w.listen(ends.server.logs.handlers, { writeQueueBytesMax });
  ends.client.connection = w.connect(listener.address.port, ends.client.logs.handlers, {
    writeQueueBytesMax,
  });
  let violent = false;
  for (const [who, action] of script) {
    if (action.do === 'turn') w.reactor.turn(1);
    else act(ends[who as keyof typeof ends], action);
    violent ||= action.do === 'close' || action.do === 'reset';
  }
  // To its end: nobody is paused any more, both end, and the reactor runs until nothing keeps it alive.
  listener.unref();
  const finish = (): void => {
    for (const one of [ends.client, ends.server]) {
      one.throwing = false;
      one.connection?.resume();
      one.ended = true;
      one.connection?.end();
    }
  };
  for (let turns = 0; w.reactor.alive; turns++) {
    expect(turns).toBeLessThan(100_000);
    finish();
    w.reactor.turn(10);
  }
  for (const message of w.takeErrors()) expect(message).toBe('from data');

  const log = (one: End): Log | undefined => one.logs.all[0];
  for (const [sender, receiver] of [
    [ends.client, ends.server],
    [ends.server, ends.client],
  ] as const) {
    const got = log(receiver)?.bytes ?? Buffer.alloc(0);
    // What arrives is what was written, from its beginning, whatever else happened: no loss inside, no exchange, no copy.
    expect(got.length).toBeLessThanOrEqual(sender.taken);
    expect(got.equals(pattern(got.length))).toBe(true);
    // All of it arrives, unless somebody closed or reset. Then an end may lack bytes; without that, never.
    if (!violent) {
      expect(got.length).toBe(sender.taken);
      expect(log(sender)?.closeError ?? null).toBeNull();
      expect(sender.connection?.bytesWritten ?? 0).toBe(sender.taken);
      expect(receiver.connection?.bytesRead ?? 0).toBe(sender.taken);
    }
    // Close exactly once, always last (Log refuses more), open before everything else, no error without close.
    if (sender.connection !== null) {
      expect(sender.connection.closed).toBe(true);
      expect(log(sender)?.closed).toBe(true);
      const events = log(sender)!.events;
      expect(events.filter((event) => event.startsWith('error')).length).toBe(
        log(sender)!.closeError ? 1 : 0,
      );
      if (events.includes('open')) expect(events[0]).toBe('open');
      else expect(events.some((event) => ['data', 'drain', 'readClosed'].includes(event))).toBe(false);
    }
  }
  listener.close();
  w.reactor.close();
  expect(w.scripted!.openFds()).toEqual([]);
}

describe.each(scriptedModes)('$name', (mode) => {
  const script = (action: fc.Arbitrary<Action>): fc.Arbitrary<[string, Action][]> =>
    fc.array(fc.tuple(side, action), { maxLength: 80 });

  test('without close and reset every byte that write() took arrives, in order, and both ends close cleanly', () => {
    fc.assert(
      fc.property(setting, script(calm), (options, actions) => run(mode, options, actions)),
      { numRuns: 200 },
    );
  });

  test('with closes and resets at any moment, what arrives is a beginning of what was written, and close comes once', () => {
    fc.assert(
      fc.property(setting, script(rough), (options, actions) => run(mode, options, actions)),
      { numRuns: 200 },
    );
  });
});
