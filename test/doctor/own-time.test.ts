// What the doctor takes of the program's time is known, and only what lies within a span is taken off it.

import { expect, test } from 'vitest';
import { OwnTime } from '../../src/doctor/own-time.js';

test('the time of its own that lies within a span', () => {
  let nowMs = 0;
  const own = new OwnTime(() => nowMs);
  const take = (beganMs: number, endMs: number): void => {
    nowMs = beganMs;
    own.during(() => (nowMs = endMs));
  };
  take(100, 150);
  take(160, 160.5); // too short to matter
  take(190, 230);
  expect(own.within({ beganMs: 0, durationMs: 100 })).toBe(0);
  expect(own.within({ beganMs: 120, durationMs: 80 })).toBe(40);
  expect(own.within({ beganMs: 0, durationMs: 1000 })).toBe(90);
});

test('the last ones are kept, of however many', () => {
  let nowMs = 0;
  const own = new OwnTime(() => nowMs);
  for (let i = 0; i < 1000; i++) own.during(() => (nowMs += 2));
  expect(own.within({ beganMs: 1998, durationMs: 2 })).toBe(2);
  expect(own.within({ beganMs: 0, durationMs: 2000 })).toBeLessThan(2000);
});
