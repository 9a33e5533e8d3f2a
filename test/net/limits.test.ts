// Bounds and counts of a listener: connectionsMax, options of sockets, what it has seen.

import { describe, expect, test } from 'vitest';
import { connect, listen } from '../../src/index.js';
import type { StreamOptions } from '../../src/index.js';
import { Logs, World, modes, realModes, scriptedModes, useWorld } from './world.js';

describe.each(modes)('bounds and counts, $name', (mode) => {
  const world = useWorld(mode);

  test('no more than connectionsMax at once; the kernel keeps the rest, and each that closes lets one in', async () => {
    const w = world();
    const logs = new Logs();
    let most = 0;
    const listener = w.listen(
      {
        ...logs.handlers,
        open: (connection) => {
          logs.handlers.open?.(connection);
          most = Math.max(most, listener.connections);
        },
      },
      { connectionsMax: 2 },
    );
    const clients = Array.from({ length: 5 }, () => w.connect(listener.address.port, {}));
    await w.until(() => listener.connections === 2 && clients.every(({ connecting }) => !connecting));
    await w.settle();
    expect(listener.accepted).toBe(2);
    for (let done = 0; done < 5; done++) {
      logs.connections[done]!.close();
      await w.until(() => listener.accepted === Math.min(done + 3, 5));
    }
    await w.until(() => listener.connections === 0);
    expect(most).toBe(2);
    expect(listener.refused).toBe(0);
  });

  test('at the bound and released in one turn: accepting goes on', async () => {
    const w = world();
    const logs = new Logs({ open: (connection) => connection.close() });
    const listener = w.listen(logs.handlers, { connectionsMax: 1 });
    for (let i = 0; i < 20; i++) w.connect(listener.address.port, {});
    await w.until(() => listener.accepted === 20 && listener.connections === 0);
  });

  test('a pause stays a pause when a place becomes free', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { connectionsMax: 1 });
    const clients = [0, 1].map(() => w.connect(listener.address.port, {}));
    await w.until(() => listener.connections === 1 && clients.every(({ connecting }) => !connecting));
    listener.pause();
    logs.connections[0]!.close();
    await w.until(() => listener.connections === 0);
    await w.settle();
    expect(listener.accepted).toBe(1);
    listener.resume();
    await w.until(() => listener.accepted === 2);
  });

  test('bytes are counted of connections open and closed', async () => {
    const w = world();
    const logs = new Logs({
      data: (connection, buffer, start, end) => void connection.write(buffer, start, end),
    });
    const listener = w.listen(logs.handlers);
    const peers = new Logs();
    const [first, second] = [0, 1].map(() => w.connect(listener.address.port, peers.handlers));
    first!.write('12345');
    second!.write('123');
    await w.until(
      () => peers.all.length === 2 && peers.of(first!).length === 5 && peers.of(second!).length === 3,
    );
    const all = {
      connections: 2,
      accepted: 2,
      refused: 0,
      bytesRead: 8,
      bytesWritten: 8,
      timedOut: 0,
      acceptErrors: 0,
    };
    expect(listener.counters()).toEqual(all);
    logs.connections[0]!.close();
    expect(listener.counters()).toEqual(all); // it is told in a later turn, and meanwhile no count goes back
    await w.until(() => listener.connections === 1);
    expect(listener.counters()).toEqual({ ...all, connections: 1 });
  });
});

test('EMFILE is counted', async () => {
  const w = new World(scriptedModes[0]!);
  const logs = new Logs();
  const listener = w.listen(logs.handlers);
  w.scripted!.script('accept', null, -24);
  w.connect(listener.address.port, {});
  await w.until(() => logs.acceptErrors.length === 1);
  expect(listener.counters()).toMatchObject({ acceptErrors: 1, refused: 1 });
  await w.finish();
});

describe.each([realModes[0]!, scriptedModes[0]!])('options of sockets, $name', (mode) => {
  const world = useWorld(mode);
  const onLinux = process.platform === 'linux';
  const all: StreamOptions = {
    noDelay: true,
    keepAlive: { idleS: 33, intervalS: 44, count: 5 },
    receiveBufferBytes: 30_000,
    sendBufferBytes: 40_000,
    lingerS: 3,
    ...(onLinux && { userTimeoutMs: 6000 }),
  };
  const expected = [
    ['noDelay', 1],
    ['keepAlive', 1],
    ['keepAliveIdleS', 33],
    ['keepAliveIntervalS', 44],
    ['keepAliveCount', 5],
    ...(onLinux ? ([['userTimeoutMs', 6000]] as const) : []),
  ] as const;

  test('given to connect, to listen (for what is accepted), and to a connection that is open', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, all);
    const client = w.connect(listener.address.port, {}, all);
    const plain = w.connect(listener.address.port, {});
    await w.until(() => logs.all.length === 2 && !client.connecting && !plain.connecting);
    plain.setOptions(all);
    for (const connection of [client, plain, logs.connections[0]!]) {
      for (const [option, value] of expected)
        expect([option, connection.option(option)]).toEqual([option, value]);
      // Linux doubles what it is given.
      expect([30_000, 60_000]).toContain(connection.option('receiveBufferBytes'));
      expect([40_000, 80_000]).toContain(connection.option('sendBufferBytes'));
    }
    plain.keepAlive(false);
    expect(plain.option('keepAlive')).toBe(0);
    plain.close();
    expect(() => plain.setOptions({})).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(() => plain.option('noDelay')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  test.each([
    { keepAlive: 1 },
    { keepAlive: { idleS: 0 } },
    { keepAlive: { count: 128 } },
    { receiveBufferBytes: 0 },
    { sendBufferBytes: 1.5 },
    { lingerS: -2 },
    { userTimeoutMs: -1 },
    { connectionsMax: 0 },
    { idleTimeoutMs: 1 },
    { idleTimeoutMs: Infinity },
  ])('%j is refused', (options) => {
    const w = world();
    const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' }) as Error;
    expect(() => listen(w.reactor, options as object, {})).toThrow(refused);
    if ('connectionsMax' in options || 'idleTimeoutMs' in options) return;
    expect(() => connect(w.reactor, { port: 1, ...(options as object) }, {})).toThrow(refused);
  });
});
