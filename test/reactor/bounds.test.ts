// Every batch has a bound: what is beyond it waits for the next turn, in order, and floods delay nobody for longer.

import { describe, expect, test } from 'vitest';
import { READABLE } from '../../src/index.js';
import { bench } from './fixture.js';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe('512 of a kind per turn', () => {
  test('due timers: the rest in the next turns, by deadline and then by creation', () => {
    const { kernel, reactor, observer } = bench();
    const fired: number[] = [];
    // Created in the opposite order of their deadlines, three to a deadline.
    for (let i = 1299; i >= 0; i--)
      reactor.setTimer(Math.floor(i / 3), () => fired.push(Math.floor(i / 3) * 1000 + (2 - (i % 3))));
    kernel.clock.advance(1000);
    const counts = [reactor.turn(), reactor.turn(), reactor.turn()];
    expect(counts).toEqual([512, 512, 276]);
    // Within a deadline i falls, and with it 2 - i % 3 rises: creation order.
    expect(fired).toEqual([...fired].sort((a, b) => a - b));
    expect(observer.waits.map(({ reason }) => reason)).toEqual(['queued', 'queued', 'queued']);
  });
  test.each(['post', 'defer', 'closing'] as const)('%s(): the rest in the next turns, in order', (queue) => {
    const { reactor } = bench();
    const ran: number[] = [];
    for (const i of numbers(0, 1100)) reactor[queue](() => ran.push(i));
    const counts = [reactor.turn(), reactor.turn(), reactor.turn()];
    expect(counts).toEqual([512, 512, 76]);
    expect(ran).toEqual(numbers(0, 1100));
  });
  test('what is queued while the rest waits stands behind it', () => {
    const { reactor } = bench();
    const ran: number[] = [];
    for (const i of numbers(0, 600)) {
      reactor.post(() => {
        ran.push(i);
        if (i === 0) reactor.post(() => ran.push(600));
      });
    }
    reactor.turn();
    expect(ran).toEqual(numbers(0, 512));
    reactor.turn();
    expect(ran).toEqual(numbers(0, 601));
  });
  test('readinesses: the rest is reported first in the next turn', () => {
    const { kernel, reactor, pair, feed, drain } = bench();
    kernel.settings.fdLimit = 4096;
    const ran: number[] = [];
    for (const i of numbers(0, 1100)) {
      const [fd] = pair();
      reactor.watch(fd, READABLE, () => {
        drain(fd);
        ran.push(i);
      });
      feed(fd);
    }
    const counts = [reactor.turn(), reactor.turn(), reactor.turn()];
    expect(counts).toEqual([512, 512, 76]);
    expect(ran).toEqual(numbers(0, 1100));
  });
  test('the bounds are per kind: a full queue takes no room from the others', () => {
    const { kernel, reactor, observer } = bench();
    for (let i = 0; i < 600; i++) {
      reactor.setTimer(0, () => {});
      reactor.post(() => {});
      reactor.defer(() => {});
      reactor.closing(() => {});
    }
    kernel.clock.advance(1);
    reactor.turn();
    expect(observer.batches).toEqual([[512, 0, 512, 512, 512]]);
  });
});

describe('eventsMax', () => {
  test.each([1, 2, 7])(
    '%i readinesses per wait, and everyone has a turn before the first has its second',
    (eventsMax) => {
      const { reactor, pair, feed } = bench({ eventsMax });
      const calls = Array(20).fill(0) as number[];
      calls.forEach((_, i) => {
        const [fd] = pair();
        reactor.watch(fd, READABLE, () => calls[i]!++); // never drained: always ready
        feed(fd);
      });
      const turns = Math.ceil(20 / eventsMax);
      for (let i = 0; i < turns; i++) expect(reactor.turn(0)).toBe(eventsMax);
      expect(Math.min(...calls)).toBe(1);
      expect(Math.max(...calls)).toBeLessThanOrEqual(2);
    },
  );
});

describe('floods', () => {
  test('a socket that is always ready delays timers and tasks by no turn', () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [flood] = pair();
    let calls = 0;
    reactor.watch(flood, READABLE, () => {
      calls++;
      kernel.clock.advance(1); // serving it takes a while
    });
    feed(flood);
    reactor.setTimer(3, note('timer'));
    for (let i = 0; i < 3; i++) reactor.turn();
    expect(log).toEqual([]);
    reactor.post(note('posted'));
    reactor.turn();
    expect([log, calls]).toEqual([['timer', 'posted'], 4]);
  });
  test('tasks that queue tasks for ever delay readiness and timers by no turn', () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    const again = (): void => {
      kernel.clock.advance(1);
      reactor.post(again);
    };
    again();
    reactor.watch(a, READABLE, (_, watch) => {
      log.push('readable');
      watch.close();
    });
    reactor.setTimer(2, note('timer'));
    feed(a);
    reactor.turn();
    expect(log).toEqual(['readable']);
    reactor.turn();
    reactor.turn();
    expect(log).toEqual(['readable', 'timer']);
  });
  test('a hundred thousand timers due at once hold up a socket for one batch only', () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    let fired = 0;
    for (let i = 0; i < 100_000; i++) reactor.setTimer(1, () => fired++);
    reactor.watch(a, READABLE, note('readable'));
    feed(a);
    kernel.clock.advance(1);
    reactor.turn();
    expect([log, fired]).toEqual([['readable'], 512]);
  });
});
