// Flush at the turn's end: replies leave after everything ready was read, and nothing else about write() changes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reactor, connect, listen } from '../../src/index.js';
import type { Connection, ConnectionHandlers, Flush, ListenOptions } from '../../src/index.js';
import { STAGED_WRITE_BYTES_MAX } from '../../src/net/staging.js';
import { ScriptedKernel } from '../../src/testing.js';

/** A listener and clients whose kernel is in memory; the buffer has room for what is held. */
function world(
  clients: number,
  flush: Flush,
  handlers: ConnectionHandlers,
  options: Partial<ListenOptions> = {},
) {
  const kernel = new ScriptedKernel({ bufferBytes: 256 * 1024 });
  const errors: unknown[] = [];
  const reactor = new Reactor({ kernel, onError: (error) => errors.push(error) });
  const accepted: Connection[] = [];
  const listener = listen(
    reactor,
    { port: 7, flush, ...options },
    {
      ...handlers,
      open(connection) {
        accepted.push(connection);
      },
    },
  );
  const peers: number[] = [];
  for (let i = 0; i < clients; i++) {
    const fd = kernel.socket(4);
    kernel.connect(fd, { family: 4, host: '127.0.0.1', port: 7 });
    peers.push(fd);
  }
  while (accepted.length < clients) reactor.turn(0);
  const feed = (peer: number, text: string): void => {
    const bytes = Buffer.from(text);
    expect(kernel.sendBytes(peers[peer], bytes, 0, bytes.length)).toBe(bytes.length);
  };
  const received = (peer: number): string => {
    const parts: Buffer[] = [];
    // At the far end of the buffer, so that looking disturbs nothing that is held at its front.
    const at = kernel.buffer.length - 4096;
    for (;;) {
      const count = kernel.recv(peers[peer], at, 4096);
      if (count <= 0) return Buffer.concat(parts).toString();
      parts.push(Buffer.from(kernel.buffer.subarray(at, at + count)));
    }
  };
  return { kernel, reactor, listener, accepted, peers, feed, received, errors };
}

const echo: ConnectionHandlers = {
  data(connection, buffer, start, end) {
    connection.write(buffer, start, end);
  },
};

describe('the order of one turn in which two connections are ready', () => {
  test.each([
    ['now', ['recv', 'send', 'recv', 'send']],
    ['turn', ['recv', 'recv', 'send', 'send']],
  ] as const)('%s', (flush, expected) => {
    const { kernel, reactor, feed, received } = world(2, flush, echo);
    feed(0, 'first');
    feed(1, 'second');
    kernel.record();
    reactor.turn(0);
    const calls = kernel.calls
      .filter(({ name }) => name === 'recv' || name === 'send')
      .map(({ name }) => name);
    expect(calls).toEqual(expected);
    expect([received(0), received(1)]).toEqual(['first', 'second']);
  });
});

test('each send at the end of the turn is an item of its own, after the other items of the batch', () => {
  const { reactor, feed, received } = world(2, 'turn', echo);
  feed(0, 'a');
  feed(1, 'b');
  const order: string[] = [];
  reactor.post(() => order.push('posted'));
  reactor.collect(0);
  for (let item = 0; item < 3; item++) expect(reactor.dispatchNext()).toBe(true);
  expect(order).toEqual(['posted']);
  expect([received(0), received(1)]).toEqual(['', '']);
  expect(reactor.dispatchNext()).toBe(true);
  expect([received(0), received(1)]).toEqual(['a', '']);
  expect(reactor.dispatchNext()).toBe(true);
  expect([received(0), received(1)]).toEqual(['', 'b']);
  expect(reactor.dispatchNext()).toBe(false);
});

test('write() says what was taken, and writes that follow on leave in one call', () => {
  const taken: number[] = [];
  const { kernel, reactor, feed, received } = world(1, 'turn', {
    data(connection, buffer, start, end) {
      for (let at = start; at < end; at += 2) taken.push(connection.write(buffer, at, at + 2));
    },
  });
  feed(0, 'aabbcc');
  kernel.record();
  reactor.turn(0);
  expect(taken).toEqual([2, 2, 2]);
  expect(kernel.calls.filter(({ name }) => name === 'send')).toHaveLength(1);
  expect(received(0)).toBe('aabbcc');
});

test('a write that does not follow on keeps its place in the stream', () => {
  const { reactor, feed, received, accepted } = world(1, 'turn', {
    data(connection, buffer, start, end) {
      connection.write(buffer, start + 1, end);
      connection.write(buffer, start, start + 1);
      connection.write('!');
      connection.write(buffer, start, end);
    },
  });
  feed(0, 'abc');
  reactor.turn(0);
  expect(received(0)).toBe('bca!abc');
  expect(accepted[0].bytesWritten).toBe(7);
});

test('a large write is sent at once', () => {
  const { kernel, reactor, feed } = world(1, 'turn', echo);
  feed(0, 'x'.repeat(STAGED_WRITE_BYTES_MAX + 1));
  kernel.record();
  reactor.collect(0);
  reactor.dispatchNext();
  expect(kernel.calls.filter(({ name }) => name === 'send')).toHaveLength(1);
});

test.each([
  ['close', 'abc'],
  ['end', 'abc'],
  ['reset', ''],
] as const)('%s() in the same call: what was taken is %j', (how, expected) => {
  const { reactor, feed, received } = world(1, 'turn', {
    data(connection, buffer, start, end) {
      connection.write(buffer, start, end);
      connection[how]();
    },
  });
  feed(0, 'abc');
  reactor.turn(0);
  expect(received(0)).toBe(expected);
});

test('what the kernel does not take at the end of the turn is queued, drains, and arrives once', () => {
  let drained = 0;
  const { kernel, reactor, feed, received, accepted } = world(1, 'turn', { ...echo, drain: () => drained++ });
  kernel.script('send', accepted[0].fd, ([fd, start]) =>
    kernel.sendBytes(fd as number, kernel.buffer, start as number, 2),
  );
  feed(0, 'abcdef');
  reactor.turn(0);
  expect(accepted[0].queuedBytes).toBe(4);
  while (drained === 0) reactor.turn(0);
  expect(received(0)).toBe('abcdef');
  expect(accepted[0].bytesWritten).toBe(6);
});

test('an error at the end of the turn closes that connection with the error, and no other', () => {
  const closed: (string | undefined)[] = [];
  const { kernel, reactor, feed, received, accepted } = world(2, 'turn', {
    ...echo,
    close(_connection, error) {
      closed.push((error as NodeJS.ErrnoException | null)?.code);
    },
  });
  kernel.script('send', accepted[0].fd, -105);
  feed(0, 'lost');
  feed(1, 'kept');
  reactor.turn(0);
  reactor.turn(0);
  expect(closed).toEqual(['ENOBUFS']);
  expect(received(1)).toBe('kept');
});

test('a connection closed by a neighbour before the end of the turn has sent what it had taken', () => {
  const { reactor, feed, received, accepted } = world(2, 'turn', {
    data(connection, buffer, start, end) {
      connection.write(buffer, start, end);
      if (connection === accepted[1]) accepted[0].close();
    },
  });
  feed(0, 'zero');
  feed(1, 'one');
  reactor.turn(0);
  expect([received(0), received(1)]).toEqual(['zero', 'one']);
});

test('two reactors on one kernel do not overwrite what the other holds', () => {
  const one = world(1, 'turn', echo);
  one.feed(0, 'held by one');
  one.reactor.collect(0);
  one.reactor.dispatchNext(); // read and held, not sent
  const other = new Reactor({ kernel: one.kernel });
  listen(other, { port: 8, flush: 'turn' }, echo);
  const peer = one.kernel.socket(4);
  one.kernel.connect(peer, { family: 4, host: '127.0.0.1', port: 8 });
  other.turn(0);
  one.kernel.feed(one.kernel.peerOf(peer) as number, Buffer.from('XXXXXXXXXXXXXXXX'));
  other.turn(0);
  while (one.reactor.dispatchNext());
  expect(one.received(0)).toBe('held by one');
});

test('random messages over many connections and turns: both modes give every byte back in order', () => {
  const message = fc.record({
    peer: fc.nat(5),
    bytes: fc.integer({ min: 1, max: 9000 }),
    turn: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 60 }),
      fc.constantFrom<Flush>('now', 'turn'),
      (messages, flush) => {
        const { kernel, reactor, feed, received, errors } = world(6, flush, echo);
        const sent = Array.from({ length: 6 }, () => '');
        const got = Array.from({ length: 6 }, () => '');
        const drain = (): void => {
          for (let turn = 0; turn < 4; turn++) reactor.turn(0);
          for (let peer = 0; peer < 6; peer++) got[peer] += received(peer);
        };
        kernel.shortReads(3000);
        for (const [i, { peer, bytes, turn }] of messages.entries()) {
          const text = String.fromCharCode(97 + (i % 26)).repeat(bytes);
          if (sent[peer].length - got[peer].length + bytes > 60_000) drain();
          feed(peer, text);
          sent[peer] += text;
          if (turn) reactor.turn(0);
        }
        for (let round = 0; round < 30; round++) drain();
        expect(errors).toEqual([]);
        expect(got).toEqual(sent);
      },
    ),
    { numRuns: 150 },
  );
});

test('a real connection: a client of ours and a server that flushes at the end of the turn', async () => {
  const reactor = new Reactor();
  const listener = listen(reactor, { flush: 'turn', noDelay: true }, echo);
  let text = '';
  connect(
    reactor,
    { port: listener.address.port, flush: 'turn' },
    {
      open(connection) {
        connection.write('ping');
      },
      data(connection, buffer, start, end) {
        text += Buffer.from(buffer.subarray(start, end)).toString();
        if (text.length < 40) connection.write(buffer, start, end);
        else connection.close();
      },
      close() {
        listener.close();
      },
    },
  );
  await reactor.run();
  expect(text).toBe('ping'.repeat(10));
  reactor.close();
});
