// run() and stop(): what keeps a reactor going, what lets it end, and that it can be run again. On the scripted kernel.

import { describe, expect, test } from 'vitest';
import { READABLE } from '../../src/index.js';
import { bench, thrown } from './fixture.js';

describe('what keeps run() going', () => {
  test('nothing: it ends at once', async () => {
    const { reactor } = bench();
    expect(reactor.alive).toBe(false);
    await reactor.run();
  });
  test('a timer, until it has fired', async () => {
    const { kernel, reactor, log, note } = bench();
    reactor.setTimer(250, note('fired'));
    expect(reactor.alive).toBe(true);
    await reactor.run();
    expect([log, kernel.now(), reactor.alive]).toEqual([['fired'], 250, false]);
  });
  test('a timer, until it is cancelled', async () => {
    const { kernel, reactor, log, note } = bench();
    const timer = reactor.setTimer(250, note('fired'));
    reactor.setTimer(10, () => timer.cancel());
    await reactor.run();
    expect([log, kernel.now()]).toEqual([[], 10]);
  });
  test('a watch, until it is closed', async () => {
    const { kernel, reactor, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, (_, watch) => watch.close());
    kernel.clock.after(5, () => feed(a));
    await reactor.run();
    expect([kernel.now(), reactor.alive]).toEqual([5, false]);
  });
  test('queued tasks of every kind, and those that they queue', async () => {
    const { reactor, log, note } = bench();
    reactor.post(() => {
      log.push('posted');
      reactor.defer(() => {
        log.push('deferred');
        reactor.closing(note('closed'));
      });
    });
    await reactor.run();
    expect(log).toEqual(['posted', 'deferred', 'closed']);
  });
});

describe('ref and unref', () => {
  test('an unreferenced timer does not keep run() going; referenced again it does', async () => {
    const { kernel, reactor, log, note } = bench();
    const timer = reactor.setTimer(100, note('fired')).unref().unref();
    expect(reactor.alive).toBe(false);
    await reactor.run();
    expect([log, kernel.now()]).toEqual([[], 0]);
    timer.ref().ref();
    expect(reactor.alive).toBe(true);
    await reactor.run();
    expect([log, kernel.now()]).toEqual([['fired'], 100]);
    timer.ref();
    expect(reactor.alive).toBe(false);
  });
  test('an unreferenced timer fires while something else keeps the reactor going', async () => {
    const { reactor, log, note } = bench();
    reactor.setTimer(10, note('unreferenced')).unref();
    reactor.setTimer(20, note('referenced'));
    await reactor.run();
    expect(log).toEqual(['unreferenced', 'referenced']);
  });
  test('cancelling an unreferenced timer, or unreferencing one that fired, counts nothing twice', () => {
    const { kernel, reactor } = bench();
    reactor
      .setTimer(10, () => {})
      .unref()
      .cancel();
    const fired = reactor.setTimer(1, () => {});
    const kept = reactor.setTimer(50, () => {});
    kernel.clock.advance(1);
    reactor.turn(0);
    fired.unref();
    expect(reactor.alive).toBe(true);
    kept.cancel();
    expect(reactor.alive).toBe(false);
  });
  test('an unreferenced watch does not keep run() going; referenced again, closed or parked it counts right', async () => {
    const { reactor, pair } = bench();
    const [a] = pair();
    const watch = reactor
      .watch(a, READABLE, () => {})
      .unref()
      .unref();
    expect(reactor.alive).toBe(false);
    await reactor.run();
    watch.ref().ref();
    expect(reactor.alive).toBe(true);
    watch.close();
    expect(reactor.alive).toBe(false);
    watch.ref().unref().ref();
    expect(reactor.alive).toBe(false);
  });
  test('an unreferenced watch that is closed counts nothing twice', () => {
    const { reactor, pair } = bench();
    reactor
      .watch(pair()[0], READABLE, () => {})
      .unref()
      .close();
    const kept = reactor.watch(pair()[0], READABLE, () => {});
    expect(reactor.alive).toBe(true);
    kept.close();
    expect(reactor.alive).toBe(false);
  });
  test('reactor.ref() and unref() may be called at any time, and give the reactor back', async () => {
    const { reactor, log, note } = bench();
    expect(reactor.unref().ref()).toBe(reactor);
    reactor.post(note('posted'));
    const ended = reactor.run();
    expect(reactor.unref().ref()).toBe(reactor);
    await ended;
    expect(log).toEqual(['posted']);
  });
});

describe('stop()', () => {
  test('ends run() when the turn is over: the rest of the batch runs, the next turn does not come', async () => {
    const { reactor, log, note } = bench();
    reactor.post(() => {
      log.push('stopping');
      reactor.stop();
      reactor.post(note('next turn'));
    });
    reactor.post(note('same batch'));
    await reactor.run();
    expect(log).toEqual(['stopping', 'same batch']);
    expect(reactor.alive).toBe(true);
  });
  test('registrations stay, and run() goes on with them', async () => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.setTimer(30, note('timer'));
    reactor.watch(a, READABLE, (_, watch) => {
      log.push('readable');
      if (log.length > 1) watch.close();
      else reactor.stop();
    });
    feed(a);
    await reactor.run();
    expect([log, kernel.now()]).toEqual([['readable'], 0]);
    await reactor.run();
    expect([log, kernel.now()]).toEqual([['readable', 'readable', 'timer'], 30]);
  });
  test('a handler may stop and run again at once', async () => {
    const { reactor, log, note } = bench();
    let second: Promise<void> | undefined;
    reactor.post(() => {
      reactor.stop();
      second = reactor.run();
      reactor.post(note('in the second run'));
    });
    await reactor.run();
    await second;
    expect(log).toEqual(['in the second run']);
  });
  test('outside run() it does nothing, any number of times', async () => {
    const { reactor, log, note } = bench();
    reactor.stop();
    reactor.post(note('posted'));
    reactor.stop();
    await reactor.run();
    reactor.stop();
    expect(log).toEqual(['posted']);
  });
  test('a program can stop the reactor from a callback of the runtime’s', async () => {
    const { reactor } = bench();
    const again = (): void => void reactor.post(again);
    again();
    setTimeout(() => reactor.stop(), 1);
    await reactor.run();
    expect(reactor.alive).toBe(true);
  });
  test('close() ends run() too', async () => {
    const { reactor, log, pair, note } = bench();
    reactor.watch(pair()[0], READABLE, () => {});
    reactor.setTimer(5, () => reactor.close());
    reactor.setTimer(6, note('too late'));
    await reactor.run();
    expect([log, reactor.alive]).toEqual([[], false]);
  });
});

describe('the runtime beside a scripted reactor (ImmediateHost)', () => {
  test('gets its turn between two turns: promises, immediates and timers go on', async () => {
    const { reactor, log } = bench();
    const spin = (): void => {
      if (log.length < 3) reactor.post(spin);
    };
    spin();
    const ended = reactor.run();
    await Promise.all([
      Promise.resolve().then(() => log.push('promise')),
      new Promise<void>((resolve) => setImmediate(resolve)).then(() => log.push('immediate')),
      new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => log.push('timeout')),
    ]);
    await ended;
    expect(log.sort()).toEqual(['immediate', 'promise', 'timeout']);
  });
  test('work that a reaction of a promise asks for keeps run() going', async () => {
    const { kernel, reactor, log, note } = bench();
    reactor.post(() => {
      void Promise.resolve().then(() => {
        reactor.post(note('posted'));
        reactor.setTimer(10, note('timer'));
      });
    });
    await reactor.run();
    expect([log, kernel.now()]).toEqual([['posted', 'timer'], 10]);
  });
  test('two reactors each on its own scripted kernel go on side by side, in times of their own', async () => {
    const first = bench();
    const second = bench();
    first.reactor.setTimer(10, first.note('fired'));
    second.reactor.setTimer(1000, second.note('fired'));
    await Promise.all([first.reactor.run(), second.reactor.run()]);
    expect([first.log, first.kernel.now()]).toEqual([['fired'], 10]);
    expect([second.log, second.kernel.now()]).toEqual([['fired'], 1000]);
  });
  test('run() while it runs is refused, in a handler too', async () => {
    const { reactor } = bench();
    const codes: unknown[] = [];
    reactor.post(() => codes.push(thrown(() => reactor.run()).code));
    const ended = reactor.run();
    codes.push(thrown(() => reactor.run()).code);
    await ended;
    expect(codes).toEqual(['ERR_BUSY', 'ERR_BUSY']);
  });
});
