// One peer never harms another: floods, silence and malice are bounded, counted in reads, turns and bytes, not in time.

import { once } from 'node:events';
import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { SilentObserver } from '../../src/index.js';
import type { Connection } from '../../src/index.js';
import { TRANSFERS_PER_ITEM_MAX } from '../../src/net/connection.js';
import { Logs, modes, pattern, realModes, scriptedModes, useWorld } from './world.js';
import type { Mode, World } from './world.js';

const MIB = 1024 * 1024;

/** Counts system calls per fd, within one item and within one turn of the reactor. */
class Counter extends SilentObserver {
  turns = 0;
  /** The most calls of that name on one fd within one item, ever. */
  readonly mostPerItem = new Map<string, number>();
  readonly thisTurn = new Map<string, number>();
  private readonly thisItem = new Map<string, number>();

  override turnBegin(): void {
    this.turns++;
    this.thisTurn.clear();
  }
  override itemBegin(): void {
    this.thisItem.clear();
  }
  override call(name: string, [fd]: readonly unknown[]): void {
    const key = `${name} ${String(fd)}`;
    const count = (this.thisItem.get(key) ?? 0) + 1;
    this.thisItem.set(key, count);
    this.thisTurn.set(key, (this.thisTurn.get(key) ?? 0) + 1);
    this.mostPerItem.set(name, Math.max(this.mostPerItem.get(name) ?? 0, count));
  }
}

function useCounted(mode: Mode): { world: () => World; counter: () => Counter } {
  const counter = new Counter();
  const world = useWorld(mode, { observer: counter, socketBufferBytes: 8 * MIB });
  return {
    world: () => {
      counter.turns = 0;
      counter.mostPerItem.clear();
      return world();
    },
    counter: () => counter,
  };
}

describe.each(scriptedModes)('$name', (mode) => {
  const { world, counter } = useCounted(mode);
  const edge = mode.trigger === 'edge';

  test('edge-trigger starvation: a flooded connection reads at most 16 times before its neighbours and timers', async () => {
    const w = world();
    const seen: string[] = [];
    const flooded = await w.pair({ data: () => seen.push('flood') }, {}, { keep: false });
    const neighbour = await w.pair({ data: () => seen.push('neighbour') });
    const flood = pattern(60 * 65_536);
    expect(flooded.client.write(flood)).toBe(flood.length);
    // In each turn the neighbour has a byte and a timer is due; the flood came first, so it is first in the batch.
    for (let turn = 0; turn < 40 && flooded.serverLog.length < flood.length; turn++) {
      seen.length = 0;
      neighbour.client.write('x');
      w.reactor.setTimer(0, () => seen.push('timer'));
      w.reactor.turn(0);
      expect(seen[0]).toBe('timer');
      expect(seen).toContain('neighbour');
      const reads = seen.filter((one) => one === 'flood').length;
      expect(reads).toBeGreaterThan(0);
      // Edge: its readiness, or the rest of an earlier one that was put off; level: one read per report.
      expect(reads).toBeLessThanOrEqual(edge ? TRANSFERS_PER_ITEM_MAX : 1);
    }
    await w.until(() => flooded.serverLog.length === flood.length);
    expect(counter().mostPerItem.get('recv')).toBe(edge ? TRANSFERS_PER_ITEM_MAX : 1);
  });

  test('an edge that comes while a bounded read goes on adds one item, not an endless one', async () => {
    const w = world();
    const flooded = await w.pair({}, {}, { keep: false });
    const neighbour = await w.pair();
    flooded.client.write(pattern(60 * 65_536));
    let longest = 0;
    for (let turn = 0; turn < 30; turn++) {
      flooded.client.write(pattern(65_536)); // a new edge in every turn
      neighbour.client.write('x');
      w.reactor.turn(0);
      longest = Math.max(longest, counter().thisTurn.get(`recv ${String(flooded.server.fd)}`) ?? 0);
      expect(neighbour.serverLog.length).toBe(turn + 1);
    }
    expect(longest).toBeLessThanOrEqual(edge ? 2 * TRANSFERS_PER_ITEM_MAX : 1);
    await w.until(() => flooded.serverLog.length === 90 * 65_536);
  });

  test('a bounded read that was put off obeys a pause and a close in between', async () => {
    const w = world();
    for (const how of ['pause', 'close'] as const) {
      const { client, server, serverLog } = await w.pair({}, {}, { keep: false });
      client.write(pattern(60 * 65_536));
      w.reactor.turn(0);
      const read = serverLog.length;
      expect(read).toBe((edge ? TRANSFERS_PER_ITEM_MAX : 1) * 65_536);
      server[how]();
      await w.settle();
      expect(serverLog.length).toBe(read);
      if (how === 'pause') {
        server.resume();
        await w.until(() => serverLog.length === 60 * 65_536);
      } else expect(serverLog.events.at(-1)).toBe('close');
    }
  });

  test('a long queue leaves in portions: at most 16 sends before the neighbours', async () => {
    const w = world();
    const writer = await w.pair({}, {}, { writeQueueBytesMax: 8 * MIB, keep: false });
    const neighbour = await w.pair();
    w.scripted!.shortWrites(100);
    writer.client.write(pattern(10_000));
    for (let turn = 0; turn < 6; turn++) {
      neighbour.server.write('x');
      w.reactor.turn(0);
      expect(neighbour.clientLog.length).toBe(turn + 1);
      const sends = counter().thisTurn.get(`sendBytes ${String(writer.client.fd)}`);
      expect(sends).toBe(TRANSFERS_PER_ITEM_MAX);
    }
    await w.until(() => writer.serverLog.length === 10_000);
    expect(counter().mostPerItem.get('sendBytes')).toBeLessThanOrEqual(TRANSFERS_PER_ITEM_MAX);
  });

  test('a flood of new connections is accepted in portions of 64, between which the others are served', async () => {
    const w = world();
    const logs = new Logs();
    const neighbour = await w.pair();
    const listener = w.listen(logs.handlers);
    const clients = Array.from({ length: 300 }, () => w.connect(listener.address.port, {}));
    for (let turn = 1; listener.accepted < 300; turn++) {
      neighbour.client.write('x');
      w.reactor.turn(0);
      expect(listener.accepted).toBe(Math.min(64 * turn, 300));
      expect(neighbour.serverLog.length).toBe(turn);
    }
    expect(counter().mostPerItem.get('accept')).toBe(64);
    for (const client of clients) client.close();
    await w.until(() => listener.connections === 0);
  });
});

describe.each(modes)('$name', (mode) => {
  const { world, counter } = useCounted(mode);

  test('one flooding socket delays neither timers nor neighbours', async () => {
    const w = world();
    const flooded = await w.pair({}, { drain: (connection) => flood(connection) }, { keep: false });
    const block = pattern(65_536);
    const flood = (connection: Connection): void => {
      for (let i = 0; i < 1000 && connection.write(block) === block.length; i++);
    };
    // A neighbour that plays ping-pong, and a timer that is always due.
    let rounds = 0;
    let timers = 0;
    const neighbour = await w.pair(
      { data: (c) => void c.write('pong') },
      {
        data: (c) => {
          rounds++;
          c.write('ping');
        },
      },
    );
    const again = (): void => {
      timers++;
      w.reactor.setTimer(0, again);
    };
    again();
    neighbour.client.write('ping');
    flood(flooded.client);
    const beginTurns = counter().turns;
    const beginTimers = timers;
    await w.until(() => rounds >= 200);
    const turns = counter().turns - beginTurns;
    // A ping is read in the turn after it was written, a pong too: two turns a round, and one to spare for a late wake.
    expect(turns).toBeLessThanOrEqual(3 * 200);
    expect(timers - beginTimers).toBeGreaterThanOrEqual(turns - 2);
    expect(counter().mostPerItem.get('recv')).toBeLessThanOrEqual(
      mode.trigger === 'edge' ? TRANSFERS_PER_ITEM_MAX : 1,
    );
    // It was a flood indeed.
    expect(flooded.serverLog.length).toBeGreaterThan(100 * 65_536);
  });

  test('a peer that never reads while the server echoes: the queue stays within its bound', async () => {
    const w = world();
    const bound = 100_000;
    let most = 0;
    let refused = 0;
    const deaf = await w.pair(
      {
        data: (connection, buffer, start, end) => {
          refused += end - start - connection.write(buffer, start, end);
          most = Math.max(most, connection.queuedBytes);
        },
      },
      {},
      { writeQueueBytesMax: bound, keep: false },
    );
    const neighbour = await w.pair({ data: (c, buffer, start, end) => void c.write(buffer, start, end) });
    deaf.client.pause();
    const block = pattern(65_536);
    let sent = 0;
    // It talks on and on and listens to nothing, until fifty times the bound was refused.
    for (let blocks = 0; refused < 50 * bound; blocks++) {
      expect(blocks).toBeLessThan(1000);
      sent += deaf.client.write(block);
      await w.until(() => deaf.serverLog.length === sent - deaf.client.queuedBytes);
    }
    expect(most).toBe(bound);
    neighbour.client.write('well');
    await w.until(() => neighbour.clientLog.text === 'well');
  });

  test('silent connections cost nothing: no items, no system calls', async () => {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    Array.from({ length: 50 }, () => w.connect(listener.address.port, {}));
    await w.until(() => listener.accepted === 50);
    await w.settle();
    let items = 0;
    for (let turn = 0; turn < 10; turn++) items += w.reactor.turn(0);
    expect(items).toBe(0);
    expect(counter().thisTurn.size).toBe(0);
  });
});

describe.each(realModes)("against Node's clients, $name", (mode) => {
  const world = useWorld(mode);
  const echo = (c: Connection, buffer: Uint8Array, start: number, end: number): void =>
    void c.write(buffer, start, end);
  const poller = mode.poller;

  /** Node clients, connected and each answered once: what it got, or the way in which it was turned away. */
  async function talk(port: number, count: number): Promise<{ peers: Socket[]; answers: string[] }> {
    const peers = Array.from({ length: count }, () => nodeConnect(port, '127.0.0.1'));
    const answers = await Promise.all(
      peers.map(async (peer, i) => {
        peer.on('error', () => undefined);
        peer.write(`hello ${String(i)}`);
        const outcome = await new Promise((resolve) => {
          peer.once('data', (bytes) => resolve(String(bytes)));
          peer.once('close', () => resolve('turned away'));
        });
        return outcome === `hello ${String(i)}` ? 'answered' : String(outcome);
      }),
    );
    return { peers, answers };
  }
  async function goodbye(peers: Socket[]): Promise<void> {
    await Promise.all(
      peers.map(async (peer) => {
        if (peer.closed) return;
        const closed = once(peer, 'close');
        peer.destroy();
        await closed;
      }),
    );
  }

  test('1,000 connections at once are all served', async () => {
    const w = world();
    const logs = new Logs({ data: echo }, false);
    const listener = w.listen(logs.handlers);
    w.start();
    // select has places for descriptors below 1,024, and each Node client has one too: 300 of them fit for certain.
    const count = poller === 'select' ? 300 : 1000;
    const { peers, answers } = await talk(listener.address.port, count);
    expect(answers.filter((answer) => answer !== 'answered')).toEqual([]);
    expect([listener.accepted, listener.connections, listener.refused]).toEqual([count, count, 0]);
    await goodbye(peers);
    await w.until(() => listener.connections === 0);
  });

  test.skipIf(poller !== 'select')(
    'a poller that is full turns the rest away, tells acceptError, and serves those that it has',
    async () => {
      const w = world();
      const logs = new Logs({ data: echo }, false);
      const listener = w.listen(logs.handlers);
      w.start();
      const { peers, answers } = await talk(listener.address.port, 700);
      const served = answers.filter((answer) => answer === 'answered').length;
      expect(served).toBe(listener.accepted);
      expect(served).toBeGreaterThan(100);
      expect(answers.filter((answer) => answer === 'turned away')).toHaveLength(700 - served);
      expect(listener.refused).toBe(700 - served);
      expect(logs.acceptErrors.length).toBe(listener.refused);
      expect(logs.acceptErrors[0]).toMatchObject({ code: 'ERR_FD_TOO_LARGE' });
      // Those that it has are served still, and when there is room again, so are others.
      await goodbye(peers);
      await w.until(() => listener.connections === 0);
      const later = await talk(listener.address.port, 10);
      expect(later.answers).toEqual(Array<string>(10).fill('answered'));
      await goodbye(later.peers);
      await w.until(() => listener.connections === 0);
    },
  );

  test('a full poller without an acceptError handler throws nothing either: no peer can end the process so', async () => {
    const w = world();
    const listener = w.listen({ data: echo });
    w.start();
    const peers = await talk(listener.address.port, poller === 'select' ? 700 : 10);
    expect(peers.answers[0]).toBe('answered');
    expect(listener.refused > 0).toBe(poller === 'select');
    await goodbye(peers.peers);
    await w.until(() => listener.connections === 0);
  });

  test('clients that connect and reset at once, a hundred times, harm no neighbour', async () => {
    const w = world();
    const logs = new Logs({ data: echo }, false);
    const listener = w.listen(logs.handlers);
    w.start();
    const kind = await talk(listener.address.port, 1);
    for (let i = 0; i < 100; i++) {
      const rude = nodeConnect(listener.address.port, '127.0.0.1');
      rude.on('error', () => undefined);
      await once(rude, 'connect');
      if (i % 3 === 0) rude.write('half a');
      rude.resetAndDestroy();
    }
    kind.peers[0]!.write('still there?');
    expect(String(((await once(kind.peers[0]!, 'data')) as [Buffer])[0])).toBe('still there?');
    await w.until(() => listener.connections === 1);
    await goodbye(kind.peers);
    await w.until(() => listener.connections === 0);
  });
});
