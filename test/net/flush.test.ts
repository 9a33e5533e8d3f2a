// Replies held until the turn's end (flush: 'turn'): the same bytes arrive in the same order, only the calls come later.

import { constants } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Connection, ListenerHandlers } from '../../src/index.js';
import { Logs, World, fill, modes, pattern, scriptedModes, useWorld } from './world.js';
import type { Pair } from './world.js';

const echo: ListenerHandlers = {
  data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
};
/** Room for replies: as the real kernel's buffer has it, several reads large. */
const ROOMY = { bufferBytes: 256 * 1024 };

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode, ROOMY);

  /** Three echo connections that are ready in the same turn: the calls of that turn that move bytes. */
  async function callsOfATurn(flush: 'now' | 'turn'): Promise<string[]> {
    const w = world();
    const pairs: Pair[] = [];
    for (let i = 0; i < 3; i++) pairs.push(await w.pair(echo, {}, { flush }));
    await w.settle();
    for (const { client } of pairs) client.write('hello');
    w.scripted!.record();
    w.reactor.turn(0);
    w.scripted!.record(false);
    const calls = w.scripted!.calls.map(({ name }) => name).filter((name) => /recv|send/.test(name));
    await w.until(() => pairs.every(({ clientLog }) => clientLog.text === 'hello'));
    return calls;
  }
  // In edge mode a connection is read until EAGAIN.
  const reads = mode.trigger === 'edge' ? ['recv', 'recv'] : ['recv'];
  test("'turn': everything that is ready is read before the first reply leaves", async () => {
    expect(await callsOfATurn('turn')).toEqual([...reads, ...reads, ...reads, 'send', 'send', 'send']);
  });
  test("'now': each reply leaves in its write", async () => {
    const [first, ...more] = reads;
    const each = [first, 'send', ...more];
    expect(await callsOfATurn('now')).toEqual([...each, ...each, ...each]);
  });

  test('consecutive pieces of one read leave in one call', async () => {
    const w = world();
    const { client, clientLog } = await w.pair(
      {
        data: (connection, buffer, start, end) => {
          for (let at = start; at < end; at++) connection.write(buffer, at, at + 1);
        },
      },
      {},
      { flush: 'turn' },
    );
    client.write('a piece at a time');
    let sends = 0;
    w.scripted!.onCall(({ name }) => void (name === 'send' && sends++));
    await w.until(() => clientLog.text === 'a piece at a time');
    expect(sends).toBe(1);
  });

  test('what is larger than 4096 bytes, not of the own buffer, or outside of a handler leaves at once', async () => {
    const w = world();
    const sizes: number[] = [];
    const { client, clientLog, server } = await w.pair(
      {
        data: (connection, buffer, start, end) => {
          connection.write(buffer, start, end);
          sizes.push(connection.bytesWritten);
          connection.write('own words');
          sizes.push(connection.bytesWritten);
        },
      },
      {},
      { flush: 'turn' },
    );
    client.write(pattern(5000));
    await w.until(() => clientLog.length === 5009);
    expect(sizes).toEqual([5000, 5009]);
    server.write(w.reactor.kernel.buffer, 0, 10);
    expect(server.bytesWritten).toBe(5019);
  });

  test('a held reply that the kernel does not take is queued, and drains', async () => {
    const w = world();
    const { client, clientLog, server, serverLog } = await w.pair(echo, {}, { flush: 'turn' });
    w.scripted!.script('send', server.fd, -constants.errno.EAGAIN);
    w.scripted!.shortWrites(2);
    w.scripted!.feed(server.fd, Buffer.from('hello'));
    await w.until(() => clientLog.text === 'hello');
    expect(serverLog.events).toEqual(['open', 'data', 'drain']);
    expect(client.closed).toBe(false);
  });

  test('a held reply that the bound of the queue could not take is never half lost: write tells what it took', async () => {
    const w = world();
    let taken = 0;
    const { clientLog, server } = await w.pair(
      {
        data: (connection, buffer, start, end) => {
          for (let at = start; at < end; at += 50)
            taken += connection.write(buffer, at, Math.min(at + 50, end));
        },
      },
      {},
      { flush: 'turn', writeQueueBytesMax: 100 },
    );
    w.scripted!.script('send', server.fd, ...Array<number>(10).fill(-constants.errno.EAGAIN));
    w.scripted!.feed(server.fd, pattern(500));
    w.reactor.turn(0);
    expect(taken).toBeLessThan(500);
    await w.until(() => clientLog.length === taken);
    await w.settle();
    expect(clientLog.bytes.equals(pattern(taken))).toBe(true);
  });

  test('more held than there is room for: the rest leaves at once, and every byte is right', async () => {
    const w = world();
    const logs = new Logs(echo, false);
    const listener = w.listen(logs.handlers, { flush: 'turn' });
    const clients = new Logs();
    const sent: Buffer[] = [];
    for (let i = 0; i < 100; i++) {
      const client = w.connect(listener.address.port, clients.handlers);
      sent.push(pattern(4096, i * 1000));
      client.write(sent[i]!);
      clients.of(client);
    }
    await w.until(() => clients.all.every((log) => log.length === 4096));
    clients.all.forEach((log, i) => expect(log.bytes.equals(sent[i]!)).toBe(true));
  });
});

describe.each(modes)('$name', (mode) => {
  describe.each([false, true])('development %s', (development) => {
    const world = useWorld(mode, { ...ROOMY, development });

    test("replies held in a turn are not overwritten by a read of a connection that sends 'now'", async () => {
      const w = world();
      const held = await w.pair(echo, {}, { flush: 'turn' });
      const now = await w.pair(echo, {}, { flush: 'now' });
      await w.settle();
      held.client.write('held until the end');
      now.client.write('SENT IN THE MEANTIME, AND LONGER');
      await w.until(() => held.clientLog.length === 18 && now.clientLog.length === 32);
      expect(held.clientLog.text).toBe('held until the end');
      expect(now.clientLog.text).toBe('SENT IN THE MEANTIME, AND LONGER');
    });

    test('one read written to many connections reaches all of them', async () => {
      const w = world();
      const logs = new Logs({
        data: (_, buffer, start, end) => {
          for (const connection of logs.connections) connection.write(buffer, start, end);
        },
      });
      const listener = w.listen(logs.handlers, { flush: 'turn' });
      const clients = new Logs();
      const talker = w.connect(listener.address.port, clients.handlers);
      for (let i = 0; i < 5; i++) w.connect(listener.address.port, clients.handlers);
      await w.until(() => logs.all.length === 6 && clients.all.length === 6);
      talker.write('to everybody');
      await w.until(() => clients.all.every((log) => log.length === 12));
      expect(clients.all.map((log) => log.text)).toEqual(Array<string>(6).fill('to everybody'));
    });

    test('what one connection reads and another is given arrives as it was', async () => {
      const w = world();
      const out = await w.pair({}, {}, { flush: 'turn' });
      const into = await w.pair(
        { data: (_, buffer, start, end) => void out.server.write(buffer, start, end) },
        {},
        { flush: 'turn' },
      );
      into.client.write('through the middle');
      await w.until(() => out.clientLog.length === 18);
      expect(out.clientLog.text).toBe('through the middle');
    });

    test('the order is that of the writes, whatever they are cut from', async () => {
      const w = world();
      const { client, clientLog } = await w.pair(
        {
          data: (connection, buffer, start, end) => {
            connection.write(buffer, start, start + 3);
            connection.write('-');
            connection.write(buffer, start, end);
            connection.write(buffer, start + 1, start + 2);
            connection.write(Buffer.from('+'));
            connection.write(buffer, start, start);
            connection.write(buffer, end - 1, end);
          },
        },
        {},
        { flush: 'turn' },
      );
      client.write('abcdef');
      await w.until(() => clientLog.length >= 13);
      expect(clientLog.text).toBe('abc-abcdefb+f');
    });

    test.each(['end', 'close'] as const)('%s after a held reply: it is sent first', async (how) => {
      const w = world();
      const { client, clientLog, server } = await w.pair(
        {
          data: (connection, buffer, start, end) => {
            connection.write(buffer, start, end);
            connection[how]();
          },
        },
        {},
        { flush: 'turn' },
      );
      client.write('goodbye');
      await w.until(() => clientLog.closed);
      expect([clientLog.text, clientLog.closeError, server.bytesWritten]).toEqual(['goodbye', null, 7]);
    });

    test('a neighbour that closes, resets or shuts the reactor in the same turn: close sends, reset drops', async () => {
      const w = world();
      for (const how of ['close', 'reset'] as const) {
        const victim = await w.pair(echo, {}, { flush: 'turn' });
        const rude = await w.pair({ data: () => victim.server[how]() }, {}, { flush: 'turn' });
        await w.settle();
        victim.client.write('reply');
        rude.client.write('now');
        await w.until(() => victim.clientLog.closed);
        const code = victim.clientLog.closeError === null ? 'clean' : 'ECONNRESET';
        // Whichever of the two the kernel tells first: a reset never ends cleanly, a close never drops what was taken.
        if (how === 'reset') expect(code).toBe('ECONNRESET');
        else if (code === 'clean') expect(victim.clientLog.length).toBe(victim.server.bytesWritten);
        expect(victim.serverLog.closeError).toBeNull();
      }
      const last = await w.pair(
        {
          data: (connection, buffer, start, end) => {
            connection.write(buffer, start, end);
            w.reactor.close();
          },
        },
        {},
        { flush: 'turn' },
      );
      last.client.write('last words');
      w.reactor.turn(5);
      expect(last.server.bytesWritten).toBe(10);
    });

    test('a peer that is gone when the turn ends: the error comes by the handlers', async () => {
      const w = world();
      const { client, clientLog, serverLog } = await w.pair(
        {
          data: (connection, buffer, start, end) => {
            client.reset();
            expect(connection.write(buffer, start, end)).toBe(end - start);
          },
        },
        {},
        { flush: 'turn' },
      );
      client.write('question');
      await w.until(() => serverLog.closed && clientLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'error ECONNRESET', 'close ECONNRESET']);
    });

    test('a slow reader: held replies join the queue, and all of them arrive', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair(echo, {}, { flush: 'turn' });
      client.pause();
      const before = fill(server);
      let sent = 0;
      for (let i = 0; i < 50; i++) {
        sent += client.write(pattern(1000, sent));
        await w.until(() => serverLog.length === sent);
      }
      client.resume();
      await w.until(() => clientLog.length === before + sent);
      expect(clientLog.bytes.subarray(before).equals(pattern(sent))).toBe(true);
    });
  });

  describe('development', () => {
    const world = useWorld(mode, { ...ROOMY, development: true });

    test('a buffer kept until after the turn reads 0xdb, held replies or not', async () => {
      const w = world();
      const kept: Uint8Array[] = [];
      const handlers: ListenerHandlers = {
        data: (connection, buffer, start, end) => {
          connection.write(buffer, start, start + 2);
          kept.push(buffer.subarray(start, end));
        },
      };
      const pairs = [
        await w.pair(handlers, {}, { flush: 'turn' }),
        await w.pair(handlers, {}, { flush: 'turn' }),
      ];
      await w.settle();
      for (const { client } of pairs) client.write('precious');
      await w.until(() => pairs.every(({ clientLog }) => clientLog.text === 'pr'));
      expect(kept.map((bytes) => [...bytes])).toEqual(Array(2).fill(Array<number>(8).fill(0xdb)));
    });

    test('inside data the buffer is whole to the end, whatever was sent from it', async () => {
      const w = world();
      const seen: string[] = [];
      const { client } = await w.pair(
        {
          data: (connection, buffer, start, end) => {
            connection.write(buffer, start, end);
            connection.write('something else');
            seen.push(Buffer.from(buffer.subarray(start, end)).toString());
          },
        },
        {},
        { flush: 'turn' },
      );
      client.write('precious');
      await w.until(() => seen.length === 1);
      expect(seen).toEqual(['precious']);
    });
  });
});

describe.each(scriptedModes)('any mixture, $name', (mode) => {
  // Each connection writes pieces of what it reads to itself and to others, and words of its own between them.
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        from: fc.double({ min: 0, max: 1, noNaN: true }),
        length: fc.nat(200),
        to: fc.nat(3),
      }),
    },
    { weight: 1, arbitrary: fc.record({ words: fc.integer({ min: 1, max: 30 }), to: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ large: fc.constant(5000), to: fc.nat(3) }) },
  );
  const setting = fc.record({
    flushes: fc.array(fc.constantFrom('now' as const, 'turn' as const), { minLength: 4, maxLength: 4 }),
    development: fc.boolean(),
    bufferBytes: fc.constantFrom(1000, 65_536, 140_000, 262_144),
    shortWrites: fc.constantFrom(1, 7, 1000, Infinity),
    socketBufferBytes: fc.constantFrom(100, 65_536),
    writeQueueBytesMax: fc.constantFrom(1, 50, 300, 1_000_000),
    reads: fc.array(
      fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 6000 }), fc.array(step, { maxLength: 6 })),
      {
        maxLength: 15,
      },
    ),
    perTurn: fc.integer({ min: 1, max: 4 }),
  });

  test('what write() took of each connection is what its peer receives, in order', async () => {
    await fc.assert(
      fc.asyncProperty(setting, async ({ flushes, reads, perTurn, shortWrites, development, ...options }) => {
        const { writeQueueBytesMax, ...kernel } = options;
        const w = new World(mode, { ...kernel, development });
        const expected: Buffer[][] = flushes.map(() => []);
        const plans: (typeof reads)[number][2][][] = flushes.map(() => []);
        const pairs: Pair[] = [];
        const write = (to: number, bytes: Uint8Array, start: number, end: number): void => {
          const before = Buffer.from(bytes.slice(start, end));
          const taken = pairs[to]!.server.write(bytes, start, end);
          expected[to]!.push(before.subarray(0, taken));
        };
        const run = (self: number, buffer: Uint8Array, start: number, end: number): void => {
          for (const one of plans[self]!.shift() ?? []) {
            if ('words' in one) write(one.to, Buffer.from('w'.repeat(one.words)), 0, one.words);
            else if ('large' in one) write(one.to, pattern(one.large), 0, one.large);
            else {
              const at = start + Math.floor(one.from * (end - start));
              write(one.to, buffer, at, Math.min(at + one.length, end));
            }
          }
        };
        for (const [i, flush] of flushes.entries()) {
          const data = (_: Connection, buffer: Uint8Array, start: number, end: number): void =>
            run(i, buffer, start, end);
          pairs.push(await w.pair({ data }, {}, { flush, writeQueueBytesMax }));
        }
        w.scripted!.shortWrites(shortWrites);
        reads.forEach(([to, length, plan], i) => {
          plans[to]!.push(plan);
          w.scripted!.feed(pairs[to]!.server.fd, pattern(length, i * 977));
          if (i % perTurn === 0) w.reactor.turn(0);
        });
        const length = (chunks: Buffer[]): number => chunks.reduce((sum, { length }) => sum + length, 0);
        await w.settle();
        await w.until(() => pairs.every(({ server }) => server.queuedBytes === 0));
        await w.until(() => pairs.every(({ clientLog }, i) => clientLog.length === length(expected[i]!)));
        pairs.forEach(({ clientLog }, i) =>
          expect(clientLog.bytes.equals(Buffer.concat(expected[i]!))).toBe(true),
        );
        await w.finish();
      }),
      { numRuns: 150 },
    );
  });
});
