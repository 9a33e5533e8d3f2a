// Hard problems within one batch: what a handler closes, pauses or reuses must be obeyed by the items behind it.

import { describe, expect, test } from 'vitest';
import { NONE, READABLE, WRITABLE } from '../../src/index.js';
import type { Watch } from '../../src/index.js';
import { bench } from './fixture.js';

describe('handler closing a neighbour in the same batch', () => {
  test('the neighbour’s handler is not called, and the readiness is told as stale', () => {
    const { reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    const [c] = pair();
    reactor.watch(a, READABLE, () => {
      log.push('a');
      neighbour.close();
    });
    const neighbour = reactor.watch(b, READABLE, note('b'));
    reactor.watch(c, READABLE, note('c'));
    for (const fd of [a, b, c]) feed(fd);
    expect(reactor.turn()).toBe(3); // the stale one was an item of the batch too
    expect(log).toEqual(['a', 'c']);
    expect(observer.stales).toEqual([{ slot: 1, generation: 1, readiness: READABLE }]);
    expect(neighbour.closed).toBe(true);
  });
  test('whatever kind of item closes it: a timer', () => {
    const { kernel, reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, note('readable'));
    reactor.setTimer(1, () => watch.close());
    kernel.clock.advance(1);
    feed(a);
    reactor.turn();
    expect([log, observer.stales.length]).toEqual([[], 1]);
  });
  test('two that close each other: the first to run wins', () => {
    const { reactor, log, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    const watches: Watch[] = [];
    [a, b].forEach((fd, i) => {
      const handler = (): void => {
        log.push(String(i));
        watches[1 - i]!.close();
      };
      watches.push(reactor.watch(fd, READABLE, handler));
    });
    feed(b);
    feed(a);
    reactor.turn();
    expect(log).toEqual(['1']);
  });
});

describe('stale event later in the same batch', () => {
  test('the slot of a closed watch is reused at once by another fd, which is not called for the old readiness', () => {
    const { reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    const [other] = pair();
    reactor.watch(a, READABLE, (_, own) => {
      own.close();
      old.close();
      // Takes the slot that the readiness behind us carries.
      reactor.watch(other, READABLE, note('new'));
    });
    const old = reactor.watch(b, READABLE, note('old'));
    feed(a);
    feed(b);
    reactor.turn();
    expect(log).toEqual([]);
    expect(observer.stales).toEqual([{ slot: 1, generation: 1, readiness: READABLE }]);
    feed(other);
    reactor.turn();
    expect(log).toEqual(['new']);
  });
  test('each reuse of a slot has a generation of its own, however often it is reused', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    const tokens = new Set<string>();
    kernel.onCall(({ name, args }) => {
      if (name === 'add') tokens.add(args.slice(2).join());
    });
    for (let i = 0; i < 1000; i++) reactor.watch(a, READABLE, () => {}).close();
    expect(tokens.size).toBe(1000);
    expect([...tokens][0]).toBe('0,1');
  });
});

describe('fd number reused at once', () => {
  test('a handler closes a neighbour and its fd; the number comes back for another file in the same batch', () => {
    const { kernel, reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    const [b, peer] = pair();
    reactor.watch(a, READABLE, (_, own) => {
      own.close();
      old.close();
      kernel.close(b);
      kernel.close(peer);
      const [again] = pair();
      expect(again).toBe(b);
      reactor.watch(again, READABLE, note('new file'));
    });
    const old = reactor.watch(b, READABLE, note('old file'));
    feed(a);
    feed(b);
    reactor.turn();
    expect(log).toEqual([]);
    expect(observer.stales).toHaveLength(1);
    feed(b);
    reactor.turn();
    expect(log).toEqual(['new file']);
  });
  test('a number closed without deregistering can be watched anew, and the forgotten watch harms nobody', () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [fd, peer] = pair();
    const forgotten = reactor.watch(fd, READABLE, note('forgotten'));
    kernel.close(fd); // a mistake of the program's: the kernel drops the registration by itself
    kernel.close(peer);
    const [again] = pair();
    expect(again).toBe(fd);
    reactor.watch(again, READABLE, note('new'));
    const [third] = pair();
    reactor.watch(third, READABLE, note('third')); // has the forgotten watch's slot
    // The late close concerns a registration that has gone; it must not take out whoever has its slot now.
    forgotten.close();
    forgotten.close();
    feed(again);
    feed(third);
    reactor.turn();
    expect(log).toEqual(['new', 'third']);
  });
  test('the interest of a forgotten watch is NONE, and setting it is refused', () => {
    const { kernel, reactor, pair } = bench();
    const [fd, peer] = pair();
    const forgotten = reactor.watch(fd, READABLE, () => {});
    kernel.close(fd);
    kernel.close(peer);
    reactor.watch(pair()[0], READABLE, () => {});
    const newcomer = reactor.watch(pair()[0], READABLE, () => {});
    expect(forgotten.interest).toBe(NONE);
    expect(() => {
      forgotten.interest = WRITABLE;
    }).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(newcomer.interest).toBe(READABLE);
  });
});

describe('interest withdrawn in the same batch', () => {
  test('a neighbour that was parked is not called', () => {
    const { reactor, observer, log, note, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    reactor.watch(a, READABLE, () => {
      log.push('a');
      neighbour.interest = NONE;
    });
    const neighbour = reactor.watch(b, READABLE, note('b'));
    feed(a);
    feed(b);
    reactor.turn();
    expect([log, observer.stales.length]).toEqual([['a'], 1]);
  });
  test('readiness is masked with the interest at dispatch, not with that at collect()', () => {
    const { reactor, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    const seen: number[] = [];
    reactor.watch(a, READABLE, () => (neighbour.interest = WRITABLE));
    const neighbour = reactor.watch(b, READABLE | WRITABLE, (readiness) => seen.push(readiness));
    feed(b);
    feed(a); // reported behind b's own, first readiness
    reactor.collect();
    neighbour.interest = READABLE;
    while (reactor.dispatchNext());
    expect(seen).toEqual([READABLE]);
  });
  test('an interest asked for since collect() gives nothing that the kernel was not asked', () => {
    const { reactor, pair, feed } = bench();
    const [a] = pair();
    const seen: number[] = [];
    const watch = reactor.watch(a, READABLE, (readiness) => seen.push(readiness));
    feed(a);
    reactor.collect();
    watch.interest = WRITABLE;
    while (reactor.dispatchNext());
    expect(seen).toEqual([]);
    reactor.turn();
    expect(seen).toEqual([WRITABLE]);
  });
  test('parked and taken up again in the same batch: the readiness reported before still counts', () => {
    const { reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, note('readable'));
    feed(a);
    reactor.collect();
    watch.interest = NONE;
    watch.interest = READABLE;
    while (reactor.dispatchNext());
    expect(log).toEqual(['readable']);
  });
});

describe('close inside own handler', () => {
  test('the handler ends undisturbed, and is never called again', () => {
    const { kernel, reactor, log, pair, feed } = bench();
    const [a, peer] = pair();
    reactor.watch(a, READABLE, (readiness, watch) => {
      watch.close();
      kernel.close(a);
      log.push(
        `closed ${String(watch.closed)}, readiness ${String(readiness)}, interest ${String(watch.interest)}`,
      );
    });
    feed(a);
    reactor.turn();
    kernel.close(peer);
    expect(reactor.turn(0)).toBe(0);
    expect(log).toEqual(['closed true, readiness 1, interest 0']);
    expect(reactor.alive).toBe(false);
  });
  test('a watch that closes itself and watches the same fd again is a new one, called in the next turn', () => {
    const { reactor, log, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, (_, first) => {
      log.push('first');
      first.close();
      reactor.watch(a, READABLE, (_, second) => {
        log.push('second');
        second.close();
      });
    });
    feed(a);
    expect([reactor.turn(), [...log]]).toEqual([1, ['first']]);
    expect([reactor.turn(), log]).toEqual([1, ['first', 'second']]);
  });
  test('the reactor itself: nothing that stands behind in the batch runs, and nothing can be asked of it', () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    const [b] = pair();
    reactor.watch(a, READABLE, () => {
      log.push('closing');
      reactor.close();
    });
    reactor.watch(b, READABLE, note('readable'));
    reactor.post(note('posted'));
    reactor.defer(note('deferred'));
    reactor.closing(note('closed'));
    feed(a);
    feed(b);
    reactor.turn();
    expect(log).toEqual(['closing']);
    expect([reactor.alive, reactor.dispatchNext()]).toEqual([false, false]);
    expect(() => reactor.turn()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    // The watches are closed; the descriptors stay their owner's, and the poller's own is given back.
    expect(kernel.openFds()).toEqual([a, a + 1, b, b + 1]);
  });
  test('the reactor itself, in a timer: the timers behind it do not fire', () => {
    const { kernel, reactor, log, note } = bench();
    reactor.setTimer(1, () => reactor.close());
    reactor.setTimer(1, note('behind'));
    kernel.clock.advance(1);
    reactor.turn();
    expect(log).toEqual([]);
  });
});
