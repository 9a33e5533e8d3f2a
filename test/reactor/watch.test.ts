// What a watch promises beyond one call: parking, triggers and rearming, hang-ups, and refusals that explain themselves.

import { describe, expect, test } from 'vitest';
import { EDGE, ONESHOT } from '../../src/poller/poller.js';
import { ERROR, HANGUP, NONE, READABLE, READ_CLOSED, WRITABLE } from '../../src/index.js';
import type { Trigger } from '../../src/index.js';
import { bench, thrown } from './fixture.js';

describe('parked watches (interest NONE)', () => {
  test('stand not in the kernel’s set, so that a hang-up does not spin', () => {
    const { kernel, reactor, log, note, pair } = bench();
    const [a, peer] = pair();
    const watch = reactor.watch(a, READABLE, note('called'));
    watch.interest = NONE;
    expect(kernel.interestOf(reactor.poller, a)).toBeUndefined();
    kernel.close(peer); // HANGUP is reported whatever the interest, for ever, to whoever is in the set
    for (let i = 0; i < 3; i++) expect(reactor.turn(0)).toBe(0);
    watch.interest = READABLE;
    expect(reactor.turn(0)).toBe(1);
    expect(log).toEqual(['called']);
  });
  test('may start parked, and keep their fd reserved', () => {
    const { kernel, reactor, pair, feed } = bench();
    const [a] = pair();
    const seen: number[] = [];
    const watch = reactor.watch(a, NONE, (readiness) => seen.push(readiness));
    feed(a);
    expect([reactor.turn(0), watch.interest, watch.closed]).toEqual([0, NONE, false]);
    expect(kernel.interestOf(reactor.poller, a)).toBeUndefined();
    expect(() => reactor.watch(a, READABLE, () => {})).toThrow(
      expect.objectContaining({ code: 'ERR_FD_REGISTERED' }),
    );
    watch.interest = READABLE;
    reactor.turn(0);
    expect(seen).toEqual([READABLE]);
  });
  test('a second watch of an fd is refused when it is to be parked, too', () => {
    const { reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, note('first'));
    expect(() => reactor.watch(a, NONE, note('second'))).toThrow(
      expect.objectContaining({ code: 'ERR_FD_REGISTERED' }),
    );
    feed(a);
    reactor.turn();
    expect(log).toEqual(['first']);
  });
  test('are told to the observer as parked, and keep run() going like others', () => {
    const { reactor, observer, pair } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, () => {});
    watch.interest = NONE;
    watch.interest = NONE;
    expect(reactor.alive).toBe(true);
    watch.interest = WRITABLE;
    watch.close();
    expect(observer.interests).toEqual([`add ${a}`, `park ${a}`, `modify ${a}`, `remove ${a}`]);
    expect(reactor.alive).toBe(false);
  });
  test.each(['level', 'edge'] as const)('parked twice: the kernel is asked once (%s)', (trigger) => {
    const { kernel, reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, note('readable'), { trigger });
    const calls: string[] = [];
    kernel.onCall(({ name }) => void calls.push(name));
    watch.interest = NONE;
    watch.interest = NONE;
    expect(calls).toEqual(['remove']);
    feed(a);
    reactor.turn(0);
    watch.interest = READABLE;
    reactor.turn(0);
    expect(log).toEqual(['readable']);
    watch.interest = NONE;
    watch.close(); // nor does the kernel hear of the close of one that is parked
    expect(calls.filter((name) => name === 'remove')).toHaveLength(2);
  });
  test('can be closed, and leave the fd free for another', () => {
    const { reactor, log, note, pair, feed } = bench();
    const [a] = pair();
    reactor.watch(a, NONE, note('parked')).close();
    reactor.watch(a, READABLE, note('second'));
    feed(a);
    reactor.turn();
    expect(log).toEqual(['second']);
  });
});

describe('readiness that nobody asked for', () => {
  test('HUP together with unread data', () => {
    const { kernel, reactor, pair, feed } = bench();
    const [a, peer] = pair();
    const seen: number[] = [];
    reactor.watch(a, READABLE, (readiness, watch) => {
      seen.push(readiness);
      watch.close();
    });
    feed(a);
    kernel.close(peer);
    reactor.turn();
    expect(seen).toEqual([READABLE | READ_CLOSED | HANGUP]);
    expect(kernel.recv(a, 0, 10)).toBe(1);
  });
  test('HUP or ERR reported alone reach a handler that asked for something else', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    const seen: number[] = [];
    const watch = reactor.watch(a, READABLE, (readiness) => seen.push(readiness));
    kernel.setReady(a, HANGUP);
    reactor.turn(0);
    kernel.setReady(a, ERROR);
    reactor.turn(0);
    watch.interest = NONE;
    kernel.setReady(a, HANGUP);
    reactor.turn(0);
    expect(seen).toEqual([HANGUP, ERROR]);
  });
  test('the peer’s half-close is told with read interest, and only with it', () => {
    const { kernel, reactor, pair } = bench();
    const [a, peer] = pair();
    const seen: number[] = [];
    const watch = reactor.watch(a, WRITABLE, (readiness) => seen.push(readiness));
    kernel.shutdown(peer, 1);
    reactor.turn(0);
    watch.interest = READABLE;
    reactor.turn(0);
    expect(seen).toEqual([WRITABLE, READABLE | READ_CLOSED]);
  });
});

describe('triggers', () => {
  const calls = (
    trigger: Trigger | undefined,
  ): { bench: ReturnType<typeof bench>; fd: number; seen: number[] } => {
    const made = bench();
    const [fd] = made.pair();
    const seen: number[] = [];
    const options = trigger === undefined ? {} : { trigger };
    made.reactor.watch(fd, READABLE, (readiness) => seen.push(readiness), options);
    return { bench: made, fd, seen };
  };
  test.each([
    ['level', 0],
    ['edge', EDGE],
    ['oneshot', ONESHOT],
    ['edge-oneshot', EDGE | ONESHOT],
    [undefined, 0],
  ] as const)('%s is handed to the poller', (trigger, flags) => {
    const { bench: made, fd } = calls(trigger);
    expect(made.kernel.interestOf(made.reactor.poller, fd)).toBe(READABLE | flags);
  });
  test('level calls in every turn until it is drained', () => {
    const { bench: made, fd, seen } = calls('level');
    made.feed(fd);
    for (let i = 0; i < 3; i++) made.reactor.turn(0);
    made.drain(fd);
    made.reactor.turn(0);
    expect(seen).toHaveLength(3);
  });
  test('edge trigger not drained: silent until more comes, or until the interest is set again', () => {
    const { bench: made, fd } = calls('edge');
    made.feed(fd);
    expect([made.reactor.turn(0), made.reactor.turn(0)]).toEqual([1, 0]);
    made.feed(fd);
    expect([made.reactor.turn(0), made.reactor.turn(0)]).toEqual([1, 0]);
  });
  test.each(['edge', 'oneshot', 'edge-oneshot'] as const)(
    '%s is rearmed by setting the same interest again, also from within its handler',
    (trigger) => {
      const { reactor, pair, feed } = bench();
      const [a] = pair();
      let rearm = true;
      let count = 0;
      const watch = reactor.watch(
        a,
        READABLE,
        (_, own) => {
          count++;
          if (rearm) own.interest = READABLE;
        },
        { trigger },
      );
      feed(a);
      reactor.turn(0);
      reactor.turn(0);
      expect(count).toBe(2);
      rearm = false;
      reactor.turn(0);
      expect([reactor.turn(0), count]).toEqual([0, 3]);
      watch.interest = READABLE;
      expect([reactor.turn(0), reactor.turn(0), count]).toEqual([1, 0, 4]);
    },
  );
  test('oneshot is silent after one call, for new data and a hang-up too, until it is rearmed', () => {
    const { bench: made, fd, seen } = calls('oneshot');
    const { kernel, reactor, feed } = made;
    feed(fd);
    reactor.turn(0);
    feed(fd);
    kernel.close(kernel.peerOf(fd)!);
    expect([reactor.turn(0), seen.length]).toEqual([0, 1]);
  });
  test('in level mode setting the same interest again costs no system call', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, () => {});
    kernel.record();
    watch.interest = READABLE;
    expect(kernel.calls).toEqual([]);
    watch.interest = WRITABLE;
    expect(kernel.calls.map(({ name }) => name)).toEqual(['modify']);
  });
});

describe('refusals explain themselves', () => {
  test('an fd watched already', () => {
    const { reactor, pair } = bench();
    const [a] = pair();
    reactor.watch(a, READABLE, () => {});
    const error = thrown(() => reactor.watch(a, WRITABLE, () => {}));
    expect(error.code).toBe('ERR_FD_REGISTERED');
    expect(error.message).toContain(`fd ${a} is registered`);
  });
  test('regular file and /dev/null refused (EPERM, explained, executor suggested)', () => {
    const { kernel, reactor } = bench();
    const error = thrown(() => reactor.watch(kernel.openReserve(), READABLE, () => {}));
    expect(error.code).toBe('ERR_FD_REFUSED');
    expect(error.message).toMatch(/regular file.*\/dev\/null.*executor/s);
  });
  test('a number that is no open descriptor: EBADF, with the number', () => {
    const { reactor } = bench();
    const error = thrown(() => reactor.watch(77, READABLE, () => {}));
    expect(error).toMatchObject({ name: 'SystemError', code: 'EBADF', fd: 77 });
  });
  test('a refused watch leaves nothing behind: not in the set, not keeping run() going', () => {
    const { reactor, observer, pair } = bench();
    thrown(() => reactor.watch(77, READABLE, () => {}));
    expect([reactor.alive, observer.interests]).toEqual([false, []]);
    expect(reactor.watch(pair()[0], READABLE, () => {}).closed).toBe(false);
  });
  test('a change of interest that the kernel refuses is thrown, and changes nothing', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, () => {});
    kernel.script('modify', a, -12); // ENOMEM
    expect(thrown(() => (watch.interest = WRITABLE))).toMatchObject({ code: 'ENOMEM', fd: a });
    expect(watch.interest).toBe(READABLE);
  });
  test('the interest of a closed watch cannot be set', () => {
    const { reactor, pair } = bench();
    const [a] = pair();
    const watch = reactor.watch(a, READABLE, () => {});
    watch.close();
    const error = thrown(() => (watch.interest = WRITABLE));
    expect([error.code, error.message]).toEqual(['ERR_CLOSED', `the watch of fd ${a} is closed`]);
    expect([watch.interest, watch.closed]).toEqual([NONE, true]);
  });
});

describe('many watches', () => {
  test('slots and numbers grow far beyond the first tables, and every watch gets its own calls', () => {
    const { kernel, reactor, pair, feed } = bench();
    kernel.settings.fdLimit = 4096;
    const calls = new Map<number, number>();
    const fds = Array.from({ length: 500 }, () => pair()[0]);
    for (const fd of fds) {
      reactor.watch(fd, READABLE, (_, watch) => {
        calls.set(watch.fd, (calls.get(watch.fd) ?? 0) + 1);
        watch.close();
      });
      feed(fd);
    }
    reactor.turn();
    expect(fds.map((fd) => calls.get(fd))).toEqual(fds.map(() => 1));
    expect(reactor.alive).toBe(false);
  });
  test('a watch in a using declaration is closed at the end of its block', () => {
    const { kernel, reactor, pair } = bench();
    const [a] = pair();
    {
      using watch = reactor.watch(a, READABLE, () => {});
      expect([watch.closed, kernel.interestOf(reactor.poller, a)]).toEqual([false, READABLE]);
    }
    expect(kernel.interestOf(reactor.poller, a)).toBeUndefined();
  });
});
