// How a connection ends: each half by itself, with data still unread, with bytes still queued, or by a reset.

import { createServer, connect as nodeConnect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { Logs, fill, modes, pattern, realModes, useWorld } from './world.js';

describe.each(modes)('$name', (mode) => {
  const world = useWorld(mode);

  describe('half-close both ways', () => {
    test('the client ends first and goes on reading until the server ends', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair(
        { readClosed: () => undefined },
        { readClosed: () => undefined },
      );
      client.write('the last of it');
      client.end();
      await w.until(() => serverLog.has('readClosed'));
      expect(serverLog.text).toBe('the last of it');
      expect([server.closed, server.writable, client.closed, client.writable]).toEqual([
        false,
        true,
        false,
        false,
      ]);
      const answer = pattern(300_000);
      for (let sent = 0; sent < answer.length;) {
        sent += server.write(answer, sent);
        await w.until(() => clientLog.length === sent);
      }
      await w.settle();
      expect(clientLog.events).toEqual(['open', 'data']);
      server.end();
      await w.until(() => clientLog.closed && serverLog.closed);
      expect(clientLog.bytes.equals(answer)).toBe(true);
      expect(clientLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect(serverLog.events.filter((event) => event !== 'drain')).toEqual([
        'open',
        'data',
        'readClosed',
        'close',
      ]);
    });

    test('the server ends first and goes on reading until the client ends', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair(
        { readClosed: () => undefined },
        { readClosed: () => undefined },
      );
      server.end();
      await w.until(() => clientLog.has('readClosed'));
      const bytes = pattern(300_000);
      for (let sent = 0; sent < bytes.length;) {
        sent += client.write(bytes, sent);
        await w.until(() => serverLog.length === sent);
      }
      client.end();
      await w.until(() => clientLog.closed && serverLog.closed);
      expect(serverLog.bytes.equals(bytes)).toBe(true);
      expect(serverLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect([clientLog.closeError, serverLog.closeError]).toEqual([null, null]);
    });

    test('both end at once: each hears of the other, and both close without an error', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair(
        { readClosed: () => undefined },
        { readClosed: () => undefined },
      );
      client.end();
      server.end();
      await w.until(() => clientLog.closed && serverLog.closed);
      for (const log of [clientLog, serverLog]) expect(log.events).toEqual(['open', 'readClosed', 'close']);
    });

    test('a half-closed connection that waits costs no turns: nothing is reported again and again', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair(
        { readClosed: () => undefined },
        { readClosed: () => undefined },
      );
      client.end();
      await w.until(() => serverLog.has('readClosed'));
      await w.settle();
      let items = 0;
      for (let turns = 0; turns < 10; turns++) items += w.reactor.turn(0);
      expect(items).toBe(0);
      server.end();
    });
  });

  describe('HUP together with unread data', () => {
    // More than one read takes, and all of it before the server looks.
    const bytes = pattern(100_000);

    test('data and FIN: the data first, then readClosed, then close', async () => {
      const w = world();
      const { client, serverLog } = await w.pair({ readClosed: (connection) => connection.end() });
      expect(client.write(bytes)).toBe(bytes.length);
      client.end();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect(serverLog.bytes.equals(bytes)).toBe(true);
    });

    test('data and FIN when our own half had ended before: a hang-up, and the data first nevertheless', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair(
        { readClosed: () => undefined },
        { readClosed: () => undefined },
      );
      server.end();
      await w.until(() => clientLog.has('readClosed'));
      expect(client.write(bytes)).toBe(bytes.length);
      client.end();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect(serverLog.bytes.equals(bytes)).toBe(true);
    });

    test('data and RST: the data first, then the error', async () => {
      const w = world();
      const { client, serverLog } = await w.pair();
      // No more than the receive buffer takes: what is still on its way at a reset is lost by TCP itself.
      const some = bytes.subarray(0, 30_000);
      expect(client.write(some)).toBe(some.length);
      client.reset();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'error ECONNRESET', 'close ECONNRESET']);
      expect(serverLog.bytes.equals(some)).toBe(true);
    });

    test('data and RST while bytes are queued that can no longer be sent: the data first nevertheless', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair();
      client.pause();
      fill(server);
      // The answer that says why, and then the reset: as a server does that wants no more of what it is sent.
      expect(client.write('413, that is too much')).toBe(21);
      client.reset();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'error ECONNRESET', 'close ECONNRESET']);
      expect(serverLog.text).toBe('413, that is too much');
    });

    test('data and RST, and a handler that writes and ends meanwhile: all the data comes, no call throws', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair({
        data: (connection, buffer, start, end) => {
          if (connection.writable) connection.write(buffer, start, end);
          connection.end();
        },
      });
      client.pause();
      fill(server);
      w.scripted?.shortReads(7);
      expect(client.write('413, that is too much')).toBe(21);
      client.reset();
      await w.until(() => serverLog.closed);
      expect(serverLog.text).toBe('413, that is too much');
      expect(serverLog.closeError).toMatchObject({ code: 'ECONNRESET' });
    });

    test('while paused, the unread data waits for resume, whatever else has come', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair({ readClosed: (connection) => connection.end() });
      server.pause();
      expect(client.write(bytes)).toBe(bytes.length);
      client.end();
      await w.settle();
      expect(serverLog.events).toEqual(['open']);
      server.resume();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect(serverLog.bytes.equals(bytes)).toBe(true);
    });

    test('a paused connection with bytes to send learns of a reset, for its drain would never come', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair();
      server.pause();
      client.pause();
      fill(server);
      client.reset();
      await w.until(() => serverLog.closed);
      expect(serverLog.events).toEqual(['open', 'error ECONNRESET', 'close ECONNRESET']);
    });
  });

  describe('end', () => {
    test('with queued bytes: all of them arrive, then the FIN', async () => {
      const w = world();
      const { client, server, serverLog, clientLog } = await w.pair(
        {},
        { readClosed: () => undefined },
        { writeQueueBytesMax: 8 * 1024 * 1024 },
      );
      server.pause();
      let taken = 0;
      for (let i = 0; i < 500 && client.queuedBytes < 300_000; i++)
        taken += client.write(pattern(100_000, taken));
      client.end();
      expect(client.writable).toBe(false);
      expect(client.queuedBytes).toBeGreaterThan(0);
      server.resume();
      await w.until(() => serverLog.closed && clientLog.closed);
      expect(serverLog.length).toBe(taken);
      const expected = Buffer.alloc(taken);
      for (let at = 0; at < taken; at += 100_000) pattern(100_000, at).copy(expected, at);
      expect(serverLog.bytes.equals(expected)).toBe(true);
      expect(clientLog.closeError).toBeNull();
    });

    test('twice, or after the end: it changes nothing', async () => {
      const w = world();
      const { client, clientLog, serverLog } = await w.pair();
      client.end();
      client.end();
      await w.until(() => clientLog.closed && serverLog.closed);
      client.end();
      expect(clientLog.events).toEqual(['open', 'close']);
    });

    test('before the connect has finished: the queued bytes and the FIN follow it', async () => {
      const w = world();
      const serverLogs = new Logs();
      const clientLogs = new Logs();
      const listener = w.listen(serverLogs.handlers);
      const client = w.connect(listener.address.port, clientLogs.handlers);
      client.write('early');
      client.end();
      await w.until(() => serverLogs.all[0]?.closed === true && clientLogs.all[0]?.closed === true);
      expect(serverLogs.all[0]?.text).toBe('early');
      expect(clientLogs.all[0]?.events).toEqual(['open', 'drain', 'close']);
    });
  });

  describe('reset', () => {
    test('gives the peer ECONNRESET, and drops what is queued', async () => {
      const w = world();
      const { client, clientLog, server, serverLog } = await w.pair();
      server.pause();
      fill(client);
      client.reset();
      server.resume();
      await w.until(() => serverLog.closed && clientLog.closed);
      expect(serverLog.closeError).toMatchObject({ code: 'ECONNRESET', syscall: 'recv' });
      expect(serverLog.events.at(-1)).toBe('close ECONNRESET');
      expect(clientLog.closeError).toBeNull();
    });

    test('close() on unread data resets too, as the kernel does: the peer learns that its bytes are lost', async () => {
      const w = world();
      const { client, server, serverLog } = await w.pair();
      client.pause();
      server.write('never read');
      await w.settle();
      client.close();
      await w.until(() => serverLog.closed);
      expect(serverLog.closeError).toMatchObject({ code: 'ECONNRESET' });
    });
  });

  test('reactor.close() closes every socket: peers see the end, and no callback follows', async () => {
    const w = world();
    const { client, clientLog, server, serverLog, listener } = await w.pair();
    const peers = w.scripted ? null : nodeConnect(listener.address.port, '127.0.0.1');
    if (peers !== null) await Promise.all([once(peers, 'connect'), w.until(() => listener.accepted === 2)]);
    w.reactor.close();
    expect([client.closed, server.closed, listener.closed]).toEqual([true, true, true]);
    expect([client.fd, server.fd, listener.fd]).toEqual([-1, -1, -1]);
    if (peers !== null) {
      peers.resume();
      await once(peers, 'close');
    }
    expect([clientLog.events, serverLog.events]).toEqual([['open'], ['open']]);
  });
});

describe.each(realModes)("against Node's sockets, $name", (mode) => {
  const world = useWorld(mode);

  test('half-close both ways with a Node client: it ends first, and reads our answer to its end', async () => {
    const w = world();
    const bytes = pattern(500_000);
    const logs = new Logs({
      readClosed: (connection) => {
        expect(connection.write(bytes)).toBe(bytes.length);
        connection.end();
      },
    });
    const listener = w.listen(logs.handlers);
    w.start();
    const peer = nodeConnect({ port: listener.address.port, host: '127.0.0.1', allowHalfOpen: true });
    peer.end('question');
    expect((await readAll(peer)).equals(bytes)).toBe(true);
    await w.until(() => logs.all[0]!.closed);
    expect(logs.all[0]!.text).toBe('question');
    expect(logs.all[0]!.events.filter((event) => event !== 'drain')).toEqual([
      'open',
      'data',
      'readClosed',
      'close',
    ]);
  });

  test('half-close both ways with a Node server: it ends first, and reads what we send to its end', async () => {
    const w = world();
    const accepted: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket);
      socket.end('go on');
    });
    w.onEnd(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const logs = new Logs({
      readClosed: (connection) => {
        connection.write('all I have');
        connection.end();
      },
    });
    w.connect((server.address() as AddressInfo).port, logs.handlers);
    w.start();
    await w.until(() => accepted.length === 1);
    expect((await readAll(accepted[0]!)).toString()).toBe('all I have');
    await w.until(() => logs.all[0]!.closed);
    expect(logs.all[0]!.events).toEqual(['open', 'data', 'readClosed', 'close']);
    expect(logs.all[0]!.text).toBe('go on');
  });

  test('a Node client that resets gives ECONNRESET; our reset gives a Node client ECONNRESET', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    w.start();
    const rude = nodeConnect(listener.address.port, '127.0.0.1');
    await w.until(() => logs.all.length === 1);
    rude.resetAndDestroy();
    await w.until(() => logs.all[0]!.closed);
    expect(logs.all[0]!.events).toEqual(['open', 'error ECONNRESET', 'close ECONNRESET']);

    const victim = nodeConnect(listener.address.port, '127.0.0.1');
    const failed = once(victim, 'error') as Promise<[NodeJS.ErrnoException]>;
    await w.until(() => logs.all.length === 2);
    logs.connections[1]!.reset();
    expect((await failed)[0].code).toBe('ECONNRESET');
    await w.until(() => logs.all[1]!.closed);
  });
});

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
