// The open loop's schedules: the rate that was asked for, exponential gaps, and the same again from the same seed.

import { describe, expect, it } from 'vitest';
import { Arrivals } from '../../src/load/arrivals.js';
import { Histogram } from '../../src/load/histogram.js';

function times(arrivals: Arrivals, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { nextMs } = arrivals;
    arrivals.take();
    return nextMs;
  });
}

describe('arrivals', () => {
  it('at a fixed rate are evenly spaced, and do not drift', () => {
    const arrivals = new Arrivals('fixed', 3000, 1, 500);
    const all = times(arrivals, 3_000_001);
    expect(all[0]).toBe(500);
    expect(all[3]).toBe(501);
    expect(all[3_000_000]).toBe(1_000_500);
  });

  it('of a Poisson process have exponential gaps within 1%, and the rate asked for', () => {
    const count = 400_000;
    const all = times(new Arrivals('poisson', 1000, 42, 0), count);
    const gaps = new Histogram();
    for (let i = 1; i < count; i++) gaps.record((all[i]! - all[i - 1]!) * 1e6);
    expect(Math.abs(gaps.mean / 1e6 - 1)).toBeLessThan(0.01);
    for (const quantile of [0.5, 0.9, 0.99]) {
      const known = -Math.log(1 - quantile) * 1e6;
      expect(Math.abs(gaps.quantile(quantile) - known)).toBeLessThan(known * 0.01);
    }
  });

  it('are the same from the same seed, and others from another', () => {
    const of = (seed: number): number[] => times(new Arrivals('poisson', 100, seed, 0), 50);
    expect(of(7)).toEqual(of(7));
    expect(of(7)).not.toEqual(of(8));
  });
});
