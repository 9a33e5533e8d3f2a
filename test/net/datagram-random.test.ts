// Datagram sockets under random sequences, on the scripted kernel: what is taken is sent once, whole, in order, or counted.

import { constants } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reactor, datagram, nativeKernel } from '../../src/index.js';
import type { DatagramSocket, SocketAddress } from '../../src/index.js';
import { EAGAIN, ECONNREFUSED, ENOBUFS, ENOMEM, EPERM } from '../../src/kernel/errno.js';
import { packAddress, unpackAddress } from '../../src/kernel/packed-address.js';
import { DATAGRAMS_PER_ITEM_MAX } from '../../src/net/datagram-socket.js';
import { DatagramQueue } from '../../src/net/datagram-queue.js';
import { ScriptedKernel } from '../../src/testing.js';

const action = fc.oneof(
  fc.record({ do: fc.constant('send' as const), bytes: fc.nat(3000) }),
  fc.record({ do: fc.constant('sendInTurn' as const), count: fc.integer({ min: 1, max: 150 }) }),
  fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const, 'turn' as const) }),
  fc.record({
    do: fc.constant('refuse' as const),
    errno: fc.constantFrom(ENOBUFS, ENOMEM, EPERM, -constants.errno.EMSGSIZE, EAGAIN),
  }),
  fc.record({ do: fc.constant('throw' as const) }),
);

describe.each(['level', 'edge'] as const)('%s', (trigger) => {
  test.each(['udp', 'unix'] as const)(
    '%s: each datagram taken comes once, in order, or is counted as dropped',
    (kind) => {
      fc.assert(
        fc.property(fc.array(action, { maxLength: 40 }), fc.boolean(), (actions, connected) => {
          const kernel = new ScriptedKernel({ socketBufferBytes: 1 << 24 });
          const errors: unknown[] = [];
          const reactor = new Reactor({ kernel, poller: 'scripted', onError: (error) => errors.push(error) });
          const heard: number[] = [];
          let throwing = false;
          const options = kind === 'udp' ? {} : { path: '\0server' };
          const server = datagram(
            reactor,
            { ...options, trigger },
            {
              message(_socket, buffer, start, end) {
                const number = Buffer.from(buffer.subarray(start, end)).readUInt32LE(0);
                for (let i = start + 4; i < end; i++)
                  if (buffer[i] !== (number & 0xff)) throw new Error('wrong byte');
                heard.push(number);
                if (throwing) {
                  throwing = false;
                  throw new Error('asked to');
                }
              },
            },
          );
          const client: DatagramSocket = datagram(
            reactor,
            {
              ...(kind === 'unix' && { path: '' }),
              ...(connected && { to: server.address }),
              trigger,
              sendQueueBytesMax: 6000,
            },
            {},
          );
          let next = 0;
          let taken = 0;
          const send = (bytes: number): void => {
            const datagram = Buffer.alloc(bytes + 4, next & 0xff);
            datagram.writeUInt32LE(next++, 0);
            if (client.send(datagram, connected ? null : server.address)) taken++;
          };
          for (const one of actions) {
            if (one.do === 'send') send(one.bytes);
            else if (one.do === 'sendInTurn')
              reactor.post(() => {
                for (let i = 0; i < one.count; i++) send(i);
              });
            else if (one.do === 'refuse') kernel.script('sendDatagrams', client.fd, one.errno);
            else if (one.do === 'pause') server.pause();
            else if (one.do === 'resume') server.resume();
            else if (one.do === 'throw') throwing = true;
            else reactor.turn(1);
          }
          server.resume();
          for (let i = 0; i < 400 && (client.queuedDatagrams > 0 || heard.length < client.sent); i++)
            reactor.turn(5);
          expect(errors.filter((error) => (error as Error).message !== 'asked to')).toEqual([]);
          expect(client.queuedDatagrams).toBe(0);
          expect(client.sent + client.dropped).toBe(taken);
          expect(heard.length).toBe(client.sent);
          expect(heard).toEqual([...heard].sort((a, b) => a - b));
          expect(new Set(heard).size).toBe(heard.length);
          reactor.close();
          expect(kernel.openFds()).toEqual([]);
        }),
        { numRuns: 60 },
      );
    },
  );

  test('however much floods, between two looks at timers and neighbours no more than the bound is handed out', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 70_000 }),
        (flood, messageBytesMax) => {
          const kernel = new ScriptedKernel({ socketBufferBytes: 1 << 24 });
          const reactor = new Reactor({ kernel, poller: 'scripted' });
          let inTurn = 0;
          let most = 0;
          let all = 0;
          let neighbour = Infinity;
          const flooded = datagram(
            reactor,
            { trigger, messageBytesMax },
            {
              message() {
                all++;
                most = Math.max(most, ++inTurn);
              },
            },
          );
          const second = datagram(
            reactor,
            { trigger },
            { message: () => (neighbour = Math.min(neighbour, reactor.turnNumber)) },
          );
          const client = datagram(reactor, {}, {});
          for (let i = 0; i < flood; i++) client.send('x', flooded.address);
          client.send('x', second.address);
          for (let i = 0; i < 3 * flood + 10; i++) {
            inTurn = 0;
            reactor.turn(0);
          }
          expect(all).toBe(flood);
          // An edge's bounded read goes on as a deferred task, which a turn may run behind a readiness: twice the bound.
          expect(most).toBeLessThanOrEqual(
            trigger === 'level' ? DATAGRAMS_PER_ITEM_MAX : 2 * DATAGRAMS_PER_ITEM_MAX,
          );
          expect(neighbour).toBe(1);
          reactor.close();
        },
      ),
      { numRuns: 25 },
    );
  });
});

test('the error of an earlier datagram, told by a send: that send is made again, and nothing is dropped', () => {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel, poller: 'scripted' });
  const heard: string[] = [];
  const server = datagram(
    reactor,
    {},
    {
      message: (_socket, buffer, start, end) =>
        void heard.push(Buffer.from(buffer.subarray(start, end)).toString()),
    },
  );
  const errors: string[] = [];
  const client = datagram(
    reactor,
    { to: server.address },
    { error: (_socket, error, to) => void errors.push(`${error.code} ${String(to)}`) },
  );
  kernel.script('sendDatagrams', client.fd, ECONNREFUSED);
  client.send('one');
  client.send('two');
  reactor.turn(0);
  expect(heard).toEqual(['one', 'two']);
  expect(errors).toEqual(['ECONNREFUSED null']);
  expect([client.sent, client.dropped, client.errors]).toEqual([2, 0, 1]);
  reactor.close();
});

test('no room in the system: the datagram waits and is sent later; and close is told once, whatever waits to be told', () => {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel, poller: 'scripted' });
  const heard: number[] = [];
  const events: string[] = [];
  const server = datagram(
    reactor,
    {},
    { message: (_socket, _buffer, start, end) => void heard.push(end - start) },
  );
  const client = datagram(
    reactor,
    {},
    { error: (_socket, error) => void events.push(error.code), close: () => void events.push('close') },
  );
  kernel.script('sendDatagrams', client.fd, ENOBUFS, ENOMEM);
  client.send('x', server.address);
  expect([client.queuedDatagrams, client.dropped]).toEqual([1, 0]);
  for (let turns = 0; turns < 10; turns++) reactor.turn(5);
  expect([heard, client.sent, client.dropped, events]).toEqual([[1], 1, 0, []]);
  kernel.script('sendDatagrams', client.fd, EPERM);
  client.send('x', server.address);
  client.close();
  for (let turns = 0; turns < 5; turns++) reactor.turn(0);
  expect(events).toEqual(['close']);
  reactor.close();
});

test('a queue gives back what was put in, whatever its block has to do', () => {
  const piece = fc.record({ address: fc.boolean(), bytes: fc.nat(900), drop: fc.constantFrom(0, 0, 1, 2) });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 80 }), (pieces) => {
      const queue = new DatagramQueue(20_000);
      const source = new Uint8Array(2000);
      const model: { address: number; bytes: number; mark: number }[] = [];
      pieces.forEach(({ address, bytes, drop }, mark) => {
        source.fill(mark);
        if (queue.push(source, address ? 0 : -1, 1000, 1000 + bytes, mark))
          model.push({ address: address ? 128 : 0, bytes, mark });
        else expect(queue.used + bytes + (address ? 128 : 0)).toBeGreaterThan(20_000);
        const dropped = Math.min(drop, model.length);
        model.splice(0, dropped);
        queue.drop(dropped);
        expect(queue.length).toBe(model.length);
        expect(queue.used).toBe(model.reduce((sum, one) => sum + one.address + one.bytes, 0));
        model.forEach((one, i) => {
          const [at, start, end, note] = queue.table.subarray(
            (queue.first + i) * 4,
            (queue.first + i) * 4 + 4,
          );
          expect([end! - start!, note]).toEqual([one.bytes, one.mark]);
          if (one.address > 0) expect(queue.bytes[at!]).toBe(one.mark);
          else expect(at).toBe(-1);
          expect(queue.bytes.subarray(start, end).every((byte) => byte === one.mark)).toBe(true);
        });
      });
    }),
  );
});

test('a packed address is the address, and IPv6 is written as the system writes it', () => {
  const bytes = new Uint8Array(200).fill(7);
  const roundTrip = (address: SocketAddress): SocketAddress | null => {
    expect(packAddress(address, bytes, 5)).toBe(true);
    return unpackAddress(bytes, 5);
  };
  const port = fc.nat(65_535);
  fc.assert(
    fc.property(fc.ipV4(), port, (host, port) => {
      expect(roundTrip({ family: 4, host, port })).toEqual({ family: 4, host, port });
    }),
  );
  fc.assert(
    fc.property(fc.ipV6(), port, (host, port) => {
      const once = roundTrip({ family: 6, host, port })!;
      expect(roundTrip(once)).toEqual(once); // the same address, in the form that the system writes
      expect(new URL(`http://[${host}]/`).hostname).toBe(new URL(`http://[${once.host!}]/`).hostname);
    }),
  );
  expect(roundTrip({ family: 6, host: '::ffff:1.2.3.4', port: 1 })!.host).toBe('::ffff:1.2.3.4');
  expect(roundTrip({ family: 6, host: '1:0:0:2:0:0:0:3', port: 1 })!.host).toBe('1:0:0:2::3');
  expect(roundTrip({ family: 'unix', path: '\0näme' })).toEqual({ family: 'unix', path: '\0näme' });
  expect(roundTrip({ family: 'unix', path: '\0a\0b\0' })).toEqual({ family: 'unix', path: '\0a\0b\0' });
  // The loopback interface has no link-local address, and is a scope all the same.
  const lo = process.platform === 'linux' ? 'lo' : 'lo0';
  const loopback = { family: 6, host: `ff02::1%${lo}`, port: 1 } as const;
  expect(roundTrip(loopback)).toEqual(loopback);
  expect(roundTrip({ ...loopback, host: 'ff02::1%4294967295' })!.host).toBe('ff02::1%4294967295');
  expect(packAddress({ ...loopback, host: 'ff02::1%nosuch' }, bytes, 0)).toBe(false);
  expect(packAddress({ ...loopback, host: `ff02::1%${'lo'.repeat(30)}` }, bytes, 0)).toBe(false);
  expect(packAddress({ family: 4, host: 'localhost', port: 1 }, bytes, 0)).toBe(false);
  expect(packAddress({ family: 'unix', path: 'x'.repeat(109) }, bytes, 0)).toBe(false);
  expect(nativeKernel.datagrams.bytes.length).toBeGreaterThan(64 * 32);
});
