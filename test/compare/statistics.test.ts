// Medians, their intervals, and the order of rounds: right whatever the distribution, and the same for the same seed.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { median, medianInterval, seededRandom, shuffled, summarise } from '../../src/compare/statistics.js';
import { normal } from './report.js';

describe('median', () => {
  test('is the middle value, or the mean of the two in the middle, whatever their order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([10, 1, 3, 2])).toBe(2.5);
    expect(median([100, 9])).toBe(54.5); // by number, not by text
    expect(median([])).toBeNaN();
  });

  test('as many values lie below as above', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });
});

describe('the interval of a median', () => {
  test('five rounds have none: the whole range covers the median with 93.75% only', () => {
    expect(medianInterval([1, 2, 3, 4, 5])).toBeNull();
    expect(summarise([5, 1, 3])).toEqual({ n: 3, median: 3, min: 1, max: 5, interval: null });
  });

  // Ranks from tables of the binomial distribution (Conover, confidence interval of a quantile).
  test.each([
    [6, 1, 6, 0.96875],
    [7, 1, 7, 0.984375],
    [8, 1, 8, 0.9921875],
    [9, 2, 8, 0.9609375],
    [10, 2, 9, 0.978515625],
    [12, 3, 10, 0.96142578125],
    [20, 6, 15, 0.9586105346679688],
  ])('%i values: from number %i to number %i, with %f', (count, low, high, coverage) => {
    const values = Array.from({ length: count }, (_, index) => count - index); // descending: it sorts by itself
    const interval = medianInterval(values)!;
    expect([interval.low, interval.high]).toEqual([low, high]);
    expect(interval.coverage).toBeCloseTo(coverage, 10);
  });

  test('holds for a thousand rounds too', () => {
    const interval = medianInterval(Array.from({ length: 1000 }, (_, index) => index + 1))!;
    expect([interval.low, interval.high]).toEqual([469, 532]);
    expect(interval.coverage).toBeGreaterThanOrEqual(0.95);
  });

  test('covers the true median as often as it says, of a skewed distribution', () => {
    const random = seededRandom(11);
    const TRIALS = 4000;
    let covered = 0;
    for (let trial = 0; trial < TRIALS; trial++) {
      const { low, high } = medianInterval(Array.from({ length: 6 }, () => Math.exp(normal(random))))!;
      if (low <= 1 && 1 <= high) covered++;
    }
    expect(covered / TRIALS).toBeGreaterThan(0.96);
    expect(covered / TRIALS).toBeLessThan(0.977); // 0.96875 and three standard errors
  });
});

describe('the order of rounds', () => {
  test('the same seed gives it again, another seed another', () => {
    const orders = (seed: number): string[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 8 }, () => shuffled(['a', 'b', 'c', 'd'], random).join(''));
    };
    expect(orders(5)).toEqual(orders(5));
    expect(orders(5)).not.toEqual(orders(6));
  });

  test('every order comes about equally often, and the original is left as it was', () => {
    const random = seededRandom(3);
    const items = ['a', 'b', 'c'];
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffled(items, random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
    expect(items).toEqual(['a', 'b', 'c']);
  });

  test('numbers lie in [0, 1), and are spread evenly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (seed) => {
        const random = seededRandom(seed);
        const values = Array.from({ length: 1000 }, random);
        for (const value of values) if (!(value >= 0 && value < 1)) throw new Error(String(value));
        const mean = values.reduce((a, b) => a + b) / values.length;
        expect(Math.abs(mean - 0.5)).toBeLessThan(0.06);
      }),
      { numRuns: 50, seed: 1 },
    );
  });
});
