// The poller contract: one suite, run over every mechanism and trigger there is here, the scripted kernel's included.

import { constants } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SHUT_WRITE } from '../../src/kernel/kernel.js';
import {
  EDGE,
  ERROR,
  EXCLUSIVE,
  HANGUP,
  INVALID,
  ONESHOT,
  READABLE,
  READ_CLOSED,
  WRITABLE,
} from '../../src/poller/poller.js';
import type { KernelPoller } from '../../src/poller/poller.js';
import { Bench, subjects } from './subjects.js';
import type { Report } from './subjects.js';

const E = constants.errno;
const BOTH = READABLE | WRITABLE;
const slots = (reports: Report[]): number[] => reports.map(({ slot }) => slot).sort((a, b) => a - b);

describe.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_, subject) => {
  const { tells, trigger, isVirtual } = subject;
  const isEdge = (trigger & EDGE) !== 0;
  const isOneshot = (trigger & ONESHOT) !== 0;
  const isLevel = !isEdge && !isOneshot;
  const readClosed = tells.readClosed ? READ_CLOSED : 0;
  const hangup = (interest: number): number =>
    tells.hangup === 'always' || (tells.hangup === 'writable' && interest & WRITABLE) ? HANGUP : 0;

  let bench: Bench;
  let poller: KernelPoller;
  beforeEach(() => {
    bench = new Bench(subject);
    poller = bench.poller;
  });
  afterEach(() => bench.closeAll());

  /** Waits with nothing ready, and checks how long that took: exactly in virtual time, else never less. */
  function expectFullWait(timeoutMs: number): void {
    const startMs = bench.kernel.now();
    expect(bench.wait(timeoutMs)).toEqual([]);
    const endMs = bench.kernel.now();
    if (isVirtual) expect(endMs).toBe(startMs + timeoutMs);
    else expect(endMs - startMs).toBeGreaterThanOrEqual(timeoutMs);
  }

  describe('time', () => {
    test('with nothing ready a wait brings nothing and lasts its whole timeout, never less', () => {
      const [near] = bench.pair();
      bench.add(near, READABLE);
      for (const timeoutMs of [0, 0.25, 1, 1.5, 12, 20.125]) expectFullWait(timeoutMs);
    });
    test('so does one on an empty set', () => {
      for (const timeoutMs of [0, 2.5]) expectFullWait(timeoutMs);
    });
    test('with something ready a wait returns before its timeout', () => {
      bench.readableSockets(1);
      const startMs = bench.kernel.now();
      expect(slots(bench.wait(60_000))).toEqual([0]);
      expect(bench.kernel.now() - startMs).toBeLessThan(60_000);
    });
  });

  describe('readiness', () => {
    test('readable when there are bytes, and not before', () => {
      const [near, far] = bench.pair();
      expect(bench.add(near, READABLE)).toBe(0);
      expect(bench.readiness()).toBe(0);
      bench.send(far, 'x');
      expect(bench.readiness()).toBe(READABLE);
    });
    test('writable at once; not while the buffer is full; again when the peer has read', () => {
      const [near, far] = bench.pair();
      expect(bench.add(near, WRITABLE)).toBe(0);
      expect(bench.readiness()).toBe(WRITABLE);
      bench.fill(near);
      bench.modify(near, WRITABLE);
      expect(bench.readiness()).toBe(0);
      bench.drain(far);
      expect(bench.readiness()).toBe(WRITABLE);
    });
    test('readable and writable are one event', () => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      expect(bench.add(near, BOTH)).toBe(0);
      expect(bench.wait()).toEqual([{ slot: 0, generation: 1, readiness: BOTH }]);
    });
    test('only what was asked for is reported', () => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      bench.add(near, WRITABLE);
      expect(bench.readiness()).toBe(WRITABLE);
    });
    test('HUP together with unread data: both are told, and the data can still be read', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      bench.send(far, 'last words');
      bench.close(far);
      expect(bench.readiness()).toBe(READABLE | readClosed | hangup(READABLE));
      expect(bench.drain(near)).toEqual({ text: 'last words', eof: true });
    });
    test('half-close: read-closed together with readable, and writing goes on', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      bench.kernel.shutdown(far, SHUT_WRITE);
      expect(bench.readiness()).toBe(READABLE | readClosed);
      bench.modify(near, WRITABLE);
      expect(bench.readiness()).toBe(WRITABLE);
      bench.send(near, 'still');
      expect(bench.drain(far).text).toBe('still');
    });
    test('half-close with unread data in front of it', () => {
      const [near, far] = bench.pair();
      bench.send(far, 'data');
      bench.kernel.shutdown(far, SHUT_WRITE);
      bench.add(near, READABLE);
      expect(bench.readiness()).toBe(READABLE | readClosed);
      expect(bench.drain(near)).toEqual({ text: 'data', eof: true });
    });
    test('peer closed: a hang-up beside readable and writable, for neither blocks', () => {
      const [near, far] = bench.pair();
      bench.add(near, BOTH);
      bench.close(far);
      expect(bench.readiness()).toBe(BOTH | readClosed | hangup(BOTH));
    });
    test('HUP is reported to who asked only to write', () => {
      const [near, far] = bench.pair();
      bench.close(far);
      bench.add(near, WRITABLE);
      expect(bench.readiness()).toBe(WRITABLE | hangup(WRITABLE));
    });
    test.runIf(tells.error)('peer closed on bytes it had not read: an error beside the hang-up', () => {
      const [near, far] = bench.pair();
      bench.fill(near);
      bench.add(near, WRITABLE);
      expect(bench.readiness()).toBe(0);
      bench.close(far);
      expect(bench.readiness()).toBe(WRITABLE | HANGUP | ERROR);
    });
  });

  describe.runIf(isLevel)('level', () => {
    test('reports again while it is so, and not when it has ended', () => {
      const [near] = bench.readableSockets(1);
      for (let i = 0; i < 3; i++) expect(bench.readiness()).toBe(READABLE);
      bench.drain(near!);
      expect(bench.readiness()).toBe(0);
    });
  });

  describe.runIf(isEdge && !isOneshot)('edge', () => {
    test('edge trigger not drained: reported once, and silent until new bytes come', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      bench.send(far, 'first');
      expect(bench.readiness()).toBe(READABLE);
      expect(bench.readiness()).toBe(0);
      bench.send(far, 'second');
      expect(bench.readiness()).toBe(READABLE);
      expect(bench.readiness()).toBe(0);
      expect(bench.drain(near).text).toBe('firstsecond');
      expect(bench.readiness()).toBe(0);
    });
    test('modify looks anew: what is still unread is reported again', () => {
      const [near] = bench.readableSockets(1);
      expect(bench.readiness()).toBe(READABLE);
      expect(bench.readiness()).toBe(0);
      expect(bench.modify(near!, READABLE)).toBe(0);
      expect(bench.readiness()).toBe(READABLE);
      expect(bench.readiness()).toBe(0);
    });
    test('what was so before the registration is reported', () => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      bench.add(near, READABLE);
      expect(bench.readiness()).toBe(READABLE);
    });
    test('the end of the peer is an edge', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      bench.send(far, 'x');
      expect(bench.readiness()).toBe(READABLE);
      bench.close(far);
      expect(bench.readiness()).toBe(READABLE | readClosed | hangup(READABLE));
      expect(bench.readiness()).toBe(0);
    });
  });

  describe.runIf(isOneshot)('oneshot', () => {
    test('reports once and then nothing, whatever happens, until it is modified', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      bench.send(far, 'a');
      expect(bench.readiness()).toBe(READABLE);
      bench.send(far, 'b');
      expect(bench.readiness()).toBe(0);
      bench.close(far);
      expect(bench.readiness()).toBe(0);
      expect(bench.modify(near, READABLE)).toBe(0);
      expect(bench.readiness()).toBe(READABLE | readClosed | hangup(READABLE));
      expect(bench.readiness()).toBe(0);
    });
    test('asked for both, one of them ends it', () => {
      const [near, far] = bench.pair();
      bench.fill(near);
      bench.add(near, BOTH);
      bench.send(far, 'x');
      expect(bench.readiness()).toBe(READABLE);
      bench.drain(far);
      expect(bench.readiness()).toBe(0);
      bench.modify(near, BOTH);
      expect(bench.readiness()).toBe(BOTH);
    });
    test('a spent one is still registered', () => {
      const [near] = bench.readableSockets(1);
      expect(bench.readiness()).toBe(READABLE);
      expect(bench.add(near!, READABLE)).toBe(-E.EEXIST);
      expect(bench.readiness()).toBe(0);
      expect(poller.remove(near!)).toBe(0);
    });
  });

  describe('registration', () => {
    test('modify exchanges the interest', () => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      bench.add(near, READABLE);
      for (const interest of [WRITABLE, READABLE, BOTH, WRITABLE]) {
        expect(bench.modify(near, interest)).toBe(0);
        expect(bench.readiness()).toBe(interest);
      }
    });
    test('remove ends it, also for what was ready already; then it can be added again', () => {
      const [near] = bench.readableSockets(1);
      expect(poller.remove(near!)).toBe(0);
      expect(bench.wait()).toEqual([]);
      expect(bench.add(near!, READABLE, 5, 6)).toBe(0);
      expect(bench.wait()).toEqual([{ slot: 5, generation: 6, readiness: READABLE }]);
    });
    test('removing one leaves the others alone', () => {
      const fds = bench.readableSockets(4);
      for (const [gone, left] of [
        [1, [0, 2, 3]],
        [3, [0, 2]],
        [0, [2]],
      ] as const) {
        poller.remove(fds[gone]!);
        for (const slot of left) bench.modify(fds[slot]!, READABLE, slot, 1);
        expect(slots(bench.wait())).toEqual(left);
      }
    });
    test.each([
      [0, 0],
      [0, 1],
      [1, 0],
      [0x7fffffff, 0x7fffffff],
      [0x12345678, 0x7edcba98],
    ])('the token comes back untouched: slot %i, generation %i', (slot, generation) => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      expect(bench.add(near, READABLE, slot, generation)).toBe(0);
      expect(bench.wait()).toEqual([{ slot, generation, readiness: READABLE }]);
      expect(bench.modify(near, READABLE, generation, slot)).toBe(0);
      expect(bench.wait()).toEqual([{ slot: generation, generation: slot, readiness: READABLE }]);
    });
    test('adding twice is EEXIST and changes nothing', () => {
      const [near, far] = bench.pair();
      expect(bench.add(near, READABLE, 1, 2)).toBe(0);
      expect(bench.add(near, WRITABLE, 3, 4)).toBe(-E.EEXIST);
      expect(bench.wait()).toEqual([]);
      bench.send(far, 'x');
      expect(bench.wait()).toEqual([{ slot: 1, generation: 2, readiness: READABLE }]);
    });
    test('modify and remove of what is not registered are ENOENT', () => {
      const [near] = bench.pair();
      expect(bench.modify(near, READABLE)).toBe(-E.ENOENT);
      expect(poller.remove(near)).toBe(-E.ENOENT);
      bench.add(near, READABLE);
      poller.remove(near);
      expect(bench.modify(near, READABLE)).toBe(-E.ENOENT);
      expect(poller.remove(near)).toBe(-E.ENOENT);
    });
    test('a closed descriptor is EBADF', () => {
      const [near] = bench.pair();
      bench.close(near);
      expect(bench.add(near, READABLE)).toBe(-E.EBADF);
      expect(bench.add(-1, READABLE)).toBe(-E.EBADF);
      expect(bench.wait()).toEqual([]);
    });
    test('/dev/null refused: it is never "not ready yet"', () => {
      expect(bench.add(bench.reserve(), READABLE)).toBe(-E.EPERM);
    });
    test('two sockets of one pair are told apart', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE, 1);
      bench.add(far, READABLE, 2);
      bench.send(near, 'x');
      expect(slots(bench.wait())).toEqual([2]);
      bench.send(far, 'x');
      bench.modify(far, READABLE, 2);
      expect(slots(bench.wait())).toEqual([1, 2]);
    });
    test.runIf(tells.invalid)(
      'closed while registered: reported as invalid, beside the others, which go on',
      () => {
        const [near] = bench.pair();
        const [other, otherFar] = bench.pair();
        bench.add(near, READABLE, 1, 11);
        bench.add(other, READABLE, 2, 22);
        bench.close(near);
        bench.send(otherFar, 'x');
        for (let again = 0; again < 2; again++) {
          const told = bench.wait();
          expect(told).toContainEqual({ slot: 1, generation: 11, readiness: INVALID });
          expect(told).toContainEqual({ slot: 2, generation: 22, readiness: READABLE });
        }
        expect(tells.removesClosed).toContain(poller.remove(near));
        expect(bench.wait()).toEqual([{ slot: 2, generation: 22, readiness: READABLE }]);
      },
    );
    test.runIf(!tells.invalid)('closed while registered: dropped without a word', () => {
      const [near] = bench.pair();
      const [other, otherFar] = bench.pair();
      bench.add(near, READABLE, 1, 11);
      bench.add(other, READABLE, 2, 22);
      bench.close(near);
      bench.send(otherFar, 'x');
      expect(bench.wait()).toEqual([{ slot: 2, generation: 22, readiness: READABLE }]);
      expect(tells.removesClosed).toContain(poller.remove(near));
    });
  });

  describe('capacity', () => {
    const SOCKETS = 7;
    test.each([1, 2, 3])('with room for %i of 7, nobody starves', (capacity) => {
      bench.readableSockets(SOCKETS);
      const rounds = Math.ceil(SOCKETS / capacity);
      for (let pass = 0; pass < (isLevel ? 4 : 1); pass++) {
        const seen = Array.from({ length: rounds }, () => slots(bench.wait(0, capacity)));
        for (const batch of seen.slice(0, -1)) expect(batch).toHaveLength(capacity);
        expect([...new Set(seen.flat())].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      }
    });
    test('the events behind those reported stay as they are', () => {
      bench.readableSockets(2);
      const events = new Int32Array(12).fill(-7);
      expect(poller.wait(events.subarray(0, 3), 0)).toBe(1);
      expect([...events.subarray(3)]).toEqual(Array(9).fill(-7));
    });
    test('an array without room for one event is EINVAL', () => {
      bench.readableSockets(1);
      expect(poller.wait(new Int32Array(2), 0)).toBe(-E.EINVAL);
      expect(slots(bench.wait())).toEqual([0]);
    });
    test('the array that the poller allocates is filled as any other', () => {
      const events = poller.allocateEvents(2);
      expect(events.length).toBe(6);
      bench.readableSockets(1);
      expect(poller.wait(events, 0)).toBe(1);
      expect([...events.subarray(0, 3)]).toEqual([0, 100, READABLE]);
    });
  });

  describe('wake', () => {
    test('before a wait: it returns at once and brings nothing', () => {
      poller.wake();
      const startMs = bench.kernel.now();
      expect(bench.wait(60_000)).toEqual([]);
      expect(bench.kernel.now() - startMs).toBeLessThan(60_000);
    });
    test('many wakes are one: the wait after the next lasts its whole timeout', () => {
      for (let i = 0; i < 5; i++) poller.wake();
      expect(bench.wait(60_000)).toEqual([]);
      expectFullWait(5);
    });
    test('beside something ready it is no event and takes none away', () => {
      const [near] = bench.readableSockets(1);
      poller.wake();
      // With room for one, the wake may take the first wait for itself.
      const reports = [...bench.wait(0, 1), ...bench.wait(0, 1)];
      expect([...new Set(slots(reports))]).toEqual([0]);
      bench.drain(near!);
      expectFullWait(2);
    });
    test('is no readiness of another poller', () => {
      const other = bench.openPoller();
      other.wake();
      expect(bench.wait()).toEqual([]);
      expect(bench.wait(60_000, 16, other)).toEqual([]);
    });
  });

  describe('capabilities', () => {
    test.each([
      ['edge', EDGE],
      ['oneshot', ONESHOT],
      ['exclusive', EXCLUSIVE],
    ] as const)('%s: what it says is what it does', (name, flag) => {
      const [near, far] = bench.pair();
      bench.send(far, 'x');
      const result = poller.add(near, READABLE | flag, 0, 1);
      if (poller.capabilities[name]) {
        expect(result).toBe(0);
        expect(bench.readiness()).toBe(READABLE);
        // Exclusive is a level trigger; the other two have reported.
        expect(bench.readiness()).toBe(flag === EXCLUSIVE ? READABLE : 0);
      } else {
        expect([-E.ENOTSUP, -E.EINVAL]).toContain(result);
        expect(poller.add(near, READABLE, 0, 1)).toBe(0);
        expect([-E.ENOTSUP, -E.EINVAL]).toContain(poller.modify(near, READABLE | flag, 0, 1));
        expect(bench.readiness()).toBe(READABLE);
      }
    });
    test('nestable: another poller sees it readable while it has something to report', () => {
      const { nestable } = poller.capabilities;
      expect(poller.fd >= 0).toBe(nestable);
      if (!nestable) return;
      const outer = bench.openPoller();
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      expect(outer.add(poller.fd, READABLE, 8, 9)).toBe(0);
      expect(bench.wait(0, 4, outer)).toEqual([]);
      bench.send(far, 'x');
      expect(bench.wait(0, 4, outer)).toEqual([{ slot: 8, generation: 9, readiness: READABLE }]);
      expect(bench.readiness()).toBe(READABLE);
      bench.drain(near);
      bench.readiness();
      expect(bench.wait(0, 4, outer)).toEqual([]);
    });
    test('fdMax bounds select alone; resolutionMs is a positive fraction of a second', () => {
      const { fdMax, resolutionMs } = poller.capabilities;
      expect(fdMax).toBe(subject.kind === 'select' ? 1024 : Infinity);
      expect(resolutionMs).toBeGreaterThan(0);
      expect(resolutionMs).toBeLessThanOrEqual(1);
    });
  });

  describe('close', () => {
    test('can be repeated, leaves registered descriptors open, and later calls are EBADF', () => {
      const [near, far] = bench.pair();
      bench.add(near, READABLE);
      poller.close();
      poller.close();
      bench.send(far, 'x');
      expect(bench.drain(near).text).toBe('x');
      expect([
        bench.add(near, READABLE),
        bench.modify(near, READABLE),
        poller.remove(near),
        poller.wait(new Int32Array(3), 0),
      ]).toEqual(Array(4).fill(-E.EBADF));
      poller.wake();
    });
    test('leaves other pollers alone', () => {
      const other = bench.openPoller();
      bench.readableSockets(1);
      other.close();
      expect(slots(bench.wait())).toEqual([0]);
    });
  });
});
