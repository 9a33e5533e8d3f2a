// Datagram sockets on every poller, real and scripted: boundaries, batches, errors that end nothing, and bounds.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { datagram, listen } from '../../src/index.js';
import type { DatagramHandlers, DatagramOptions, DatagramSocket, SocketAddress } from '../../src/index.js';
import { DATAGRAMS_PER_ITEM_MAX } from '../../src/net/datagram-socket.js';
import { hasIpv6 } from './ipv6.js';
import { modes, pattern, useWorld, type World } from './world.js';

const linux = process.platform === 'linux';
const directory = mkdtempSync(join(tmpdir(), 'underloop-datagram-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A socket that notes what it is told. */
class Box {
  readonly messages: Buffer[] = [];
  readonly senders: (SocketAddress | null)[] = [];
  readonly events: string[] = [];
  readonly socket: DatagramSocket;
  /** Called behind the note. */
  onMessage: DatagramHandlers['message'];

  constructor(world: World, options: DatagramOptions = {}) {
    this.socket = datagram(
      world.reactor,
      { trigger: world.mode.trigger, ...options },
      {
        message: (socket, buffer, start, end, sender) => {
          if (this.events.includes('close')) throw new Error('a message after close');
          this.messages.push(Buffer.from(buffer.subarray(start, end)));
          this.senders.push(sender.address);
          this.onMessage?.(socket, buffer, start, end, sender);
        },
        truncated: (_socket, buffer, start, end, _sender, realBytes) => {
          this.events.push(`truncated ${String(end - start)} of ${String(realBytes)}`);
          this.messages.push(Buffer.from(buffer.subarray(start, end)));
        },
        drain: () => this.events.push('drain'),
        error: (_socket, error, to) => this.events.push(`${error.code}${to === null ? '' : ' to'}`),
        close: () => this.events.push('close'),
      },
    );
  }

  get address(): SocketAddress {
    return this.socket.address;
  }
  get texts(): string[] {
    return this.messages.map(String);
  }
}

let names = 0;
const newPath = (): string => join(directory, `d${String(names++)}`);
const freshName = (): string => `\0underloop-test-${String(process.pid)}-${String(names++)}`;

describe.each(modes)('datagrams, $name', (mode) => {
  const world = useWorld(mode);
  const families = [
    { name: 'IPv4', options: () => ({}) },
    ...(hasIpv6 || mode.poller === 'scripted' ? [{ name: 'IPv6', options: () => ({ host: '::1' }) }] : []),
    ...(linux ? [{ name: 'Unix', options: () => ({ path: freshName() }) }] : []),
  ];

  describe.each(families)('$name', ({ options }) => {
    test('each datagram comes as one message with its sender, empty ones too, and can be answered', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), options());
      server.onMessage = (socket, buffer, start, end, sender) => {
        socket.send(buffer, sender, start, end);
      };
      for (const text of ['one', '', 'three']) client.socket.send(text, server.address);
      await world().until(() => client.messages.length === 3);
      expect(server.texts).toEqual(['one', '', 'three']);
      expect(client.texts).toEqual(['one', '', 'three']);
      expect(server.senders).toEqual([client.address, client.address, client.address]);
      expect(client.senders[0]).toEqual(server.address);
      expect([server.socket.received, server.socket.sent, server.socket.dropped]).toEqual([3, 3, 0]);
    });

    test('the largest datagram comes whole, byte for byte', async () => {
      const bytes = pattern(65_507);
      const server = new Box(world(), { ...options(), receiveBufferBytes: 1 << 20 });
      const client = new Box(world(), { ...options(), sendBufferBytes: 1 << 20 });
      client.socket.send(bytes, server.address);
      await world().until(() => server.messages.length === 1);
      expect(server.messages[0]!.equals(bytes)).toBe(true);
      expect(server.events).toEqual([]);
    });

    test('a datagram that does not fit is told as cut off, never as a whole one', async () => {
      const server = new Box(world(), { ...options(), messageBytesMax: 10 });
      const client = new Box(world(), options());
      for (const length of [10, 11]) client.socket.send(pattern(length), server.address);
      await world().until(() => server.messages.length === 2);
      expect(server.events).toEqual([`truncated 10 of ${linux ? '11' : '10'}`]);
      expect([server.socket.received, server.socket.truncated]).toEqual([1, 1]);
      expect(server.messages[1]!.equals(pattern(10))).toBe(true);
    });

    test('connected: sends without an address, and hears its peer', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), { ...options(), to: server.address });
      client.socket.send('question');
      await world().until(() => server.messages.length === 1);
      server.socket.send('answer', client.address);
      await world().until(() => client.messages.length === 1);
      expect(client.socket.peerAddress).toEqual(server.address);
    });

    test('after close() in its own handler no message comes, though more of the batch is there', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), options());
      server.onMessage = (socket) => {
        if (server.messages.length === 2) socket.close();
      };
      for (let i = 0; i < 5; i++) client.socket.send(String(i), server.address);
      await world().until(() => server.events.includes('close'));
      await world().settle();
      expect(server.texts).toEqual(['0', '1']);
      expect(server.events).toEqual(['close']);
      expect(() => server.socket.send('x', client.address)).toThrow(/closed/);
      server.socket.close();
    });

    test('pause() in the middle of a batch is obeyed, and nothing is lost by it', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), options());
      server.onMessage = (socket) => {
        if (server.messages.length === 2) socket.pause();
      };
      for (let i = 0; i < 5; i++) client.socket.send(String(i), server.address);
      await world().until(() => server.socket.paused);
      await world().settle();
      expect(server.texts).toEqual(['0', '1']);
      server.socket.resume();
      client.socket.send('5', server.address);
      await world().until(() => server.messages.length === 6);
      expect(server.texts).toEqual(['0', '1', '2', '3', '4', '5']);
    });

    test('a handler that throws has had its datagram, and those behind it come', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), options());
      server.onMessage = () => {
        if (server.messages.length % 2 === 1) throw new Error(`at ${String(server.texts.at(-1))}`);
      };
      for (let i = 0; i < 5; i++) client.socket.send(String(i), server.address);
      await world().until(() => server.messages.length === 5);
      expect(server.texts).toEqual(['0', '1', '2', '3', '4']);
      expect(world().takeErrors()).toEqual(['at 0', 'at 2', 'at 4']);
    });

    test('a handler that always throws has had each datagram, more than one call brings too', async () => {
      const server = new Box(world(), { ...options(), messageBytesMax: 100, receiveBufferBytes: 1 << 20 });
      const client = new Box(world(), options());
      server.onMessage = () => {
        throw new Error('always');
      };
      for (let i = 0; i < 130; i++) client.socket.send(String(i), server.address);
      await world().until(() => server.messages.length === 130);
      expect(world().takeErrors().length).toBe(130);
    });

    test('what is sent in a handler leaves at the end of the turn, and before close()', async () => {
      const server = new Box(world(), options());
      const client = new Box(world(), options());
      let atOnce = -1;
      world().reactor.post(() => {
        for (let i = 0; i < 3; i++) client.socket.send(String(i), server.address);
        atOnce = client.socket.sent;
        expect(client.socket.queuedDatagrams).toBe(3);
        client.socket.close();
      });
      await world().until(() => server.messages.length === 3);
      expect(atOnce).toBe(0);
      expect([client.socket.sent, client.socket.queuedDatagrams]).toEqual([3, 0]);
    });
  });

  test('nobody at the port of a connected peer: the error is told, the socket lives, and nothing is sent twice or lost', async () => {
    const gone = new Box(world());
    const { address } = gone;
    const client = new Box(world(), { to: address });
    gone.socket.close();
    client.socket.send('into the void');
    await world().until(() => client.events.includes('ECONNREFUSED'));
    const back = new Box(world(), { port: address.port! });
    client.socket.send('again'); // may meet an error of the first still: then it is sent all the same
    await world().until(() => back.messages.length === 1);
    expect(back.texts).toEqual(['again']);
    expect(client.socket.dropped).toBe(0);
    expect(client.socket.closed).toBe(false);
  });

  test('a datagram that the system refuses concerns nobody behind it', async () => {
    const server = new Box(world(), { receiveBufferBytes: 1 << 20 });
    const client = new Box(world());
    world().reactor.post(() => {
      client.socket.send('before', server.address);
      client.socket.send(pattern(65_508), server.address);
      client.socket.send('after', server.address);
    });
    await world().until(() => server.messages.length === 2 && client.events.length > 0);
    expect(server.texts).toEqual(['before', 'after']);
    expect(client.events).toEqual(['EMSGSIZE to']);
    expect([client.socket.sent, client.socket.dropped]).toEqual([2, 1]);
  });

  test('broadcast must be asked for', async () => {
    const client = new Box(world(), { host: '0.0.0.0' });
    // The loopback's own broadcast address, where it has one: the other needs a network to go to.
    const host = linux && world().scripted === null ? '127.255.255.255' : '255.255.255.255';
    client.socket.send('x', { host, port: 9 });
    await world().until(() => client.events.length > 0);
    expect(client.events).toEqual(['EACCES to']);
    const allowed = new Box(world(), { host: '0.0.0.0', broadcast: true });
    expect(allowed.socket.getOption('broadcast')).toBe(1);
  });

  test.runIf(linux)(
    'a full Unix receiver: the queue holds the rest in order, drain tells, and nothing spins',
    async () => {
      const server = new Box(world(), { path: freshName() });
      server.socket.pause();
      for (const connected of [true, false]) {
        server.messages.length = 0;
        server.socket.pause();
        const client = new Box(world(), { path: '', ...(connected && { to: server.address }) });
        const to = connected ? null : server.address;
        // How many the kernel takes is a setting of the machine's (net.unix.max_dgram_qlen): as many, and 200 more.
        let count = 0;
        for (; client.socket.queuedDatagrams < 200; count++) {
          expect(count).toBeLessThan(5000);
          expect(client.socket.send(String(count), to)).toBe(true);
        }
        // Writability that says nothing would be reported in every turn.
        const ran: number[] = [];
        const run = client.socket.run.bind(client.socket);
        client.socket.run = (readiness) => {
          ran.push(readiness);
          run(readiness);
        };
        for (let i = 0; i < 5; i++) world().reactor.turn(1);
        expect(ran).toEqual([]);
        server.socket.resume();
        await world().until(() => client.events.includes('drain') && server.messages.length === count);
        expect(server.texts).toEqual(Array.from({ length: count }, (_, i) => String(i)));
        expect([client.socket.sent, client.socket.dropped]).toEqual([count, 0]);
        client.socket.close();
      }
    },
  );

  test.runIf(linux)('a send queue that is full takes no more: send() says so', async () => {
    const server = new Box(world(), { path: freshName() });
    server.socket.pause();
    const client = new Box(world(), { path: '', to: server.address, sendQueueBytesMax: 1000 });
    let taken = 0;
    while (client.socket.send(pattern(100))) expect(++taken).toBeLessThan(5000);
    expect(client.socket.send(pattern(100))).toBe(false);
    expect(client.socket.queuedDatagrams).toBe(10);
    server.socket.resume();
    await world().until(() => server.messages.length === taken);
    expect(client.events).toEqual(['drain']);
  });

  test('a path: close removes the file, unless it shall stay, or is not the one that was made', () => {
    const { kernel } = world().reactor;
    const path = newPath();
    const there = (): boolean => typeof kernel.socketFile(path) === 'string';
    const first = datagram(world().reactor, { path }, {});
    expect([first.address, there()]).toEqual([{ family: 'unix', path }, true]);
    expect(() => datagram(world().reactor, { path }, {})).toThrow(
      expect.objectContaining({ code: 'EADDRINUSE' }),
    );
    expect(there()).toBe(true);
    first.close();
    first.close();
    expect(there()).toBe(false);
    expect(() => datagram(world().reactor, { path, to: { path: newPath() } }, {})).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
    expect(there()).toBe(false); // what has failed leaves none either
    datagram(world().reactor, { path, keepFile: true }, {}).close();
    expect(there()).toBe(true);
    kernel.unlink(path, kernel.socketFile(path) as string);

    const second = datagram(world().reactor, { path }, {});
    kernel.unlink(path, kernel.socketFile(path) as string);
    const third = datagram(world().reactor, { path }, {});
    second.close();
    expect(there()).toBe(true); // it was the third one's
    if (world().scripted === null) {
      // Nor does a listener take it for one that nobody has.
      expect(() => listen(world().reactor, { path, replaceStale: true }, {})).toThrow('EADDRINUSE');
      expect(there()).toBe(true);
    }
    third.close();
    expect(there()).toBe(false);
    expect(() => datagram(world().reactor, { path, keepFile: 1 as never }, {})).toThrow('keepFile');
  });

  test.runIf(linux)(
    'a Unix peer that has gone, or never was: told for each datagram, and the socket goes on',
    async () => {
      const path = freshName();
      const client = new Box(world(), { path: '' });
      client.socket.send('x', { path });
      await world().until(() => client.events.length === 1);
      const server = new Box(world(), { path });
      client.socket.send('y', { path });
      await world().until(() => server.messages.length === 1);
      client.socket.send('z', { path: `/tmp/underloop-nobody-${String(process.pid)}` });
      await world().until(() => client.events.length === 2);
      expect(client.events).toEqual(['ECONNREFUSED to', 'ENOENT to']);
    },
  );

  test('a flooding peer gets no more than the bound before a timer and a neighbour have their turn', async () => {
    const flooded = new Box(world(), { receiveBufferBytes: 1 << 20, messageBytesMax: 100 });
    const neighbour = new Box(world());
    const client = new Box(world());
    const order: string[] = [];
    flooded.onMessage = () => order.push('flood');
    neighbour.onMessage = () => order.push('neighbour');
    for (let i = 0; i < 200; i++) client.socket.send('x', flooded.address);
    client.socket.send('x', neighbour.address);
    world().reactor.setTimer(0, () => order.push('timer'));
    await world().until(
      () => order.includes('neighbour') && order.includes('timer') && flooded.messages.length === 200,
    );
    const between = order
      .join(' ')
      .split(/neighbour|timer/)
      .map((part) => part.split('flood').length - 1);
    expect(Math.max(...between.slice(0, -1))).toBeLessThanOrEqual(DATAGRAMS_PER_ITEM_MAX);
  });

  test.runIf(linux)('multicast: a member hears the group, and no more when it has left', async () => {
    const group = '239.1.2.3';
    const member = new Box(world(), { host: '0.0.0.0', reuseAddress: true });
    const client = new Box(world(), { host: '0.0.0.0', multicastTtl: 0 });
    member.socket.joinGroup(group, '127.0.0.1');
    client.socket.setMulticastInterface('127.0.0.1');
    const to = { host: group, port: member.address.port! };
    client.socket.send('to all', to);
    await world().until(() => member.messages.length === 1);
    member.socket.leaveGroup(group, '127.0.0.1');
    client.socket.send('to nobody', to);
    client.socket.send('to one', { host: '127.0.0.1', port: to.port });
    await world().until(() => member.messages.length === 2);
    expect(member.texts).toEqual(['to all', 'to one']);
    expect(() => member.socket.leaveGroup(group, '127.0.0.1')).toThrow(
      expect.objectContaining({ code: 'EADDRNOTAVAIL' }),
    );
  });

  test('reusePort: two sockets have one port; without it the second is refused', () => {
    const first = new Box(world(), { reusePort: true });
    const port = first.address.port!;
    const second = new Box(world(), { reusePort: true, port });
    expect(second.address.port).toBe(port);
    expect(() => new Box(world(), { port })).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
  });

  test('mistakes throw before any system call, with the remedy', () => {
    const box = new Box(world());
    const bad = (action: () => unknown, code: string): void =>
      expect(action).toThrow(expect.objectContaining({ code }));
    bad(() => box.socket.send('x'), 'ERR_ARGUMENT');
    bad(() => box.socket.send('x', { host: 'localhost', port: 1 }), 'ERR_HOST_NAME');
    bad(() => box.socket.send('x', { host: '127.0.0.1', port: 0 }), 'ERR_ARGUMENT');
    bad(() => box.socket.send('x', { host: '127.0.0.1', port: 1 }, 2), 'ERR_ARGUMENT');
    bad(() => box.socket.send(Buffer.alloc(200_000), box.address), 'ERR_ARGUMENT');
    bad(() => new Box(world(), { ttl: 0 }), 'ERR_ARGUMENT');
    for (const path of ['x'.repeat(200), '\0', 'a\0b']) {
      bad(() => new Box(world(), { path }), 'ERR_ARGUMENT');
      bad(() => box.socket.send('x', { path }), 'ERR_ARGUMENT');
      bad(() => box.socket.connect({ path }), 'ERR_ARGUMENT');
    }
    bad(() => new Box(world(), { path: 'x', port: 1 }), 'ERR_ARGUMENT');
    bad(() => new Box(world(), { to: { path: '/x' }, host: '127.0.0.1' }), 'ERR_ARGUMENT');
    expect(box.socket.queuedDatagrams).toBe(0);
  });
});
