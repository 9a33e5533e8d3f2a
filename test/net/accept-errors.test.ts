// accept(2) and its errors on the scripted kernel: which are told, which make the listener rest, and for how long.

import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { Listener } from '../../src/index.js';
import { Logs, scriptedModes, useWorld } from './world.js';
import type { World } from './world.js';

const E = constants.errno;
const REST_MS = 100;

describe.each(scriptedModes)('$name', (mode) => {
  const world = useWorld(mode);

  interface Scene {
    w: World;
    listener: Listener;
    logs: Logs;
    /** Times at which accept was called. */
    accepts: number[];
    /** The names of all calls, oldest first. */
    calls: string[];
  }
  function scene(): Scene {
    const w = world();
    const logs = new Logs();
    const listener = w.listen(logs.handlers);
    const accepts: number[] = [];
    const calls: string[] = [];
    w.scripted!.onCall(({ name }) => {
      calls.push(name);
      if (name === 'accept') accepts.push(w.reactor.now());
    });
    return { w, listener, logs, accepts, calls };
  }
  /** Goes on for that long in virtual time. */
  function pass({ w }: Scene, ms: number): void {
    let over = false;
    w.reactor.setTimer(ms, () => (over = true));
    for (let turns = 0; !over; turns++) {
      expect(turns).toBeLessThan(10_000);
      w.reactor.turn();
    }
  }

  test('accept at EMFILE (reserve fd and back-off): those that wait are turned away at once, in one turn', async () => {
    const { w, listener, logs } = scene();
    const clients = new Logs();
    for (let i = 0; i < 10; i++) w.connect(listener.address.port, clients.handlers);
    const { length } = w.scripted!.openFds();
    // The lowest numbers are the standard streams'; two more connections have a place.
    w.scripted!.settings.fdLimit = 3 + length + 2;
    w.reactor.turn(0);
    expect([listener.accepted, listener.connections, listener.refused]).toEqual([2, 2, 8]);
    expect(w.scripted!.openFds()).toHaveLength(length + 2);
    expect(logs.acceptErrors).toHaveLength(1);
    expect(logs.acceptErrors[0]).toMatchObject({
      name: 'SystemError',
      code: 'EMFILE',
      syscall: 'accept',
      message: expect.stringContaining('ulimit -n') as string,
    });
    await w.until(() => clients.all.filter((log) => log.closed).length === 8);
    expect(w.reactor.now()).toBe(0);
    expect(clients.all.filter((log) => log.closeError === null)).toHaveLength(8);
    w.scripted!.settings.fdLimit = 1024;
  });

  test('then it rests for 100 ms: no call of accept, however many wait, and the connections are served meanwhile', async () => {
    const s = scene();
    const { w, listener, accepts } = s;
    const pair = await w.pair();
    w.scripted!.script('accept', listener.fd, -E.EMFILE, -E.EMFILE);
    w.connect(listener.address.port, {});
    w.reactor.turn(0);
    const beganMs = w.reactor.now();
    accepts.length = 0;
    for (let i = 0; i < 9; i++) {
      pair.client.write('x');
      w.connect(listener.address.port, {});
      pass(s, 10);
    }
    expect([accepts, pair.serverLog.length]).toEqual([[], 9]);
    await w.until(() => listener.accepted === 10);
    expect(w.reactor.now() - beganMs).toBe(REST_MS);
  });

  test('a turned-away burst is bounded too, and a longer queue is gone through by rests', async () => {
    const s = scene();
    const { w, listener, accepts } = s;
    const clients = new Logs();
    for (let i = 0; i < 200; i++) w.connect(listener.address.port, clients.handlers);
    w.scripted!.settings.fdLimit = 3 + w.scripted!.openFds().length;
    w.reactor.turn(0);
    expect(listener.refused).toBe(64);
    expect(accepts).toHaveLength(65);
    w.scripted!.settings.fdLimit = 1024;
    await w.until(() => listener.accepted + listener.refused === 200);
    expect(listener.accepted).toBe(136);
  });

  test('a reserve that somebody else has taken is fetched back after the rest, and works again', async () => {
    const s = scene();
    const { w, listener, calls } = s;
    w.scripted!.script('accept', listener.fd, -E.EMFILE);
    w.scripted!.script('openReserve', null, -E.EMFILE);
    w.connect(listener.address.port, {});
    w.reactor.turn(0);
    expect([listener.refused, calls.filter((name) => name === 'openReserve')]).toEqual([1, ['openReserve']]);
    pass(s, REST_MS);
    expect(calls.filter((name) => name === 'openReserve')).toHaveLength(2);
    w.scripted!.script('accept', listener.fd, -E.EMFILE);
    w.connect(listener.address.port, {});
    await w.until(() => listener.refused === 2);
    expect(calls.filter((name) => name === 'openReserve')).toHaveLength(3);
  });

  test('without a reserve, and with a connection waiting all the time, it does not spin', () => {
    const s = scene();
    const { w, listener, logs, accepts } = s;
    w.scripted!.script('openReserve', null, ...Array<number>(100).fill(-E.EMFILE));
    w.scripted!.script('accept', listener.fd, -E.EMFILE, -E.EMFILE, ...Array<number>(100).fill(-E.EMFILE));
    w.connect(listener.address.port, {});
    pass(s, 1000);
    expect(logs.acceptErrors.length).toBeGreaterThanOrEqual(10);
    // One try per rest, and in the first one more by the reserve.
    expect(accepts.length).toBeLessThanOrEqual(12);
    expect([listener.accepted, listener.refused]).toEqual([0, 0]);
  });

  test.each([
    ['ENFILE', E.ENFILE, true],
    ['ENOBUFS', E.ENOBUFS, false],
    ['ENOMEM', E.ENOMEM, false],
  ] as const)(
    '%s rests as well; the reserve helps only where a descriptor is what is missing',
    async (code, errno, reserve) => {
      const s = scene();
      const { w, listener, logs, calls } = s;
      w.scripted!.script('accept', listener.fd, -errno);
      w.connect(listener.address.port, {});
      w.reactor.turn(0);
      expect(listener.refused).toBe(reserve ? 1 : 0);
      expect(calls.includes('openReserve')).toBe(reserve);
      expect(logs.acceptErrors).toHaveLength(1);
      expect(logs.acceptErrors[0]).toMatchObject({ code, syscall: 'accept' });
      w.connect(listener.address.port, {});
      await w.until(() => listener.accepted === (reserve ? 1 : 2));
      expect(w.reactor.now()).toBe(REST_MS);
    },
  );

  test.each([
    ['ECONNABORTED', E.ECONNABORTED],
    ['EPERM', E.EPERM],
  ])(
    '%s concerns one connection alone: the next is accepted in the same turn, and nobody is told',
    (_, errno) => {
      const { w, listener, logs } = scene();
      w.scripted!.script('accept', listener.fd, -errno);
      w.connect(listener.address.port, {});
      w.reactor.turn(0);
      expect([listener.accepted, logs.acceptErrors]).toEqual([1, []]);
    },
  );

  test.each([
    ['EINVAL', E.EINVAL],
    ['EPROTO', E.EPROTO],
  ])('%s, which should not come, is told and rested upon: it may come for ever', (code, errno) => {
    const s = scene();
    const { w, listener, logs, accepts } = s;
    w.scripted!.script('accept', listener.fd, ...Array<number>(1000).fill(-errno));
    w.connect(listener.address.port, {});
    pass(s, 1000);
    expect(accepts.length).toBeLessThanOrEqual(11);
    expect(logs.acceptErrors.length).toBe(accepts.length);
    expect(logs.acceptErrors[0]).toMatchObject({ code });
    expect(listener.closed).toBe(false);
  });

  test('closing the listener in acceptError, or while it rests, is the end of it', async () => {
    for (const inHandler of [true, false]) {
      const w = world();
      const logs = new Logs({ acceptError: (listener) => void (inHandler && listener.close()) });
      const listener = w.listen(logs.handlers);
      const client = w.connect(listener.address.port, {});
      w.scripted!.script('accept', listener.fd, -E.EMFILE);
      w.reactor.turn(0);
      if (!inHandler) listener.close();
      expect([listener.closed, logs.acceptErrors.length]).toEqual([true, 1]);
      client.close();
      await w.until(() => !w.reactor.alive);
      // The rest is over: it neither revives the listener nor touches what has its number by now.
      w.scripted!.clock.advance(REST_MS);
      const next = w.listen({});
      w.reactor.turn(0);
      next.close();
    }
  });

  test('an acceptError handler that throws ends neither the listener nor its rest', async () => {
    const w = world();
    const listener = w.listen({
      acceptError: () => {
        throw new Error('from acceptError');
      },
    });
    w.scripted!.script('accept', listener.fd, -E.ENOMEM);
    w.connect(listener.address.port, {});
    await w.until(() => listener.accepted === 1);
    expect([w.takeErrors(), w.reactor.now()]).toEqual([['from acceptError'], REST_MS]);
  });

  test('a poller that has no room when a rest ends is asked again after another', async () => {
    const { w, listener, logs } = scene();
    w.scripted!.script('accept', listener.fd, -E.EMFILE);
    w.scripted!.script('add', listener.fd, -E.ENOSPC, -E.ENOSPC);
    w.connect(listener.address.port, {});
    w.reactor.turn(0);
    w.connect(listener.address.port, {});
    await w.until(() => listener.accepted === 1);
    expect(w.reactor.now()).toBe(3 * REST_MS);
    expect(logs.acceptErrors.map(({ code }) => code)).toEqual(['EMFILE', 'ENOSPC', 'ENOSPC']);
    expect(w.takeErrors()).toEqual([]);
  });

  test('a poller that refuses a connection turns that one away, and is told', async () => {
    const { w, listener, logs } = scene();
    const client = new Logs();
    w.connect(listener.address.port, client.handlers);
    w.scripted!.script('add', null, -E.ENOSPC);
    await w.until(() => client.all[0]?.closed === true);
    expect([listener.accepted, listener.refused, listener.connections]).toEqual([0, 1, 0]);
    expect(logs.acceptErrors[0]).toMatchObject({ code: 'ENOSPC' });
    w.connect(listener.address.port, {});
    await w.until(() => listener.accepted === 1);
  });
});
