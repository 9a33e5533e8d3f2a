// The timer heap against a sorted array: whatever is added, cancelled and taken, the same timers come out in the same order.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TimerHeap } from '../../src/reactor/timer-heap.js';
import type { Timer } from '../../src/reactor/timer-heap.js';

type Step =
  | { kind: 'add'; deadlineMs: number }
  | { kind: 'cancel' | 'unref' | 'ref'; index: number }
  | { kind: 'take'; nowMs: number; max: number };

// Few distinct deadlines, so that equal ones are the rule; sums that are no round numbers, so that none is rounded.
const deadline = fc.nat(40).map((n) => n / 8 + 0.1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), deadlineMs: deadline }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('cancel', 'cancel', 'unref', 'ref'),
      index: fc.nat(1000),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      nowMs: deadline,
      max: fc.integer({ min: 1, max: 9 }),
    }),
  },
);

describe('TimerHeap', () => {
  test('any sequence of add, cancel, ref, unref and takeDue agrees with a sorted array', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const heap = new TimerHeap();
        const all: Timer[] = [];
        const referenced = new Map<Timer, boolean>();
        let model: Timer[] = []; // by deadline, then by creation
        for (const one of steps) {
          if (one.kind === 'add') {
            const timer = heap.add(one.deadlineMs, () => {});
            all.push(timer);
            referenced.set(timer, true);
            model.push(timer); // a stable sort leaves it behind those of the same deadline
            model = [...model].sort((a, b) => a.deadlineMs - b.deadlineMs);
          } else if (one.kind === 'take') {
            const due: Timer[] = [];
            heap.takeDue(one.nowMs, due, one.max);
            const expected = model.filter(({ deadlineMs }) => deadlineMs <= one.nowMs).slice(0, one.max);
            expect(due.map(({ sequence }) => sequence)).toEqual(expected.map(({ sequence }) => sequence));
            model = model.filter((timer) => !expected.includes(timer));
          } else if (all.length > 0) {
            const timer = all[one.index % all.length]!;
            timer[one.kind]();
            if (one.kind === 'cancel') {
              model = model.filter((other) => other !== timer);
              expect(timer.pending).toBe(false);
            } else {
              referenced.set(timer, one.kind === 'ref');
            }
          }
          expect(heap.size).toBe(model.length);
          expect(heap.nearestMs).toBe(model[0]?.deadlineMs ?? Infinity);
          expect(heap.referenced).toBe(model.filter((timer) => referenced.get(timer)).length);
        }
        const rest: Timer[] = [];
        heap.takeDue(Number.MAX_VALUE, rest, Infinity);
        expect(rest).toEqual(model);
      }),
      { numRuns: 300 },
    );
  });
  test('100,000 timers of random deadlines come out sorted, half of them cancelled', () => {
    const heap = new TimerHeap();
    let seed = 1;
    const random = (): number => (seed = (seed * 48271) % 0x7fffffff); // MINSTD: the same on every machine
    const timers = Array.from({ length: 100_000 }, () => heap.add(random() % 5000, () => {}));
    timers.forEach((timer, i) => {
      if (i % 2 === 0) timer.cancel();
    });
    const due: Timer[] = [];
    heap.takeDue(Number.MAX_VALUE, due, Infinity);
    const expected = timers
      .filter((_, i) => i % 2 === 1)
      .sort((a, b) => a.deadlineMs - b.deadlineMs || a.sequence - b.sequence);
    expect(due.length).toBe(50_000);
    expect(due.every((timer, i) => timer === expected[i])).toBe(true);
    expect([heap.size, heap.referenced]).toEqual([0, 0]);
  });
  test('takeDue appends, and counts what stands there already against its bound', () => {
    const heap = new TimerHeap();
    const timers = [1, 2, 3].map((ms) => heap.add(ms, () => {}));
    const due: Timer[] = [timers[2]!];
    heap.takeDue(5, due, 2);
    expect(due).toEqual([timers[2], timers[0]]);
  });
  test('a timer that was taken and not run yet can still be cancelled, and then runs nothing', () => {
    const heap = new TimerHeap();
    let ran = 0;
    const timer = heap.add(1, () => ran++);
    const due: Timer[] = [];
    heap.takeDue(1, due, 1);
    expect(timer.pending).toBe(true);
    timer.cancel();
    timer.run();
    expect([ran, timer.pending, heap.referenced]).toEqual([0, false, 0]);
  });
  test('a timer runs once, and disposal cancels', () => {
    const heap = new TimerHeap();
    let ran = 0;
    const once = heap.add(1, () => ran++);
    once.run();
    once.run();
    {
      using disposed = heap.add(2, () => ran++);
      expect(disposed.pending).toBe(true);
    }
    // The one that was run by hand is in the heap still; the disposed one is not.
    expect([ran, heap.nearestMs, heap.size]).toEqual([1, 1, 1]);
  });
});
