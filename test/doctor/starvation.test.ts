// starvation: who keeps others late, or never lets the loop sleep, is found; much work in small pieces is not.

import { describe, expect, test } from 'vitest';
import { LATES_MAX } from '../../src/doctor/rules/starvation.js';
import { READABLE } from '../../src/index.js';
import { examined, type Bed } from './fixture.js';

const turns = (bed: Bed, count: number): void => {
  for (let i = 0; i < count; i++) bed.reactor.turn(5);
};

/** A timer that is set again when it fires. */
function beat(bed: Bed, ms: number): void {
  const again = (): void => void bed.reactor.setTimer(ms, again);
  again();
}

describe('found', () => {
  test('a task that queues itself again and takes 30 ms, beside a timer', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.post(function work() {
      bed.take(30);
      bed.reactor.post(work);
    });
    turns(bed, 60);
    expect(bed.classes).toEqual(['starvation']);
    expect(bed.findings[0]!.handler!.name).toBe('work');
  });

  test('the same on a machine that gives its thread a core for half of the time', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.post(function work() {
      bed.take(60);
      bed.eyes.delayMs += 30;
      bed.reactor.post(work);
    });
    turns(bed, 60);
    expect(bed.classes).toEqual(['starvation']);
  });

  test('one descriptor among many whose handler takes 40 ms', () => {
    const bed = examined();
    for (let i = 0; i < 21; i++) {
      const [ours] = bed.pair();
      bed.kernel.feed(ours, new Uint8Array(1));
      bed.reactor.watch(
        ours,
        READABLE,
        i > 0
          ? () => undefined
          : function slow() {
              bed.take(40);
            },
      );
    }
    turns(bed, 5);
    expect(bed.classes).toEqual(['starvation']);
    expect(bed.findings[0]!.handler!.name).toBe('slow');
  });

  test('pieces of 14 ms without an end', () => {
    const bed = examined();
    beat(bed, 4);
    bed.reactor.post(function piece() {
      bed.take(14);
      bed.reactor.post(piece);
    });
    turns(bed, 300);
    expect(bed.classes).toEqual(['starvation']);
  });

  test('a task that only asks again, so that the loop never sleeps', () => {
    const bed = examined();
    bed.reactor.post(function poll() {
      bed.take(0.05);
      bed.reactor.post(poll);
    });
    turns(bed, 12_000);
    expect(bed.classes).toEqual(['starvation']);
    expect(bed.findings[0]!.message).toContain('never slept');
  });

  test('a timer of no time that sets itself again', () => {
    const bed = examined();
    bed.reactor.setTimer(0, function poll() {
      bed.take(0.05);
      bed.reactor.setTimer(0, poll);
    });
    turns(bed, 12_000);
    expect(bed.classes).toEqual(['starvation']);
  });

  test('tasks that queue two for each one', () => {
    const bed = examined();
    let made = 0;
    const twice = (): void => {
      bed.take(0.01);
      if (made++ < 200_000) {
        bed.reactor.post(twice);
        bed.reactor.post(twice);
      }
    };
    bed.reactor.post(twice);
    turns(bed, 200);
    expect(bed.classes).toEqual(['starvation']);
    expect(bed.findings[0]!.evidence['grewBy']).toBeGreaterThan(0);
  });

  test('a crowd of tasks of one name in a single turn', () => {
    const bed = examined();
    beat(bed, 5);
    for (let i = 0; i < 300; i++)
      bed.reactor.post(function indexOne() {
        bed.take(0.5);
      });
    turns(bed, 4);
    expect(bed.classes).toEqual(['starvation']);
    expect(bed.findings[0]!.evidence['itemsInOneTurn']).toBe(300);
  });

  test('a crowd of timers of one name that are due at once, again and again', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.setTimer(0, function crowd() {
      for (let i = 0; i < 60; i++) bed.reactor.setTimer(1, () => bed.take(0.6));
      bed.reactor.setTimer(50, crowd);
    });
    turns(bed, 400);
    expect(bed.classes).toEqual(['starvation']);
  });

  test('one call that reads on while ever more comes', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.kernel.feed(ours, new Uint8Array(1));
    bed.reactor.watch(ours, READABLE, function flood() {
      for (let i = 0; i < 300; i++) {
        bed.kernel.feed(ours, new Uint8Array(10));
        bed.reactor.kernel.recv(ours, 0, 10);
        bed.take(1);
      }
    });
    turns(bed, 1);
    expect(bed.classes).toEqual(['starvation']);
  });
});

describe('not found', () => {
  test('work in pieces of 2 ms, beside a timer', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.post(function piece() {
      bed.take(2);
      bed.reactor.post(piece);
    });
    turns(bed, 2000);
    expect(bed.findings).toEqual([]);
  });

  test('work in pieces of 1 ms, with nobody beside it', () => {
    const bed = examined();
    bed.reactor.post(function piece() {
      bed.take(1);
      bed.reactor.post(piece);
    });
    turns(bed, 3000);
    expect(bed.findings).toEqual([]);
  });

  test('a hundred descriptors that are all busy, with 1 ms each', () => {
    const bed = examined();
    for (let i = 0; i < 100; i++) {
      const [ours] = bed.pair();
      bed.kernel.feed(ours, new Uint8Array(1));
      bed.reactor.watch(ours, READABLE, () => bed.take(1));
    }
    turns(bed, 30);
    expect(bed.findings).toEqual([]);
  });

  test('a hundred thousand tasks, queued at once', () => {
    const bed = examined();
    for (let i = 0; i < 100_000; i++) bed.reactor.post(() => bed.take(0.005));
    turns(bed, 300);
    expect(bed.findings).toEqual([]);
  });

  test('a handler that took so long because its thread had no core', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.post(function work() {
      bed.take(30);
      bed.eyes.delayMs += 29;
      bed.reactor.post(work);
    });
    turns(bed, 60);
    expect(bed.findings).toEqual([]);
  });

  test('a handler that has most of the time only because its thread waits for a core in it', () => {
    const bed = examined();
    beat(bed, 5);
    bed.reactor.setTimer(40, function work() {
      bed.take(60);
      bed.eyes.delayMs += 36;
      bed.reactor.setTimer(40, work);
    });
    turns(bed, 2000);
    expect(bed.findings).toEqual([]);
  });

  test('ten others that are late again and again, by little more than what there was no core for', () => {
    const bed = examined();
    for (let i = 0; i < 15; i++) beat(bed, 5);
    let turn = 0;
    bed.reactor.post(function work() {
      bed.take(60);
      bed.eyes.delayMs += 38;
      if (turn++ < 12) bed.reactor.post(work);
    });
    turns(bed, 40);
    expect(bed.findings).toEqual([]);
  });

  test('a handler without a core, in a turn in which somebody was late before it', () => {
    const bed = examined();
    beat(bed, 5);
    const [ours] = bed.pair();
    const [neighbours] = bed.pair();
    for (const fd of [ours, neighbours]) bed.kernel.feed(fd, new Uint8Array(1));
    bed.reactor.watch(ours, READABLE, () => {
      bed.take(50);
      bed.eyes.delayMs += 42;
    });
    bed.reactor.watch(neighbours, READABLE, () => undefined);
    turns(bed, 40);
    expect(bed.findings).toEqual([]);
  });

  test('many short timers that are late together, for there was no core when they were due', () => {
    const bed = examined();
    beat(bed, 5);
    let calls = 0;
    const work = (): void => {
      bed.take(0.6);
      if (calls++ % 50 !== 20) return;
      bed.take(90);
      bed.eyes.delayMs += 90;
    };
    for (let i = 0; i < 800; i++) bed.reactor.setTimer(i * 2, work);
    turns(bed, 800);
    expect(bed.findings).toEqual([]);
  });

  test('one call that reads a bounded number of times, and has no core meanwhile', () => {
    const bed = examined();
    const [ours] = bed.pair();
    bed.kernel.feed(ours, new Uint8Array(64));
    bed.reactor.watch(ours, READABLE, () => {
      for (let i = 0; i < 64; i++) bed.reactor.kernel.recv(ours, 0, 1);
      bed.take(150);
      bed.eyes.delayMs += 140;
    });
    turns(bed, 1);
    expect(bed.findings).toEqual([]);
  });

  test('promises that ran on for 120 ms, for half of which there was no core', () => {
    const bed = examined();
    const handler = { name: 'drain', subject: null };
    bed.diagnosis.chain(handler, 120, 60, 20);
    expect(bed.findings).toEqual([]);
    bed.diagnosis.chain(handler, 180, 60, 20);
    expect(bed.classes).toEqual(['starvation']);
  });

  test('a call of 30 ms now and then', () => {
    const bed = examined();
    beat(bed, 5);
    const now = (): void => {
      bed.take(30);
      bed.reactor.setTimer(400, now);
    };
    now();
    turns(bed, 2000);
    expect(bed.findings).toEqual([]);
  });
});

test('who made others late long ago is not kept', () => {
  const bed = examined();
  const { lates } = (bed.diagnosis as unknown as { starvation: { lates: Map<unknown, unknown> } }).starvation;
  const count = 3 * LATES_MAX;
  for (let i = 0; i < count; i++) {
    const once = (): void => bed.take(10);
    bed.reactor.post(Object.defineProperty(once, 'name', { value: `once ${i}` }));
    bed.reactor.post(() => undefined);
    bed.reactor.turn(0);
    if (i === 10) expect(lates.size).toBe(11);
  }
  expect(lates.size).toBeLessThanOrEqual(LATES_MAX);
});
