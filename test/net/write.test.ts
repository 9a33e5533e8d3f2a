// Writing: what write() takes arrives, once and in order, whatever the kernel takes at a time; what it refuses, it says.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect as nodeConnect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { Connection } from '../../src/index.js';
import { Logs, fill, modes, pattern, realModes, scriptedModes, useWorld } from './world.js';

const { EAGAIN } = constants.errno;
const KIB = 1024;
const MIB = 1024 * 1024;
const sha256 = (): ReturnType<typeof createHash> => createHash('sha256');

describe.each(modes)('$name', (mode) => {
  const world = useWorld(mode);

  describe('what can be written', () => {
    test('bytes, ranges of bytes, strings as UTF-8, and nothing at all', async () => {
      const w = world();
      const { client, serverLog } = await w.pair();
      const bytes = Buffer.from('0123456789');
      expect(client.write(bytes)).toBe(10);
      expect(client.write(bytes, 3)).toBe(7);
      expect(client.write(bytes, 3, 5)).toBe(2);
      expect(client.write(bytes, 10, 10)).toBe(0);
      expect(client.write(bytes.subarray(8))).toBe(2);
      expect(client.write('grüße €')).toBe(11);
      expect(client.write('')).toBe(0);
      expect(client.write(new Uint8Array(0))).toBe(0);
      expect(client.write('abcdef', 2, 4)).toBe(2);
      await w.until(() => serverLog.length === 34);
      expect(serverLog.text).toBe('0123456789' + '3456789' + '34' + '89' + 'grüße €' + 'cd');
    });

    test("the reactor's own buffer, from inside data: an echo without a copy of ours", async () => {
      const w = world();
      const { client, clientLog } = await w.pair({
        data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
      });
      client.write('ping');
      await w.until(() => clientLog.text === 'ping');
    });

    test("the caller's buffer is the caller's again when write() returns, sent or queued", async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair();
      server.pause();
      const before = fill(client);
      const bytes = Buffer.from('as it was');
      expect(client.write(bytes)).toBe(9);
      bytes.fill(0xff);
      server.resume();
      await w.until(() => serverLog.length === before + 9);
      expect(serverLog.bytes.subarray(before).toString()).toBe('as it was');
    });
  });

  describe('the bound of the queue', () => {
    test('write takes no more than the bound leaves, says so, and drain tells when to go on: nothing is lost', async () => {
      const w = world();
      const bound = 100_000;
      const bytes = pattern(8_000_000);
      let next = 0;
      let heldBack = 0;
      const pump = (connection: Connection): void => {
        while (next < bytes.length) {
          const wasEmpty = connection.queuedBytes === 0;
          const taken = connection.write(bytes, next, Math.min(next + 70_000, bytes.length));
          expect(connection.queuedBytes).toBeLessThanOrEqual(bound);
          next += taken;
          if (wasEmpty && connection.queuedBytes > 0) heldBack++;
          if (taken === 0) return;
        }
      };
      const { client, clientLog, server, serverLog } = await w.pair(
        {},
        { drain: pump },
        { writeQueueBytesMax: bound },
      );
      server.pause();
      pump(client);
      expect(client.queuedBytes).toBe(bound);
      expect(client.write('x')).toBe(0);
      await w.settle();
      expect(clientLog.has('drain')).toBe(false);
      server.resume();
      await w.until(() => serverLog.length === bytes.length && client.queuedBytes === 0);
      expect(serverLog.bytes.equals(bytes)).toBe(true);
      expect(heldBack).toBeGreaterThanOrEqual(1);
      expect(clientLog.count('drain')).toBe(heldBack);
    });

    test('a bound of one byte still moves everything', async () => {
      const w = world();
      const { client, server, serverLog, clientLog } = await w.pair({}, {}, { writeQueueBytesMax: 1 });
      server.pause();
      let taken = fill(client, 1000);
      expect(client.queuedBytes).toBe(1);
      server.resume();
      await w.until(() => clientLog.has('drain'));
      taken += client.write(pattern(5, taken));
      await w.until(() => serverLog.length === taken);
      expect(serverLog.bytes.equals(pattern(taken))).toBe(true);
    });

    test('many small writes are gathered: a full queue of single bytes leaves in few calls', async () => {
      const w = world();
      const { client, server, serverLog, clientLog } = await w.pair();
      server.pause();
      let taken = fill(client);
      const one = new Uint8Array(1);
      let singles = 0;
      while (singles < 2 * MIB && client.write(one) === 1) singles++;
      taken += singles;
      expect(client.queuedBytes).toBe(MIB);
      server.resume();
      await w.until(() => clientLog.has('drain'));
      await w.until(() => serverLog.length === taken);
      expect(singles).toBeGreaterThan(900_000);
    });
  });

  test('partial writes and drain: 20 MB through a slow reader arrive byte by byte as they were', async () => {
    const w = world();
    const total = 20_000_000;
    const source = pattern(256 * KIB);
    const sent = sha256();
    const received = sha256();
    let next = 0;
    let got = 0;
    const pump = (connection: Connection): void => {
      while (next < total) {
        const start = next % source.length;
        const end = Math.min(source.length, start + (total - next));
        const taken = connection.write(source, start, end);
        sent.update(source.subarray(start, start + taken));
        next += taken;
        if (taken < end - start) return;
      }
      connection.end();
    };
    let pauses = 0;
    const { client, serverLog, clientLog } = await w.pair(
      {
        data: (connection, buffer, start, end) => {
          received.update(buffer.subarray(start, end));
          got += end - start;
          // Slow: at every megabyte it does not read for a while.
          if (got < (pauses + 1) * MIB) return;
          pauses++;
          connection.pause();
          connection.reactor.setTimer(1, () => connection.resume());
        },
      },
      { drain: pump },
      { keep: false },
    );
    pump(client);
    expect(next).toBeLessThan(total);
    await w.until(() => serverLog.closed && clientLog.closed);
    expect(got).toBe(total);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(pauses).toBeGreaterThan(15);
    expect(clientLog.has('drain')).toBe(true);
    expect([client.bytesWritten, clientLog.closeError, serverLog.closeError]).toEqual([total, null, null]);
  });

  describe('before the connect has finished', () => {
    test('writes wait in the queue and arrive in order, before those of open', async () => {
      const w = world();
      const serverLogs = new Logs();
      const clientLogs = new Logs({ open: (connection) => void connection.write('third') });
      const listener = w.listen(serverLogs.handlers);
      const client = w.connect(listener.address.port, clientLogs.handlers);
      expect(client.connecting).toBe(true);
      expect(client.write('first ')).toBe(6);
      expect(client.write('second ')).toBe(7);
      expect([client.queuedBytes, client.bytesWritten]).toEqual([13, 0]);
      await w.until(() => serverLogs.all[0]?.length === 18);
      expect(serverLogs.all[0]!.text).toBe('first second third');
      expect(clientLogs.all[0]!.events).toEqual(['open', 'drain']);
    });

    test('the bound holds for them too', async () => {
      const w = world();
      const serverLogs = new Logs();
      const listener = w.listen(serverLogs.handlers);
      const clientLogs = new Logs();
      const client = w.connect(listener.address.port, clientLogs.handlers, { writeQueueBytesMax: 10 });
      expect(client.write(pattern(8))).toBe(8);
      expect(client.write(pattern(8, 8))).toBe(2);
      expect(client.write(pattern(8, 10))).toBe(0);
      await w.until(() => clientLogs.all[0]?.has('drain') === true);
      expect(client.write(pattern(8, 10))).toBe(8);
      await w.until(() => serverLogs.all[0]?.length === 18);
      expect(serverLogs.all[0]!.bytes.equals(pattern(18))).toBe(true);
    });
  });

  describe('pause and resume', () => {
    test('no data while paused, all of it afterwards, and the peer has to wait meanwhile', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair();
      server.pause();
      server.pause();
      expect(server.paused).toBe(true);
      const taken = fill(client);
      await w.settle();
      expect(serverLog.events).toEqual(['open']);
      expect(client.queuedBytes).toBeGreaterThan(0);
      server.resume();
      server.resume();
      expect(server.paused).toBe(false);
      await w.until(() => serverLog.length === taken);
      expect(serverLog.bytes.equals(pattern(taken))).toBe(true);
    });

    test('pause inside data stops at once, with more to read in the same batch', async () => {
      const w = world();
      let whilePaused = 0;
      const { client, serverLog } = await w.pair({
        data: (connection) => {
          if (connection.paused) whilePaused++;
          connection.pause();
          connection.reactor.post(() => connection.resume());
        },
      });
      for (let sent = 0; sent < 400_000;) {
        sent += client.write(pattern(400_000 - sent, sent));
        await w.until(() => serverLog.length === sent);
      }
      expect(whilePaused).toBe(0);
      expect(serverLog.bytes.equals(pattern(400_000))).toBe(true);
    });

    test('a paused connection writes on', async () => {
      const w = world();
      const { client, clientLog, server } = await w.pair();
      server.pause();
      const taken = fill(server);
      await w.until(() => clientLog.length === taken);
      expect(clientLog.bytes.equals(pattern(taken))).toBe(true);
      client.write('unheard');
      await w.settle();
      expect(server.bytesRead).toBe(0);
    });

    test('an emptied queue costs no turns: the interest in writing is taken back', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair();
      server.pause();
      const taken = fill(client);
      server.resume();
      await w.until(() => clientLog.has('drain') && serverLog.length === taken);
      await w.settle();
      let items = 0;
      for (let turns = 0; turns < 10; turns++) items += w.reactor.turn(0);
      expect(items).toBe(0);
    });

    test('a paused connection costs no turns, though its data waits', async () => {
      const w = world();
      const { client, server } = await w.pair();
      server.pause();
      client.write('waiting');
      await w.settle();
      let items = 0;
      for (let turns = 0; turns < 10; turns++) items += w.reactor.turn(0);
      expect(items).toBe(0);
    });
  });

  describe('write after close', () => {
    test.each(['close', 'reset'] as const)('after %s: a coded error that says so', async (how) => {
      const w = world();
      const { client, clientLog } = await w.pair();
      client[how]();
      expect([client.closed, client.writable]).toEqual([true, false]);
      for (const wrong of [() => client.write('x'), () => client.noDelay(), () => client.keepAlive()]) {
        expect(wrong).toThrow(
          expect.objectContaining({
            code: 'ERR_CLOSED',
            message: expect.stringContaining('closed') as string,
          }),
        );
      }
      // What is idempotent stays so: whoever cleans up need not ask first.
      client.end();
      client.pause();
      client.resume();
      client.close();
      await w.until(() => clientLog.closed);
      expect(() => client.write('x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
      expect(clientLog.closeError).toBeNull();
    });

    test('after end: a coded error of its own, while the connection still reads', async () => {
      const w = world();
      const { client, clientLog, server } = await w.pair({ readClosed: () => undefined });
      client.end();
      const refused = expect.objectContaining({
        code: 'ERR_WRITE_AFTER_END',
        message: expect.stringContaining('end()') as string,
      }) as Error;
      expect(() => client.write('x')).toThrow(refused);
      server.write('still read');
      await w.until(() => clientLog.text === 'still read');
      expect(() => client.write('x')).toThrow(refused);
      expect(client.closed).toBe(false);
    });

    test('after end, while bytes are queued still, and while the connect goes on', async () => {
      const w = world();
      const serverLogs = new Logs();
      const listener = w.listen(serverLogs.handlers);
      const client = w.connect(listener.address.port, {});
      client.write('early');
      client.end();
      expect(() => client.write('x')).toThrow(expect.objectContaining({ code: 'ERR_WRITE_AFTER_END' }));
      await w.until(() => serverLogs.all[0]?.closed === true);
      expect(serverLogs.all[0]!.text).toBe('early');
    });
  });

  test('RST in mid-write: an error, close once, and what was queued is given up', async () => {
    const w = world();
    const { client, server, serverLog } = await w.pair();
    client.pause();
    fill(server);
    client.reset();
    await w.until(() => serverLog.closed);
    await w.settle();
    expect(serverLog.events).toEqual(['open', 'error ECONNRESET', 'close ECONNRESET']);
    expect(server.queuedBytes).toBe(0);
    expect(() => server.write('x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test('a write that meets the reset first takes nothing, does not throw, and the error comes by the handler', async () => {
    const w = world();
    const { client, server, serverLog } = await w.pair();
    client.reset();
    expect(server.write('too late')).toBe(0);
    expect(serverLog.events).toEqual(['open']);
    await w.until(() => serverLog.closed);
    expect(serverLog.events).toEqual(['open', 'error ECONNRESET', 'close ECONNRESET']);
    expect(serverLog.closeError).toMatchObject({ syscall: 'send' });
  });
});

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode);

  test('partial writes and drain: whatever send takes at a time, down to one byte, drain comes once at the end', async () => {
    const w = world();
    const { client, clientLog, serverLog } = await w.pair();
    w.scripted!.shortWrites(1);
    const bytes = pattern(500);
    expect(client.write(bytes)).toBe(500);
    expect([client.bytesWritten, client.queuedBytes]).toEqual([1, 499]);
    expect(client.write(pattern(500, 500))).toBe(500);
    await w.until(() => clientLog.has('drain'));
    expect([client.bytesWritten, client.queuedBytes]).toEqual([1000, 0]);
    await w.until(() => serverLog.length === 1000);
    await w.settle();
    expect(serverLog.bytes.equals(pattern(1000))).toBe(true);
    expect(clientLog.events).toEqual(['open', 'drain']);
  });

  test('a piece of the own buffer that is queued is copied: the next read does not change it', async () => {
    const w = world();
    const { client, clientLog } = await w.pair({
      data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
    });
    w.scripted!.shortWrites(3);
    for (const word of ['abcdefgh', 'ABCDEFGH', '12345678']) {
      // A write of its own for each, so that the second is read while most of the first is queued.
      w.scripted!.feed(w.scripted!.peerOf(client.fd)!, Buffer.from(word));
      w.reactor.turn(0);
    }
    await w.until(() => clientLog.length === 24);
    expect(clientLog.text).toBe('abcdefghABCDEFGH12345678');
  });

  test('EAGAIN at the first byte queues all of it', async () => {
    const w = world();
    const { client, serverLog, clientLog } = await w.pair();
    w.scripted!.script('sendBytes', client.fd, -EAGAIN);
    expect(client.write('later')).toBe(5);
    expect([client.bytesWritten, client.queuedBytes]).toEqual([0, 5]);
    await w.until(() => serverLog.text === 'later');
    await w.until(() => clientLog.has('drain'));
  });

  test.each([
    ['ENOBUFS', constants.errno.ENOBUFS],
    ['ETIMEDOUT', constants.errno.ETIMEDOUT],
    ['EHOSTUNREACH', constants.errno.EHOSTUNREACH],
  ])('%s from send, at once or from the queue, ends the connection with that error', async (code, errno) => {
    const w = world();
    for (const queued of [false, true]) {
      const { client, clientLog } = await w.pair();
      if (queued) {
        w.scripted!.script('sendBytes', client.fd, -EAGAIN, -errno);
        expect(client.write('x')).toBe(1);
      } else {
        w.scripted!.script('sendBytes', client.fd, -errno);
        expect(client.write('x')).toBe(0);
      }
      await w.until(() => clientLog.closed);
      expect(clientLog.events).toEqual(['open', `error ${code}`, `close ${code}`]);
      expect(clientLog.closeError).toMatchObject({
        code,
        errno: -errno,
        syscall: 'send',
        address: '127.0.0.1',
      });
    }
  });

  test('a send of what a view cannot reach asks for no more than 31 bits of it', async () => {
    const w = world();
    const { client } = await w.pair();
    // Never touched, so that it takes addresses and no memory.
    const vast = new Uint8Array(2 ** 31 + 4096);
    w.scripted!.record();
    const taken = client.write(vast);
    const sends = w.scripted!.calls.filter(({ name }) => name === 'sendBytes');
    expect(sends).toHaveLength(1);
    expect(sends[0]!.args[3]).toBe(2 ** 31 - 1);
    expect(taken).toBe(128 * KIB + MIB);
    expect(client.queuedBytes).toBe(MIB);
  });

  test('the options of a socket reach the kernel, and a refusal is a system error', async () => {
    const w = world();
    const { client } = await w.pair();
    const option = (name: 'noDelay' | 'keepAlive' | 'keepAliveIdleS'): number =>
      w.scripted!.getOption(client.fd, name);
    client.noDelay();
    client.keepAlive(true, 30);
    expect([option('noDelay'), option('keepAlive'), option('keepAliveIdleS')]).toEqual([1, 1, 30]);
    client.noDelay(false);
    client.keepAlive(false);
    expect([option('noDelay'), option('keepAlive')]).toEqual([0, 0]);
    w.scripted!.script('setOption', client.fd, -constants.errno.EINVAL);
    expect(() => client.noDelay()).toThrow(
      expect.objectContaining({ code: 'EINVAL', syscall: 'setsockopt', fd: client.fd }),
    );
  });
});

describe.each(realModes)("against Node's sockets, $name", (mode) => {
  const world = useWorld(mode);

  test('20 MB to a Node client that reads slowly arrive as they were', async () => {
    const w = world();
    const total = 20_000_000;
    const sent = sha256();
    const logs = new Logs({
      open: (connection) => pump(connection),
      drain: (connection) => pump(connection),
    });
    const source = pattern(200_000);
    let next = 0;
    const pump = (connection: Connection): void => {
      while (next < total) {
        const start = next % source.length;
        const taken = connection.write(source, start);
        sent.update(source.subarray(start, start + taken));
        next += taken;
        if (taken < source.length - start) return;
      }
      connection.end();
    };
    const listener = w.listen(logs.handlers);
    w.start();
    const peer = nodeConnect(listener.address.port, '127.0.0.1');
    const received = sha256();
    let got = 0;
    for await (const chunk of peer) {
      received.update(chunk as Buffer);
      got += (chunk as Buffer).length;
      if (got % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(got).toBe(total);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    await w.until(() => logs.all[0]!.closed);
  });

  test('20 MB from a Node server that writes as fast as it can arrive as they were', async () => {
    const w = world();
    const total = 20_000_000;
    const bytes = pattern(total);
    const server = createServer((socket) => socket.end(bytes));
    w.onEnd(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const received = sha256();
    const logs = new Logs(
      { data: (_, buffer, start, end) => received.update(buffer.subarray(start, end)) },
      false,
    );
    w.connect((server.address() as AddressInfo).port, logs.handlers);
    w.start();
    await w.until(() => logs.all[0]?.closed === true);
    expect(logs.all[0]!.length).toBe(total);
    expect(received.digest('hex')).toBe(sha256().update(bytes).digest('hex'));
  });

  test("noDelay and keepAlive are the kernel's own options of this socket", async () => {
    const w = world();
    const { client } = await w.pair();
    const { kernel } = w.reactor;
    expect(kernel.getOption(client.fd, 'noDelay')).toBe(0);
    client.noDelay();
    client.keepAlive(true, 60);
    expect(kernel.getOption(client.fd, 'noDelay')).toBe(1);
    expect(kernel.getOption(client.fd, 'keepAlive')).toBe(1);
    expect(kernel.getOption(client.fd, 'keepAliveIdleS')).toBe(60);
    client.noDelay(false);
    client.keepAlive(false);
    expect([kernel.getOption(client.fd, 'noDelay'), kernel.getOption(client.fd, 'keepAlive')]).toEqual([
      0, 0,
    ]);
  });
});
