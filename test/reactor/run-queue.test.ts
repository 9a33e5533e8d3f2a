// The run queue against an array: first in, first out, over every growth and wrap-around of its ring.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RunQueue } from '../../src/reactor/run-queue.js';

const tasks = Array.from({ length: 64 }, () => () => {});

test('any sequence of push, seal and next agrees with an array', () => {
  const command = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), count: fc.nat(40) }),
    fc.record({ kind: fc.constant('seal' as const), count: fc.nat(60) }),
    fc.record({ kind: fc.constant('next' as const), count: fc.nat(40) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const queue = new RunQueue('posted');
      const model: (() => void)[] = [];
      let left = 0;
      let pushed = 0;
      for (const { kind, count } of commands) {
        if (kind === 'seal') {
          queue.seal(count);
          left = Math.min(model.length, count);
        }
        for (let i = 0; kind === 'push' && i < count; i++) {
          const task = tasks[pushed++ % tasks.length]!;
          queue.push(task);
          model.push(task);
        }
        for (let i = 0; kind === 'next' && i < count && left > 0; i++, left--) {
          expect(queue.next()).toBe(model.shift());
        }
        expect([queue.length, queue.left]).toEqual([model.length, left]);
      }
    }),
    { numRuns: 300 },
  );
});

test('keeps nothing alive that has run, and can be filled again', () => {
  const queue = new RunQueue('posted');
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 100; i++) queue.push(tasks[i % 64]!);
    queue.seal(Infinity);
    for (let i = 0; i < 100; i++) expect(queue.next()).toBe(tasks[i % 64]);
    const held = (queue as unknown as { tasks: unknown[] }).tasks.filter((task) => task !== null);
    expect([queue.length, held]).toEqual([0, []]);
  }
});
