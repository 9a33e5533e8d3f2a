// Idle timeouts: never early, late by a sixteenth at most, one timer for all, bounded work per item.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listen } from '../../src/index.js';
import type { Connection } from '../../src/index.js';
import { SilentObserver } from '../../src/index.js';
import { PASSES_PER_TIMEOUT } from '../../src/net/idle.js';
import { Logs, World, modes, scriptedModes, useWorld } from './world.js';

const level = scriptedModes[0]!;

describe.each(modes)('idle connections, $name', (mode) => {
  const world = useWorld(mode);

  test('one that is silent is closed with ERR_TIMEOUT, one that talks is not', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers, { idleTimeoutMs: 64 });
    const peers = new Logs();
    const silent = w.connect(listener.address.port, peers.handlers);
    const talker = w.connect(listener.address.port, peers.handlers);
    await w.until(() => logs.all.length === 2 && !silent.connecting && !talker.connecting);
    const beginMs = w.reactor.now();
    let talking = true;
    const talk = (): void => {
      if (!talking) return;
      talker.write('.');
      w.reactor.setTimer(4, talk);
    };
    talk();
    await w.until(() => peers.of(silent).closed);
    expect(w.reactor.now() - beginMs).toBeGreaterThan(50);
    const timedOut = logs.all.filter((log) => log.closed);
    expect(timedOut.map((log) => log.events)).toEqual([['open', 'error ERR_TIMEOUT', 'close ERR_TIMEOUT']]);
    expect(listener.counters()).toMatchObject({ timedOut: 1, connections: 1 });
    talking = false;
    await w.until(() => peers.of(talker).closed);
    expect(listener.counters()).toMatchObject({ timedOut: 2, connections: 0 });
  });
});

test('an idle handler may close the reactor: nothing follows, and nothing is thrown', async () => {
  const w = new World(level);
  let told = 0;
  const idle = (): void => {
    told++;
    w.reactor.close();
  };
  const listener = w.listen({ idle }, { idleTimeoutMs: 1600 });
  for (let i = 0; i < 3; i++) w.connect(listener.address.port, {});
  await w.until(() => told > 0);
  await w.finish();
  expect(told).toBe(1);
});

test('closed between the timeout and a sixteenth after it, whenever it was last used', async () => {
  const timeoutMs = 1600;
  const periodMs = timeoutMs / PASSES_PER_TIMEOUT;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 1, max: 2500 }), { maxLength: 6 }), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (uses, byServer) => {
        const w = new World(level);
        const lastUse = new Map<Connection, number>();
        const lateness: number[] = [];
        const listener = w.listen(
          {
            open: (connection) => void lastUse.set(connection, w.reactor.now()),
            data: (connection) => void lastUse.set(connection, w.reactor.now()),
            close: (connection) => {
              const idleMs = w.reactor.now() - (lastUse.get(connection) ?? NaN);
              lateness.push(idleMs - timeoutMs);
            },
          },
          { idleTimeoutMs: timeoutMs },
        );
        const clients = uses.map(() => w.connect(listener.address.port, {}));
        await w.until(
          () => listener.accepted === uses.length && clients.every(({ connecting }) => !connecting),
        );
        const servers = [...lastUse.keys()];
        uses.forEach((delays, i) => {
          let atMs = 0;
          for (const delayMs of delays) {
            atMs += delayMs;
            w.reactor.setTimer(atMs, () => {
              const server = servers[i]!;
              if (server.closed || clients[i]!.closed) return;
              if (!byServer) clients[i]!.write('x');
              else if (server.write('x') === 1) lastUse.set(server, w.reactor.now());
            });
          }
        });
        await w.until(() => lateness.length === uses.length);
        for (const lateMs of lateness) {
          expect(lateMs).toBeGreaterThanOrEqual(0);
          expect(lateMs).toBeLessThanOrEqual(periodMs + 1);
        }
        await w.finish();
      },
    ),
    { numRuns: 60 },
  );
});

test('what came in the very turn of the timeout is read, and keeps the connection', async () => {
  const w = new World(level);
  const logs = new Logs();
  const timeoutMs = 160;
  const listener = w.listen(logs.handlers, { idleTimeoutMs: timeoutMs });
  const client = w.connect(listener.address.port, {});
  await w.until(() => logs.all.length === 1 && !client.connecting);
  const [server] = logs.connections as [Connection];
  // From its age on, the next look would end it.
  let age = 0;
  while (age < PASSES_PER_TIMEOUT) {
    w.reactor.turn();
    age = ((server as unknown as { flags: number }).flags >> 10) & 31;
  }
  // The kernel has the byte when the timer falls due: the turn runs timer, readiness, and the look behind them.
  w.reactor.setTimer(timeoutMs / PASSES_PER_TIMEOUT, () => undefined);
  w.scripted!.feed(server.fd, Buffer.from('just in time'));
  for (let turns = 0; turns < 6; turns++) w.reactor.turn(20);
  expect(server.closed).toBe(false);
  expect(logs.all[0]!.text).toBe('just in time');
  await w.finish();
});

test('an idle handler decides: the time begins anew, and one that throws harms nobody', async () => {
  const w = new World(level);
  let asked = 0;
  const logs = new Logs();
  const handlers = {
    ...logs.handlers,
    idle: (connection: Connection): void => {
      asked++;
      if (asked === 1) throw new Error('thrown by idle');
      if (asked > 4) connection.close();
    },
  };
  const listener = w.listen(handlers, { idleTimeoutMs: 100 });
  for (let i = 0; i < 2; i++) w.connect(listener.address.port, {});
  await w.until(() => listener.accepted === 2 && listener.connections === 0);
  expect(w.takeErrors()).toEqual(['thrown by idle']);
  expect(asked).toBe(6);
  expect(logs.all.map((log) => log.closeError)).toEqual([null, null]);
  await w.finish();
});

test('one timer for all connections, none without, and bounded portions', async () => {
  let sets = 0;
  let looksInItem = 0;
  let looksMax = 0;
  class Count extends SilentObserver {
    override timerSet(): void {
      sets++;
    }
    override itemBegin(): void {
      looksInItem = 0;
    }
  }
  const w = new World(level, { observer: new Count(), fdLimit: 20_000 });
  const logs = new Logs();
  const listener = listen(w.reactor, { idleTimeoutMs: 1000, backlog: 4096 }, logs.handlers);
  w.reactor.turn(5000);
  expect(sets).toBe(0);
  const count = 300;
  for (let i = 0; i < count; i++) w.connect(listener.address.port, {});
  await w.until(() => listener.accepted === count);
  expect(sets).toBe(1);
  for (const connection of logs.connections) {
    const { destroy } = connection;
    connection.destroy = (error) => {
      looksMax = Math.max(looksMax, ++looksInItem);
      destroy.call(connection, error);
    };
  }
  await w.until(() => listener.connections === 0);
  expect(listener.counters().timedOut).toBe(count);
  expect(looksMax).toBe(64);
  const before = sets;
  w.reactor.turn(50_000);
  w.reactor.turn(50_000);
  expect(sets).toBe(before);
  await w.finish();
});

test('a listener that was closed still ends its idle connections', async () => {
  const w = new World(level);
  const logs = new Logs();
  const listener = w.listen(logs.handlers, { idleTimeoutMs: 100 });
  w.connect(listener.address.port, {});
  await w.until(() => listener.accepted === 1);
  listener.close();
  await w.until(() => logs.all[0]!.closed);
  expect(logs.all[0]!.closeError).toMatchObject({ code: 'ERR_TIMEOUT' });
  await w.finish();
});
