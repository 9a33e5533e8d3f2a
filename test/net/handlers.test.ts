// What a connection calls: which handlers, in which order, how often, and what a handler may do while it runs.

import { afterEach, describe, expect, test } from 'vitest';
import { Reactor, SilentObserver, copy } from '../../src/index.js';
import type { Connection, ConnectionHandlers, Observer } from '../../src/index.js';
import { Logs, fill, modes, pattern, realModes, scriptedModes, useWorld } from './world.js';

describe.each(modes)('$name', (mode) => {
  const world = useWorld(mode);

  describe('order and count', () => {
    test('open, data, readClosed, close: each end calls them in this order, and close once', async () => {
      const w = world();
      const pair = await w.pair(
        { readClosed: (connection) => connection.end() },
        { readClosed: () => undefined },
      );
      pair.client.write('abc');
      pair.client.end();
      await w.until(() => pair.serverLog.closed && pair.clientLog.closed);
      await w.settle();
      expect(pair.serverLog.events).toEqual(['open', 'data', 'readClosed', 'close']);
      expect(pair.serverLog.text).toBe('abc');
      expect(pair.clientLog.events).toEqual(['open', 'readClosed', 'close']);
      expect([pair.serverLog.closeError, pair.clientLog.closeError]).toEqual([null, null]);
    });

    test("without a readClosed handler the peer's end ends our half too", async () => {
      const w = world();
      const pair = await w.pair();
      pair.client.end();
      await w.until(() => pair.serverLog.closed && pair.clientLog.closed);
      expect(pair.serverLog.events).toEqual(['open', 'close']);
      expect(pair.clientLog.events).toEqual(['open', 'close']);
    });

    test('an error comes before close, once, and close names the same error', async () => {
      const w = world();
      let told: Error | undefined;
      const pair = await w.pair({ error: (_, error) => (told = error) });
      pair.client.reset();
      await w.until(() => pair.serverLog.closed && pair.clientLog.closed);
      expect(pair.serverLog.events).toEqual(['open', 'error ECONNRESET', 'close ECONNRESET']);
      expect(pair.serverLog.closeError).toBe(told);
      expect(told).toMatchObject({ code: 'ECONNRESET', syscall: 'recv' });
      expect(pair.clientLog.events).toEqual(['open', 'close']);
    });

    test('close() is answered in a later turn, never inside the call, and a second close() changes nothing', async () => {
      const w = world();
      const pair = await w.pair();
      pair.client.close();
      pair.client.close();
      pair.client.reset();
      expect(pair.clientLog.events).toEqual(['open']);
      expect(pair.client.closed).toBe(true);
      await w.until(() => pair.clientLog.closed);
      await w.settle();
      expect(pair.clientLog.events).toEqual(['open', 'close']);
    });

    test('drain comes once after each time that bytes were held back, and not otherwise', async () => {
      const w = world();
      const pair = await w.pair();
      pair.client.write('sent at once');
      await w.until(() => pair.serverLog.length === 12);
      expect(pair.clientLog.has('drain')).toBe(false);
      for (const round of [1, 2]) {
        pair.server.pause();
        fill(pair.client);
        expect(pair.clientLog.count('drain')).toBe(round - 1);
        pair.server.resume();
        await w.until(() => pair.clientLog.count('drain') === round);
        expect(pair.client.queuedBytes).toBe(0);
      }
      await w.until(() => pair.serverLog.length === pair.client.bytesWritten);
      await w.settle();
      expect(pair.clientLog.count('drain')).toBe(2);
    });
  });

  describe('a throwing handler', () => {
    /** A connection on which `name` will have been called, and one more beside it. */
    const provoke: Record<string, (victim: Connection, peer: Connection) => void> = {
      open: () => undefined,
      data: (_, peer) => peer.write('x'),
      readClosed: (_, peer) => peer.end(),
      error: (_, peer) => peer.reset(),
      close: (victim) => victim.close(),
      drain: (victim, peer) => {
        peer.pause();
        fill(victim);
        peer.resume();
      },
    };
    test.each(Object.keys(provoke))('%s: it reaches onError and harms no other connection', async (name) => {
      const w = world();
      const called: string[] = [];
      const throwing: ConnectionHandlers = {
        [name]: () => {
          called.push(name);
          throw new Error(`from ${name}`);
        },
      };
      const neighbour = await w.pair({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
      const victim = await w.pair(throwing);
      provoke[name]!(victim.server, victim.client);
      await w.until(() => called.length > 0, name);
      neighbour.client.write('still here');
      await w.until(() => neighbour.clientLog.text === 'still here');
      await w.settle();
      expect(called).toEqual([name]);
      expect(w.takeErrors()).toEqual([`from ${name}`]);
      // Its own connection is not closed by it either, and what was under way goes on to its end.
      if (name === 'error' || name === 'close') expect(victim.serverLog.closed).toBe(true);
      else expect(victim.server.closed).toBe(false);
    });

    test('bytes that it left unread are read nevertheless: a throw loses no readiness', async () => {
      const w = world();
      let throwing = false;
      const { client, serverLog } = await w.pair({
        data: () => {
          if (throwing) throw new Error('at every call');
        },
      });
      // The receive window has to grow first, so that what follows is all there before the first read.
      const warmUp = 1_000_000;
      for (let written = 0; written < warmUp;) {
        written += client.write(pattern(warmUp - written));
        await w.until(() => serverLog.length === written);
      }
      throwing = true;
      const bytes = pattern(120_000);
      expect(client.write(bytes)).toBe(120_000);
      await w.until(() => serverLog.length === warmUp + 120_000, 'all that was sent');
      expect(serverLog.bytes.subarray(warmUp).equals(bytes)).toBe(true);
      expect(w.takeErrors().length).toBeGreaterThanOrEqual(2);
    });

    test('a drain handler that throws does not lose the data that was reported with it', async () => {
      const w = world();
      let answered = false;
      const { server, serverLog, client, clientLog } = await w.pair(
        {
          drain: () => {
            throw new Error('from drain');
          },
        },
        {
          // One answer, at the moment when the last room to send appears: both come in one readiness, and nothing later.
          data: (connection) => {
            if (!answered && clientLog.length === server.bytesWritten)
              answered = connection.write('answer') === 6;
          },
        },
      );
      client.pause();
      fill(server);
      client.resume();
      await w.until(() => serverLog.has('drain') && clientLog.length === server.bytesWritten);
      expect(answered).toBe(true);
      await w.until(() => serverLog.text === 'answer');
      expect(w.takeErrors()).toEqual(['from drain']);
    });

    test('end() before a throwing open handler still ends the connection', async () => {
      const w = world();
      const serverLogs = new Logs();
      const listener = w.listen(serverLogs.handlers);
      const clientLogs = new Logs({
        open: () => {
          throw new Error('from open');
        },
      });
      const client = w.connect(listener.address.port, clientLogs.handlers);
      client.end();
      await w.until(() => serverLogs.all[0]?.closed === true && clientLogs.all[0]?.closed === true);
      expect(w.takeErrors()).toEqual(['from open']);
    });
  });

  describe('close inside own handler', () => {
    test.each(['open', 'data', 'readClosed', 'drain'] as const)(
      'in %s: nothing but close follows',
      async (name) => {
        const w = world();
        const handlers: ConnectionHandlers = { [name]: (connection: Connection) => connection.close() };
        const pair = await w.pair(handlers, {});
        if (name === 'drain') {
          pair.client.pause();
          fill(pair.server);
          pair.client.resume();
        } else if (name !== 'open') {
          pair.client.write(pattern(200_000));
          if (name === 'readClosed') pair.client.end();
        }
        await w.until(() => pair.serverLog.closed);
        await w.settle();
        expect(pair.serverLog.events.slice(pair.serverLog.events.indexOf(name))).toEqual([name, 'close']);
        if (name === 'data') expect(pair.serverLog.sizes).toHaveLength(1);
        expect(pair.server.fd).toBe(-1);
      },
    );

    test('in close itself: it changes nothing', async () => {
      const w = world();
      const pair = await w.pair({ close: (connection) => connection.close() });
      pair.client.close();
      await w.until(() => pair.serverLog.closed);
      await w.settle();
      expect(pair.serverLog.count('close')).toBe(1);
    });
  });

  test('handler closing a neighbour in the same batch: the neighbour gets nothing but close', async () => {
    const w = world();
    const open: Connection[] = [];
    const logs = new Logs({
      data: (connection) => {
        for (const other of open) if (other !== connection) other.close();
      },
    });
    const listener = w.listen(logs.handlers);
    const clients = [1, 2, 3].map(() => w.connect(listener.address.port, new Logs().handlers));
    await w.until(() => logs.all.length === 3 && clients.every((client) => !client.connecting));
    open.push(...logs.connections);
    // All are readable before the next turn looks, so they come in one batch.
    for (const client of clients) client.write('x');
    w.reactor.turn(1);
    await w.until(() => logs.all.filter((log) => log.closed).length === 2);
    await w.settle();
    const heard = logs.all.filter((log) => log.has('data'));
    expect(heard).toHaveLength(1);
    expect(heard[0]?.closed).toBe(false);
    for (const log of logs.all) if (log !== heard[0]) expect(log.events).toEqual(['open', 'close']);
  });

  describe('what a connection carries', () => {
    test('context is its own, and survives until close', async () => {
      const w = world();
      const seen: unknown[] = [];
      const logs = new Logs({
        open: (connection) => (connection.context = { number: seen.length + connection.fd }),
        close: (connection) => seen.push(connection.context),
      });
      const listener = w.listen(logs.handlers);
      const clients = [1, 2].map(() => w.connect(listener.address.port, {}));
      await w.until(() => logs.all.length === 2);
      const contexts = logs.connections.map((connection) => connection.context);
      expect(new Set(contexts).size).toBe(2);
      for (const client of clients) client.close();
      await w.until(() => logs.all.every((log) => log.closed));
      expect(new Set(seen)).toEqual(new Set(contexts));
    });

    test('bytesRead and bytesWritten count exactly what was received and sent', async () => {
      const w = world();
      const pair = await w.pair({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
      const bytes = pattern(150_000);
      const taken = pair.client.write(bytes);
      expect(taken).toBe(150_000);
      await w.until(() => pair.clientLog.length === 150_000);
      expect([pair.client.bytesWritten, pair.client.bytesRead]).toEqual([150_000, 150_000]);
      expect([pair.server.bytesWritten, pair.server.bytesRead]).toEqual([150_000, 150_000]);
      expect(pair.clientLog.bytes.equals(bytes)).toBe(true);
    });

    test('both ends know both addresses while they are open, and none afterwards', async () => {
      const w = world();
      const { server, client, clientLog, listener } = await w.pair();
      expect(client.peerAddress).toEqual(listener.address);
      expect(server.localAddress).toEqual(listener.address);
      expect(server.peerAddress).toEqual(client.localAddress);
      expect(client.localAddress).toMatchObject({ family: 4, host: '127.0.0.1' });
      expect(client.reactor).toBe(w.reactor);
      client.close();
      expect([client.localAddress, client.peerAddress, client.fd]).toEqual([null, null, -1]);
      await w.until(() => clientLog.closed);
    });

    test('copy keeps the bytes that the next read overwrites', async () => {
      const w = world();
      const kept: Buffer[] = [];
      const views: Uint8Array[] = [];
      const pair = await w.pair({
        data: (_, buffer, start, end) => {
          kept.push(copy(buffer, start, end));
          views.push(buffer.subarray(start, end));
        },
      });
      pair.client.write('first');
      await w.until(() => kept.length === 1);
      pair.client.write('other');
      await w.until(() => kept.length === 2);
      expect(kept.map(String)).toEqual(['first', 'other']);
      expect(Buffer.from(views[0]!).toString()).not.toBe('first');
    });

    test('a connection is disposable', async () => {
      const w = world();
      const { client, clientLog } = await w.pair();
      {
        using scoped = client;
        expect(scoped.closed).toBe(false);
      }
      expect(client.closed).toBe(true);
      await w.until(() => clientLog.closed);
    });
  });
});

describe.each(modes)('development, $name', (mode) => {
  const world = useWorld(mode, { development: true });

  test('a buffer kept after data has returned reads 0xdb', async () => {
    const w = world();
    const kept: Uint8Array[] = [];
    const pair = await w.pair({ data: (_, buffer, start, end) => kept.push(buffer.subarray(start, end)) });
    pair.client.write('precious');
    await w.until(() => kept.length === 1);
    expect([...kept[0]!]).toEqual(Array<number>(8).fill(0xdb));
    expect(pair.serverLog.text).toBe('precious');
  });

  test('a handler that throws has kept nothing readable either', async () => {
    const w = world();
    const kept: Uint8Array[] = [];
    const pair = await w.pair({
      data: (_, buffer, start, end) => {
        kept.push(buffer.subarray(start, end));
        throw new Error('kept');
      },
    });
    pair.client.write('precious');
    await w.until(() => kept.length === 1);
    expect([...kept[0]!]).toEqual(Array<number>(8).fill(0xdb));
    expect(w.takeErrors()).toEqual(['kept']);
  });

  test("an echo of the reactor's own buffer is not poisoned on its way, queued or not", async () => {
    const w = world();
    const pair = await w.pair({
      data: (connection, buffer, start, end) => {
        if (connection.write(buffer, start, end) < end - start) throw new Error('the queue was full');
      },
    });
    pair.client.pause();
    const bytes = pattern(400_000);
    w.scripted?.shortWrites(1000);
    let written = 0;
    while (written < bytes.length) {
      written += pair.client.write(bytes, written);
      await w.until(() => pair.serverLog.length === pair.client.bytesWritten);
    }
    pair.client.resume();
    await w.until(() => pair.clientLog.length === bytes.length);
    expect(pair.clientLog.bytes.equals(bytes)).toBe(true);
  });
});

describe('development by the environment', () => {
  const before = process.env['UNDERLOOP_DEVELOPMENT'];
  afterEach(() => {
    if (before === undefined) delete process.env['UNDERLOOP_DEVELOPMENT'];
    else process.env['UNDERLOOP_DEVELOPMENT'] = before;
  });
  test.each([
    ['1', undefined, true],
    [undefined, undefined, false],
    ['0', undefined, false],
    ['1', false, false],
    [undefined, true, true],
  ])('UNDERLOOP_DEVELOPMENT=%s and the option %s give %s', (variable, option, expected) => {
    if (variable === undefined) delete process.env['UNDERLOOP_DEVELOPMENT'];
    else process.env['UNDERLOOP_DEVELOPMENT'] = variable;
    using reactor = new Reactor(option === undefined ? {} : { development: option });
    expect(reactor.development).toBe(expected);
  });
});

describe.each([...scriptedModes, ...realModes.filter(({ poller }) => poller === 'epoll')])(
  'fd number reused at once, $name',
  (mode) => {
    const calls: string[] = [];
    const stale: number[] = [];
    const observer = recvObserver(calls, stale);
    const world = useWorld(mode, { observer });

    test("a stale readiness does not reach the new connection that got the closed one's number", async () => {
      const w = world();
      const logs = new Logs({
        data: (connection) => {
          if (connection === first) second.close();
        },
      });
      const listener = w.listen(logs.handlers);
      const clients = [1, 2].map(() => w.connect(listener.address.port, {}));
      await w.until(() => logs.all.length === 2 && clients.every((client) => !client.connecting));
      const [first, second] = logs.connections as [Connection, Connection];
      const number = second.fd;
      const peerOf = (server: Connection): Connection =>
        clients.find((client) => client.localAddress?.port === server.peerAddress?.port)!;
      const [firstPeer, secondPeer] = [peerOf(first), peerOf(second)];
      await w.settle(); // empties the kernel's list of those that were ready until now
      // It tells in the order in which it happened: the closer, the listener, and last the one closed meanwhile.
      firstPeer.write('close it');
      w.connect(listener.address.port, {});
      secondPeer.write('too late');
      calls.length = stale.length = 0;
      w.reactor.turn(1);
      const third = logs.connections[2];
      expect(third?.fd).toBe(number);
      // The closer's alone, in edge mode until EAGAIN: had the stale readiness gone by the number, the new connection would
      // have been read.
      const recv = `recv ${String(first.fd)}`;
      expect(calls.filter((call) => call.startsWith('recv'))).toEqual(
        mode.trigger === 'edge' ? [recv, recv] : [recv],
      );
      expect(stale).toHaveLength(1);
      await w.until(() => logs.of(second).closed);
      await w.settle();
      expect(logs.of(second).events).toEqual(['open', 'close']);
      expect(logs.of(third!).events).toEqual(['open']);
    });
  },
);

/** Notes each recv with its fd, and each readiness that the reactor dropped. */
function recvObserver(calls: string[], stale: number[]): Observer {
  return new (class extends SilentObserver {
    override call(name: string, args: readonly unknown[]): void {
      calls.push(`${name} ${String(args[0])}`);
    }
    override stale(slot: number): void {
      stale.push(slot);
    }
  })();
}
