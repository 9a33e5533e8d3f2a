// The specification of the turn, sentence by sentence: what joins a batch, in what order it runs, and how long a turn waits.

import { describe, expect, test, vi } from 'vitest';
import { READABLE, Reactor, WRITABLE } from '../../src/index.js';
import { FLUSH } from '../../src/reactor/run-queue.js';
import { ScriptedKernel } from '../../src/testing.js';
import { bench } from './fixture.js';

describe('1. timers', () => {
  test('those due at the turn’s start join the batch, ordered by deadline', () => {
    const { kernel, reactor, log, note } = bench();
    for (const ms of [7, 3, 5, 1, 9]) reactor.setTimer(ms, note(`after ${String(ms)}`));
    kernel.clock.advance(7);
    expect(reactor.turn(0)).toBe(4);
    expect(log).toEqual(['after 1', 'after 3', 'after 5', 'after 7']);
  });
  test('equal deadlines in creation order', () => {
    const { kernel, reactor, log, note } = bench();
    for (let i = 0; i < 40; i++) reactor.setTimer(5, note(String(i)));
    kernel.clock.advance(2);
    reactor.setTimer(3, note('made later for the same time'));
    kernel.clock.advance(3);
    reactor.turn(0);
    expect(log).toEqual([...Array.from({ length: 40 }, (_, i) => String(i)), 'made later for the same time']);
  });
  test('a timer is never early, by no fraction of a millisecond, and does not need a whole one', () => {
    const { kernel, reactor, log, note } = bench();
    reactor.setTimer(0.25, note('fired'));
    kernel.clock.advance(0.25 - 2 ** -20);
    reactor.turn(0);
    expect(log).toEqual([]);
    kernel.clock.advance(2 ** -20);
    reactor.turn(0);
    expect(log).toEqual(['fired']);
  });
  test('one that becomes due during the wait ends the wait, and runs in the turn after', () => {
    const { kernel, reactor, log, note } = bench();
    reactor.setTimer(5, note('fired'));
    expect([reactor.turn(), log, kernel.now()]).toEqual([0, [], 5]);
    expect([reactor.turn(), log, kernel.now()]).toEqual([1, ['fired'], 5]);
  });
  test('timers added by timers: those of 0 ms too run in a later turn', () => {
    const { reactor, log, note } = bench();
    const again = (left: number) => (): void => {
      log.push(`${String(left)} left`);
      if (left > 0) reactor.setTimer(0, again(left - 1));
    };
    reactor.setTimer(0, again(2));
    reactor.setTimer(0, note('neighbour'));
    expect([reactor.turn(), [...log]]).toEqual([2, ['2 left', 'neighbour']]);
    expect([reactor.turn(), log.at(-1)]).toEqual([1, '1 left']);
    expect([reactor.turn(), log.at(-1)]).toEqual([1, '0 left']);
    expect(reactor.alive).toBe(false);
  });
  test('timers added by timers do not hold up readiness: a socket ready meanwhile has its turn in between', () => {
    const { reactor, log, pair, feed } = bench();
    const [a] = pair();
    const again = (): void => {
      log.push('timer');
      if (log.length === 1) feed(a);
      reactor.setTimer(0, again);
    };
    reactor.setTimer(0, again);
    const watch = reactor.watch(a, READABLE, () => {
      log.push('readable');
      watch.close();
    });
    for (let turn = 0; turn < 3; turn++) reactor.turn();
    expect(log).toEqual(['timer', 'timer', 'readable', 'timer']);
  });
  test('one that an earlier item of the same batch cancels does not fire', () => {
    const { kernel, reactor, observer, log, note } = bench();
    reactor.setTimer(1, () => {
      log.push('first');
      second.cancel();
      expect(second.pending).toBe(false);
    });
    const second = reactor.setTimer(1, note('second'));
    reactor.setTimer(1, note('third'));
    kernel.clock.advance(1);
    reactor.turn(0);
    expect(log).toEqual(['first', 'third']);
    expect(observer.items).toEqual(['timer', 'timer']); // nor is it told as an item that ran
  });
  test('a timer is pending until it has fired, and not while its own callback runs', () => {
    const { reactor, log } = bench();
    const timer = reactor.setTimer(0, () => {
      log.push(`pending ${String(timer.pending)}`);
      timer.cancel();
    });
    expect(timer.pending).toBe(true);
    reactor.turn();
    timer.cancel();
    expect([timer.pending, log]).toEqual([false, ['pending false']]);
    expect(reactor.turn(0)).toBe(0);
  });
});

describe('2. collect', () => {
  test('adds readinesses, then posted tasks, deferred calls and closed callbacks, behind the timers', () => {
    const { reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.closing(note('closed 1'));
    reactor.defer(note('deferred 1'));
    reactor.post(note('posted 1'));
    reactor.watch(a, READABLE, note('readable'));
    reactor.setTimer(0, note('timer'));
    reactor.post(note('posted 2'));
    reactor.closing(note('closed 2'));
    reactor.defer(note('deferred 2'));
    feed(a);
    expect(reactor.turn()).toBe(8);
    const order = 'timer, readable, posted 1, posted 2, deferred 1, deferred 2, closed 1, closed 2';
    expect(log.join(', ')).toBe(order);
    expect(observer.batches).toEqual([[1, 1, 2, 2, 2]]);
    const kinds = 'timer readiness posted posted deferred deferred closed closed';
    expect(observer.items.join(' ')).toBe(kinds);
  });
  test('readinesses run in the order in which the kernel reports them', () => {
    const { reactor, log, note, pair, feed } = bench();
    const ends = [pair()[0], pair()[0], pair()[0]];
    ends.forEach((fd, i) => reactor.watch(fd, READABLE, note(String(i))));
    for (const i of [2, 0, 1]) feed(ends[i]!);
    reactor.turn();
    expect(log).toEqual(['2', '0', '1']);
  });
  test('runs no user code', () => {
    const { reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE | WRITABLE, note('readiness'));
    reactor.setTimer(0, note('timer'));
    for (const queue of ['post', 'defer', 'closing'] as const) reactor[queue](note(queue));
    feed(a);
    reactor.collect();
    expect([log, observer.items]).toEqual([[], []]);
    expect(observer.batches).toEqual([[1, 1, 1, 1, 1]]);
  });
  test('waits exactly once', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, () => {});
    reactor.setTimer(10, () => {});
    kernel.record();
    reactor.collect();
    expect(kernel.calls.map(({ name }) => name)).toEqual(['wait']);
  });
  test('without a timer and without an observer the clock is not even read', () => {
    const kernel = new ScriptedKernel();
    const reads = vi.spyOn(kernel, 'now');
    using reactor = new Reactor({ kernel });
    reactor.post(() => {});
    reactor.turn();
    expect(reads).toHaveBeenCalledTimes(0);
    reactor.setTimer(1, () => {});
    reactor.turn();
    expect(reads).toHaveBeenCalledTimes(2);
  });
});

describe('2. the timeout', () => {
  test('is 0 if anything is queued: a due timer, a posted, deferred or closed task', () => {
    const { reactor, observer } = bench();
    const nothing = (): void => {};
    reactor.setTimer(50, nothing).unref();
    const queue = [
      () => reactor.setTimer(0, nothing),
      () => reactor.post(nothing),
      () => reactor.defer(nothing),
      () => reactor.closing(nothing),
    ];
    for (const enqueue of queue) {
      enqueue();
      reactor.turn();
    }
    expect(observer.waits).toEqual(queue.map(() => ({ timeoutMs: 0, reason: 'queued' })));
  });
  test('reaches to the nearest timer', () => {
    const { kernel, reactor, observer } = bench();
    reactor.setTimer(12.5, () => {});
    reactor.setTimer(7.25, () => {});
    kernel.clock.advance(2);
    reactor.turn();
    expect(observer.waits).toEqual([{ timeoutMs: 5.25, reason: 'timer' }]);
  });
  test('a cancelled timer shortens no wait', () => {
    const { reactor, observer } = bench();
    reactor.setTimer(1, () => {}).cancel();
    reactor.setTimer(9, () => {});
    reactor.turn();
    expect(observer.waits).toEqual([{ timeoutMs: 9, reason: 'timer' }]);
  });
  test('is bounded by what the caller (the host) allows', () => {
    const { reactor, observer } = bench();
    reactor.setTimer(9, () => {});
    reactor.turn(4);
    reactor.turn(0);
    reactor.turn(100);
    expect(observer.waits).toEqual([
      { timeoutMs: 4, reason: 'host' },
      { timeoutMs: 0, reason: 'host' },
      { timeoutMs: 5, reason: 'timer' },
    ]);
  });
  test('is without bound when there is nothing to wait for but readiness', () => {
    const { kernel, reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, note('readable'));
    kernel.clock.after(1e6, () => feed(a));
    reactor.turn();
    expect(observer.waits).toEqual([{ timeoutMs: Infinity, reason: 'idle' }]);
    expect(log).toEqual(['readable']);
  });
  test('what was queued beyond a batch’s bound counts as queued', () => {
    const { reactor, observer } = bench();
    for (let i = 0; i < 513; i++) reactor.post(() => {});
    reactor.turn();
    reactor.turn();
    expect(observer.waits.map(({ reason }) => reason)).toEqual(['queued', 'queued']);
  });
});

describe('3. dispatch', () => {
  test('dispatchNext() runs exactly one item, and says at the end that there is none', () => {
    const { reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.setTimer(0, note('timer'));
    reactor.watch(a, READABLE, note('readable'));
    reactor.post(note('posted'));
    feed(a);
    reactor.collect();
    const seen = [];
    while (reactor.dispatchNext()) seen.push([...log]);
    expect(seen).toEqual([['timer'], ['timer', 'readable'], ['timer', 'readable', 'posted']]);
    expect(reactor.dispatchNext()).toBe(false);
    expect(log).toHaveLength(3);
  });
  test('whatever is queued meanwhile belongs to the next turn, from every kind of item', () => {
    const { reactor, log, pair, feed } = bench();
    const [a] = pair();
    const enqueueAll = (from: string) => (): void => {
      log.push(from);
      if (from.includes('>')) return;
      reactor.closing(enqueueAll(`${from}>closed`));
      reactor.defer(enqueueAll(`${from}>deferred`));
      reactor.post(enqueueAll(`${from}>posted`));
      reactor.setTimer(0, enqueueAll(`${from}>timer`));
    };
    const watch = reactor.watch(a, READABLE, () => {
      watch.close();
      enqueueAll('readable')();
    });
    feed(a);
    reactor.setTimer(0, enqueueAll('timer'));
    reactor.post(enqueueAll('posted'));
    reactor.defer(enqueueAll('deferred'));
    reactor.closing(enqueueAll('closed'));
    const first = ['timer', 'readable', 'posted', 'deferred', 'closed'];
    expect(reactor.turn()).toBe(5);
    expect(log.splice(0)).toEqual(first);
    expect(reactor.turn()).toBe(20);
    const second = ['timer', 'posted', 'deferred', 'closed'].flatMap((kind) =>
      first.map((from) => `${from}>${kind}`),
    );
    expect(log).toEqual(second);
    expect(reactor.turn(0)).toBe(0);
  });
  test('a readiness that comes up during dispatch belongs to the next turn', () => {
    const { reactor, log, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    reactor.watch(a, READABLE, (_, watch) => {
      log.push('a');
      watch.close();
      feed(b);
    });
    reactor.watch(b, READABLE, (_, watch) => {
      log.push('b');
      watch.close();
    });
    feed(a);
    expect([reactor.turn(), [...log]]).toEqual([1, ['a']]);
    expect([reactor.turn(), log]).toEqual([1, ['a', 'b']]);
  });
  test('turn() is collect() and then dispatchNext() until the batch is empty', () => {
    const run = (step: (reactor: ReturnType<typeof bench>['reactor']) => number): unknown[] => {
      const { kernel, reactor, observer, log, pair, feed, drain } = bench();
      const [a, b] = pair();
      reactor.watch(a, READABLE, () => {
        log.push('a');
        drain(a);
        reactor.post(() => log.push('posted by a'));
      });
      reactor.watch(b, READABLE | WRITABLE, (readiness, watch) => {
        log.push(`b ${String(readiness)}`);
        watch.interest = READABLE;
      });
      reactor.setTimer(2, () => {
        log.push('timer');
        feed(a);
        reactor.defer(() => log.push('deferred by timer'));
      });
      const counts = Array.from({ length: 5 }, () => step(reactor));
      return [counts, log, observer.items, observer.waits, observer.batches, kernel.now()];
    };
    const whole = run((reactor) => reactor.turn(3));
    const stepped = run((reactor) => {
      reactor.collect(3);
      let dispatched = 0;
      while (reactor.dispatchNext()) dispatched++;
      return dispatched;
    });
    expect(stepped).toEqual(whole);
    expect(whole[0]).toEqual([1, 0, 1, 2, 1]);
  });
  test('who asks for the turn’s end (a connection that gathers its writes) runs behind all, in the same turn', () => {
    const { reactor, observer, log, note } = bench();
    const flush = (name: string) => ({
      run: (value: number) => void log.push(`${name} ${String(value === FLUSH)}`),
    });
    reactor.closing(() => {
      log.push('closed');
      reactor.flushAtEnd(flush('flush asked for last'));
      reactor.post(note('next turn'));
    });
    reactor.post(() => {
      log.push('posted');
      reactor.flushAtEnd(flush('flush asked for first'));
    });
    expect(reactor.turn()).toBe(4);
    expect(log).toEqual(['posted', 'closed', 'flush asked for first true', 'flush asked for last true']);
    expect(observer.items).toEqual(['posted', 'closed', 'flush', 'flush']);
    expect([reactor.turn(), log.at(-1)]).toEqual([1, 'next turn']);
  });
  test('a task is a function, or an object whose run() is called with 0', () => {
    const { reactor, log } = bench();
    const task = {
      name: 'object',
      run(value: number): void {
        log.push(`${this.name} ${String(value)}`);
      },
    };
    reactor.post(task);
    reactor.defer(task);
    reactor.closing(task);
    reactor.turn();
    expect(log).toEqual(['object 0', 'object 0', 'object 0']);
  });
});
