// Connections over completions, where it is hard: pools that run dry, queues that overflow, slow readers, closes in flight.

import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, it, test } from 'vitest';
import type { RingConnection } from '../../src/uring/connection.js';
import type { RingListenerHandlers } from '../../src/uring/listener.js';
import { unavailable, type RingOptions } from '../../src/uring/kernel.js';
import { Peer, echo, openDescriptors, serve, until, type Server } from './tools.js';

const servers: Server[] = [];
const peers: Peer[] = [];
function start(...args: Parameters<typeof serve>): Server {
  const server = serve(...args);
  servers.push(server);
  return server;
}
async function open(server: Server, count = 1): Promise<Peer[]> {
  const opened = await Peer.all(server.port, count);
  peers.push(...opened);
  return opened;
}
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  for (const { proactor, ran } of servers.splice(0)) {
    proactor.reactor.close();
    await ran;
  }
});
const pattern = (length: number, seed = 0): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) + seed) & 0xff));

const kinds: [string, RingOptions][] = [
  ['as the kernel has it', {}],
  ['single-shot', { multishot: false }],
  ['not deferred', { deferred: false }],
  ['a pool of two small buffers: it runs dry again and again', { buffers: 2, bufferBytes: 64 }],
  ['a completion queue of four: it overflows', { completionsMax: 4 }],
];

describe.skipIf(unavailable() !== null)('over completions', () => {
  describe.each(kinds)('%s', (_, options) => {
    it('echoes what 40 connections send at once, each byte in its place', async () => {
      const server = start(echo, options);
      const opened = await open(server, 40);
      for (let round = 0; round < 5; round++) {
        opened.forEach(({ socket }, i) => socket.write(pattern(50 + i * 97, i + round)));
        await Promise.all(opened.map((peer, i) => peer.received((round + 1) * (50 + i * 97))));
      }
      opened.forEach((peer, i) => {
        const sent = Buffer.concat([0, 1, 2, 3, 4].map((round) => pattern(50 + i * 97, i + round)));
        expect(Buffer.concat(peer.chunks).equals(sent)).toBe(true);
      });
      expect(server.errors).toEqual([]);
      for (const { socket } of opened) socket.end();
      await until(() => server.listener.connections === 0, 'the end of all connections');
    });

    it('keeps the order of bytes to a client that reads nothing for long, and tells when all is sent', async () => {
      let drained = 0;
      let taken = 0;
      const all = pattern(3_000_000);
      const push = (connection: RingConnection): void => {
        while (taken < all.length) {
          const size = Math.min(1 + ((taken * 7) % 90_000), all.length - taken);
          const count = connection.write(all, taken, taken + size);
          taken += count;
          if (count < size) return;
        }
      };
      const server = start(
        {
          open: (connection) => push(connection),
          drain(connection) {
            drained++;
            push(connection);
          },
        },
        { ...options, writeQueueBytesMax: 200_000 },
      );
      const [peer] = await open(server);
      peer!.socket.pause();
      // The kernel's buffers are full, and then the bound: nothing moves any more.
      let before = -1;
      while (before !== taken) {
        before = taken;
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      peer!.socket.resume();
      await peer!.received(all.length);
      expect(Buffer.concat(peer!.chunks).equals(all)).toBe(true);
      expect(drained).toBeGreaterThan(0);
    });
  });

  it('writes of one turn, from whatever memory, leave in their order', async () => {
    const script = fc.array(fc.record({ size: fc.integer({ min: 0, max: 40_000 }), own: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    });
    let writes: { size: number; own: boolean }[] = [];
    let expected: Buffer = Buffer.alloc(0);
    const server = start({
      data(connection, buffer, start, end) {
        const parts: Buffer[] = [];
        for (const { size, own } of writes) {
          if (own) {
            const bytes = pattern(size, parts.length);
            expect(connection.write(bytes)).toBe(size);
            bytes.fill(0); // the writer's again
            parts.push(pattern(size, parts.length));
          } else {
            const stop = start + Math.min(size, end - start);
            expect(connection.write(buffer, start, stop)).toBe(stop - start);
            parts.push(Buffer.from(buffer.slice(start, stop)));
          }
        }
        expected = Buffer.concat(parts);
        connection.write(Buffer.from('.'));
      },
    });
    const [peer] = await open(server);
    await fc.assert(
      fc.asyncProperty(script, async (given) => {
        writes = given;
        expected = Buffer.alloc(0);
        peer!.chunks.length = 0;
        peer!.bytes = 0;
        peer!.socket.write('hello');
        await peer!.until(() => expected.length + 1 === peer!.bytes, 'the reply');
        expect(peer!.text === `${expected.toString('latin1')}.`).toBe(true);
      }),
      { numRuns: 40 },
    );
    expect(server.errors).toEqual([]);
  });

  it('timers that write twice a turn, also in the turn in which a send was cut short, never overtake it', async () => {
    const all = pattern(6_000_000);
    let at = 0;
    let served: RingConnection | null = null;
    const server = start(
      {
        open(connection) {
          const { reactor } = server.proactor;
          served = connection;
          const push = (): void => {
            for (const size of [27_000, 3_000]) {
              if (connection.closed || at === all.length) return;
              at += connection.write(all, at, Math.min(at + size, all.length));
            }
            reactor.setTimer(0, push);
          };
          push();
        },
      },
      { writeQueueBytesMax: 8_000_000 },
    );
    const [peer] = await open(server);
    peer!.socket.pause();
    await until(() => (served?.queuedBytes ?? 0) > 0, 'a send that was cut short');
    peer!.socket.resume();
    await peer!.received(all.length);
    expect(Buffer.concat(peer!.chunks).equals(all)).toBe(true);
  });

  it('pause() is obeyed at once; what the kernel had received is told after resume(), then the end', async () => {
    const told: string[] = [];
    const neighbours: string[] = [];
    let paused: RingConnection | null = null;
    const handlers: RingListenerHandlers = {
      data(connection, buffer, start, end) {
        const text = Buffer.from(buffer.subarray(start, end)).toString('latin1');
        if (paused === null) {
          paused = connection;
          connection.pause();
        }
        (connection === paused ? told : neighbours).push(text);
      },
      readClosed(connection) {
        if (connection === paused) told.push('end');
        connection.end();
      },
    };
    // What one write brings takes all buffers of the pool at once: seven are told of when it is paused already.
    const server = start(handlers, { buffers: 8, bufferBytes: 64 });
    const [peer, other] = await open(server, 2);
    const sent = pattern(1000).toString('latin1');
    peer!.socket.end(sent, 'latin1');
    await until(() => paused !== null, 'the first bytes');
    // A neighbour's exchanges take several turns, and every buffer of the pool: the paused one has had its chance.
    for (let i = 0; i < 20; i++) {
      const before = neighbours.length;
      other!.socket.write('n'.repeat(64));
      await until(() => neighbours.length > before, 'the neighbour');
    }
    expect(told).toEqual([sent.slice(0, 64)]);
    (paused as unknown as RingConnection).resume();
    await until(() => told.at(-1) === 'end', 'the end');
    expect(told.join('') === `${sent}end`).toBe(true);
  });

  it('a hundred paused clients take no buffer of the pool from the others', async () => {
    const server = start(
      {
        data(connection, buffer, start, end) {
          if (buffer[start] === 0x70) connection.pause();
          else connection.write(buffer, start, end);
        },
      },
      { buffers: 8, bufferBytes: 256 },
    );
    const opened = await open(server, 100);
    for (const { socket } of opened) {
      socket.write('p');
      socket.write(Buffer.alloc(5000, 'q'));
    }
    const [other] = await open(server);
    for (let i = 1; i <= 20; i++) {
      other!.socket.write(pattern(200, i).fill(1, 0, 1));
      await other!.received(200 * i);
    }
    expect(other!.bytes).toBe(4000);
  });

  it('half-close: the client ends first and is answered, the server ends first and still reads', async () => {
    const told: string[] = [];
    const server = start({
      data(connection, buffer, start, end) {
        told.push(Buffer.from(buffer.subarray(start, end)).toString());
        if (told.length === 1) {
          connection.write(Buffer.from('bye'));
          connection.end();
          expect(() => connection.write(Buffer.from('x'))).toThrow('after end()');
        }
      },
      readClosed(connection) {
        connection.end();
      },
      close(_connection, error) {
        told.push(String(error));
      },
    });
    const [peer] = await open(server);
    peer!.socket.write('a');
    await peer!.until(() => peer!.ended, 'the end of the server');
    expect(peer!.text).toBe('bye');
    peer!.socket.end('b');
    await until(() => told.length === 3, 'the end');
    expect(told).toEqual(['a', 'b', 'null']);
    expect(server.listener.connections).toBe(0);
  });

  it('a peer that resets closes its connection with the reason, and no other', async () => {
    const closed: unknown[] = [];
    const server = start({ ...echo, close: (_, error) => closed.push(error) });
    const [peer, other] = await open(server, 2);
    peer!.socket.write('x');
    await peer!.received(1);
    peer!.socket.resetAndDestroy();
    await until(() => closed.length === 1, 'the end');
    expect(closed[0]).toMatchObject({ code: 'ECONNRESET' });
    other!.socket.write('still here');
    await other!.received(10);
  });

  it('closing in a handler, oneself and a neighbour, leaves no descriptor; numbers used anew are nobody else’s', async () => {
    const before = openDescriptors().length;
    const all: RingConnection[] = [];
    const server = start({
      open: (connection) => all.push(connection),
      data(connection, buffer, start, end) {
        connection.write(buffer, start, end);
        if (buffer[start] !== 0x78) return;
        for (const one of all.splice(0)) one.close(); // receives are in flight on all of them
        expect(() => connection.write(buffer)).toThrow('closed');
      },
    });
    for (let round = 0; round < 10; round++) {
      const opened = await open(server, 12);
      await until(() => all.length === 12, 'all of them');
      opened[0]!.socket.write('x');
      await Promise.all(opened.map((peer) => peer.until(() => peer.ended || peer.closed, 'the end')));
      expect(opened[0]!.text).toBe('x'); // written before it was closed
      for (const { socket } of opened) socket.destroy();
    }
    await until(() => server.listener.connections === 0, 'all closed');
    expect(server.listener.accepted).toBe(120);
    expect(server.errors).toEqual([]);
    server.proactor.reactor.close();
    await server.ran;
    await until(() => openDescriptors().length <= before, 'as many descriptors as before');
  });

  it('a handler that throws harms nobody else, and is reported', async () => {
    const server = start({
      data(connection, buffer, start, end) {
        if (buffer[start] === 0x78) throw new Error('mine');
        connection.write(buffer, start, end);
      },
    });
    const [bad, good] = await open(server, 2);
    bad!.socket.write('x');
    good!.socket.write('fine');
    await good!.received(4);
    await until(() => server.errors.length === 1, 'the error');
    expect(String(server.errors[0])).toContain('mine');
    bad!.socket.write('yes'); // its receive goes on
    await bad!.received(3);
  });

  it('a completion of a slot that was given away is dropped', async () => {
    const server = start(echo);
    const [peer] = await open(server);
    peer!.socket.write('x');
    await peer!.received(1);
    const { area } = server.proactor;
    let completed = 0;
    const slot = server.proactor.add({
      complete: () => completed++,
      sent: () => completed++,
      close: () => {},
    });
    const generation = server.proactor.generation(slot);
    const row = (of: number): void => {
      (area as unknown as { counts: Int32Array }).counts[1] = 1;
      area.rows.set([slot, (of << 8) | 2, 1, 0]);
      server.proactor.run();
      (area as unknown as { counts: Int32Array }).counts[1] = 0;
    };
    row(generation);
    expect(completed).toBe(1);
    server.proactor.release(slot);
    const owner = { complete: () => completed++, sent: () => completed++, close: () => {} };
    expect(server.proactor.add(owner)).toBe(slot);
    row(generation);
    expect(completed).toBe(1);
    server.proactor.release(slot);
  });
});

describe.skipIf(unavailable() !== null)('the whole', () => {
  it('stop with 1,000 connections and their operations in flight leaves nothing', async () => {
    const before = openDescriptors().length;
    const server = start(echo);
    const opened = await open(server, 1000);
    opened.slice(0, 500).forEach(({ socket }) => socket.write('hello'));
    await Promise.all(opened.slice(0, 500).map((peer) => peer.received(5)));
    await until(() => server.listener.connections === 1000, 'all accepted');
    const startMs = performance.now();
    server.proactor.reactor.close();
    expect(performance.now() - startMs).toBeLessThan(5000);
    await server.ran;
    // The kernel has let go of each of them: every client sees its end.
    await Promise.all(opened.map((peer) => peer.until(() => peer.ended || peer.closed, 'the end')));
    for (const { socket } of opened) socket.destroy();
    await until(() => openDescriptors().length <= before, 'as many descriptors as before');
    await expect(Peer.open(server.port)).rejects.toThrow('ECONNREFUSED');
  });

  it('the runtime goes on beside an idle ring: timers, promises, its own sockets', async () => {
    const server = start(echo);
    const order: string[] = [];
    server.proactor.reactor.setTimer(5, () => {
      order.push('ours');
      void Promise.resolve().then(() => order.push('promise'));
      setTimeout(() => order.push('runtime'), 1);
    });
    await until(() => order.length === 3, 'all three');
    expect(order).toEqual(['ours', 'promise', 'runtime']);
    const [peer] = await open(server);
    peer!.socket.write('x');
    await peer!.received(1);
  });

  it('no child inherits a ring, a listening socket or a connection', async () => {
    const server = start(echo);
    await open(server, 2);
    await until(() => server.listener.connections === 2, 'both');
    const { stdout } = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
    const inherited = stdout.split('\n').filter((line) => !/ [0-2] -> /.test(line)); // those are the spawn's own
    expect(inherited.join('\n')).toMatch(/ -> \/proc\//);
    expect(inherited.filter((line) => /io_uring|socket:|eventpoll/.test(line))).toEqual([]);
  });

  it('slots are used again over 5,000 messages and 250 connections', async () => {
    const server = start(echo);
    const [peer] = await open(server);
    const round = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const before = peer!.bytes;
        peer!.chunks.length = 0;
        for (let n = 0; n < 200; n++) peer!.socket.write(Buffer.alloc(100, 'x'));
        await peer!.received(before + 20_000);
      }
      for (const one of await Peer.all(server.port, 50)) one.socket.destroy();
      await until(() => server.listener.connections === 1, 'their end');
    };
    await round();
    const slots = (server.proactor as unknown as { completers: unknown[] }).completers.length;
    for (let i = 0; i < 4; i++) await round();
    expect((server.proactor as unknown as { completers: unknown[] }).completers.length).toBeLessThanOrEqual(
      slots + 50,
    );
    expect(server.errors).toEqual([]);
  });
});

test('where there are no rings, opening one says so with a code', () => {
  const reason = unavailable();
  if (reason === null) return;
  expect(() => serve(echo)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
});
