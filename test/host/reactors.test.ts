// More than one reactor: in one thread they share one wait, on flat pollers they are refused, and workers have their own.

import { afterEach, describe, expect, test } from 'vitest';
import { READABLE, Reactor, descriptors, nativeKernel } from '../../src/index.js';
import type { PollerKind, Watch } from '../../src/index.js';
import { runProgram } from '../lifecycle/child.js';

const reactors: Reactor[] = [];
const fds: number[] = [];
afterEach(() => {
  for (const reactor of reactors.splice(0)) reactor.close();
  for (const fd of fds.splice(0)) descriptors.close(fd);
});
function open(poller?: PollerKind): Reactor {
  const reactor = new Reactor(poller === undefined ? {} : { poller });
  reactors.push(reactor);
  return reactor;
}

function pipe(): [number, number] {
  const ends = descriptors.pipe();
  fds.push(...ends);
  return ends;
}

/** A byte goes round between two reactors through two pipes; each reactor is woken by the other alone. */
function pingPong(a: Reactor, b: Reactor, rounds: number): { count: () => number; done: Promise<void> } {
  const byte = Buffer.of(1);
  const [toA, fromB] = pipe();
  const [toB, fromA] = pipe();
  let count = 0;
  const done = new Promise<void>((resolve) => {
    a.watch(toA, READABLE, (_, watch) => {
      descriptors.read(toA, byte);
      count++;
      if (count === rounds) {
        watch.close();
        other.close();
        resolve();
      } else {
        descriptors.write(fromA, byte);
      }
    });
    const other: Watch = b.watch(toB, READABLE, () => {
      descriptors.read(toB, byte);
      descriptors.write(fromB, byte);
    });
  });
  descriptors.write(fromA, byte);
  return { count: () => count, done };
}

const nestable = nativeKernel.pollerKinds.filter((kind) => kind === 'epoll' || kind === 'kqueue');

describe('two reactors in one thread', () => {
  test.each(nestable)('both go on (%s beside the default)', async (kind) => {
    const [a, b] = [open(kind), open()];
    const { count, done } = pingPong(a, b, 500);
    const ended = Promise.all([a.run(), b.run()]);
    await done;
    await ended; // both run() end by themselves: nothing keeps them
    expect(count()).toBe(500);
  });
  test('timers of either end the wait that both share, and never early', async () => {
    const [a, b] = [open(), open()];
    const beganMs = performance.now();
    const log: string[] = [];
    b.setTimer(60_000, () => {}).unref();
    a.setTimer(5, () => {
      log.push('a');
      b.setTimer(10, () => {
        log.push('b');
        a.setTimer(10, () => {
          log.push('a again');
          for (const keeper of keepers) keeper.close();
        });
      });
    });
    const keepers = [a, b].map((reactor) => reactor.watch(pipe()[0], READABLE, () => {}));
    await Promise.all([a.run(), b.run()]);
    expect(log).toEqual(['a', 'b', 'a again']);
    expect(performance.now() - beganMs).toBeGreaterThanOrEqual(25);
  });
  test('timers of either end the wait that both share, where nothing else would', async () => {
    expect(await runProgram('host/programs/two-timers.mjs')).toMatchObject({
      stdout: '[1,0,1,0]\n',
      stderr: '',
      code: 0,
    });
  });
  test('one stops, the other goes on; and the first can be run again beside it', async () => {
    const [a, b] = [open(), open()];
    const { count, done } = pingPong(a, b, 100);
    const idle = open();
    idle.watch(pipe()[0], READABLE, () => {});
    const idleEnded = idle.run();
    const ended = [a.run(), b.run()];
    idle.stop();
    await idleEnded;
    const again = idle.run();
    await done;
    await Promise.all(ended);
    idle.stop();
    await again;
    expect(count()).toBe(100);
  });
  test('a handler of one that stops the other: no further turn of the other’s', async () => {
    const [a, b] = [open(), open()];
    const log: string[] = [];
    const spin = (): void => {
      log.push('b');
      b.post(spin);
    };
    b.post(spin);
    const both = [a.run(), b.run()];
    await new Promise<void>((resolve) => {
      a.setTimer(5, () => {
        log.length = 0;
        b.stop();
        a.setTimer(5, resolve);
      });
    });
    expect(log).toEqual([]);
    await Promise.all(both);
  });
  test('a handler of one that closes the other', async () => {
    const [a, b] = [open(), open()];
    const { done } = pingPong(a, b, 1_000_000);
    void done;
    const ended = b.run();
    a.setTimer(10, () => {
      b.close();
      a.stop();
    });
    await Promise.all([a.run(), ended]);
    expect([a.alive, b.alive]).toEqual([true, false]);
  });
  test('a handler of one that runs a third', async () => {
    const [a, b, c] = [open(), open(), open()];
    const log: string[] = [];
    let third: Promise<void> | undefined;
    c.post(() => log.push('c'));
    a.post(() => {
      third = c.run();
    });
    b.setTimer(10, () => log.push('b'));
    await Promise.all([a.run(), b.run()]);
    await third;
    expect(log.sort()).toEqual(['b', 'c']);
  });
  test('promises settled in a turn of either have their reactions run before anybody waits again', async () => {
    const [a, b] = [open(), open()];
    const log: string[] = [];
    const keeper = b.watch(pipe()[0], READABLE, () => {});
    a.setTimer(5, () => {
      void Promise.resolve().then(() => {
        log.push('reaction');
        b.post(() => {
          log.push('posted to the other');
          keeper.close();
        });
      });
    });
    await Promise.all([a.run(), b.run()]);
    expect(log).toEqual(['reaction', 'posted to the other']);
  });
});

describe('no descriptor left for a second reactor', () => {
  test('its run() rejects with EMFILE, the first goes on beside the runtime, and later it can be run', async () => {
    const program = 'host/programs/no-descriptor.mjs';
    const { stdout, stderr, code } = await runProgram(program, [], { openFilesMax: 64 });
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.trim().split('\n')).toEqual([
      'second: EMFILE',
      'timer of the first',
      'timeout of the runtime',
      'second runs',
      'both have ended',
    ]);
  });
});

describe('a poller without a descriptor (poll, select)', () => {
  test.each(['poll', 'select'] as const)('a reactor on %s alone goes on beside the runtime', async (kind) => {
    const reactor = open(kind);
    const { count, done } = pingPong(reactor, reactor, 100);
    const log: string[] = [];
    reactor.setTimer(5, () => {
      setTimeout(() => {
        log.push('timeout');
        reactor.post(() => {
          log.push('posted by it');
          keeper.close();
        });
      }, 5);
    });
    const keeper = reactor.watch(pipe()[0], READABLE, () => {});
    await Promise.all([reactor.run(), done]);
    expect([count(), log]).toEqual([100, ['timeout', 'posted by it']]);
  });
  test.each([
    ['poll', 'epoll'],
    ['select', 'epoll'],
    ['epoll', 'poll'],
    ['poll', 'select'],
  ] as const)(
    '%s, and then %s: the second is refused with ERR_NOT_NESTABLE, and the first goes on',
    async (one, two) => {
      const [first, second] = [open(one), open(two)];
      const { count, done } = pingPong(first, first, 100);
      const ended = first.run();
      await expect(second.run()).rejects.toMatchObject({
        code: 'ERR_NOT_NESTABLE',
        message: expect.stringMatching(/two reactors.*(poll|select).*worker/) as string,
      });
      await done;
      await ended;
      expect(count()).toBe(100);
      // Refused, not broken: alone it runs.
      let ran = false;
      second.post(() => (ran = true));
      await second.run();
      expect(ran).toBe(true);
    },
  );
});

describe('workers', () => {
  test('a reactor in several workers at once, beside one in the main thread', async () => {
    const { stdout, stderr, code } = await runProgram('host/programs/workers.mjs');
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({ echoes: 400, exits: [0, 0, 0, 0] });
  });
});
