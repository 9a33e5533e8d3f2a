// The histogram against exact sorting, and against distributions whose quantiles are known.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/load/histogram.js';
import { Random } from '../../src/load/random.js';

/** What every figure must be right to. */
const TOLERANCE = 0.01;
const QUANTILES = [0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1];

/** The smallest value that at least this part of all values does not exceed. */
function exactQuantile(sorted: number[], quantile: number): number {
  const rank = Math.max(1, Math.ceil(quantile * sorted.length - 1e-9 * sorted.length));
  return sorted[rank - 1]!;
}

function histogramOf(values: number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

// Latencies in nanoseconds from 1 to hours, each order of magnitude as likely as the next; and whatever else there is.
const latency = fc.oneof(
  fc.double({ min: 0, max: 43, noNaN: true }).map((power) => 2 ** power),
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.double({ min: 1, max: 2 ** 42, noNaN: true }),
);
const latencies = fc.array(latency, { minLength: 1, maxLength: 400 });

describe('histogram', () => {
  it('gives every quantile within 1% of the exact one', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const histogram = histogramOf(values);
        const sorted = [...values].sort((a, b) => a - b);
        for (const quantile of QUANTILES) {
          const exact = exactQuantile(sorted, quantile);
          expect(Math.abs(histogram.quantile(quantile) - exact)).toBeLessThanOrEqual(exact * TOLERANCE);
        }
        expect(histogram.min).toBe(sorted[0]);
        expect(histogram.max).toBe(sorted.at(-1));
        expect(histogram.count).toBe(values.length);
        expect(histogram.mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, -6);
      }),
      { numRuns: 300 },
    );
  });

  it('merged histograms are the histogram of all values', () => {
    fc.assert(
      fc.property(latencies, latencies, (a, b) => {
        const both = histogramOf([...a, ...b]).toJSON();
        const merged = histogramOf(a).merge(histogramOf(b)).toJSON();
        expect(merged.sum).toBeCloseTo(both.sum, -3);
        expect({ ...merged, sum: 0 }).toEqual({ ...both, sum: 0 });
      }),
    );
  });

  it('survives JSON unchanged', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const histogram = histogramOf(values);
        const again = Histogram.fromJSON(JSON.parse(JSON.stringify(histogram)));
        expect(again.toJSON()).toEqual(histogram.toJSON());
        expect(again.summary()).toEqual(histogram.summary());
      }),
    );
  });

  it.each([
    ['uniform from 0 to 1 ms', (u: number) => u * 1e6, (q: number) => q * 1e6],
    [
      'exponential of mean 250 us',
      (u: number) => -Math.log(1 - u) * 250e3,
      (q: number) => -Math.log(1 - q) * 250e3,
    ],
    ['Pareto, with a tail', (u: number) => 50e3 / (1 - u) ** 0.5, (q: number) => 50e3 / (1 - q) ** 0.5],
  ])('recovers a known distribution within 1%: %s', (_name, draw, quantileOf) => {
    // Stratified draws: the sample's own quantiles are the distribution's, so that any difference is the histogram's.
    const draws = 200_000;
    const histogram = new Histogram();
    for (let i = 0; i < draws; i++) histogram.record(draw((i + 0.5) / draws));
    for (const quantile of [0.5, 0.9, 0.99, 0.999]) {
      const known = quantileOf(quantile);
      expect(Math.abs(histogram.quantile(quantile) - known)).toBeLessThan(known * TOLERANCE);
    }
  });

  it('has no quantiles of nothing', () => {
    expect(new Histogram().summary()).toBeNull();
    expect(new Histogram().quantile(0.99)).toBe(0);
    const used = histogramOf([5, 6]);
    used.reset();
    expect(used.toJSON()).toEqual(new Histogram().toJSON());
  });

  it('takes values below 1 and beyond its range, and keeps minimum and maximum exact', () => {
    const histogram = histogramOf([0, 0.25, 2 ** 50]);
    expect(histogram.min).toBe(0);
    expect(histogram.max).toBe(2 ** 50);
    expect(histogram.quantile(0.5)).toBeLessThan(1);
    expect(histogram.quantile(1)).toBe(2 ** 50);
  });

  it.each([-1, NaN, Infinity])('refuses %s', (value) => {
    expect(() => new Histogram().record(value)).toThrow(/value must be a finite number of at least 0; got/);
  });

  it.each([
    null,
    {},
    { version: 2 },
    { version: 1, stepsLog2: 7, count: 2, sum: 1, min: 1, max: 1, buckets: [3, 1] },
    { version: 1, stepsLog2: 7, count: 1, sum: 1, min: 1, max: 1, buckets: [-3, 1] },
    { version: 1, stepsLog2: 7, count: 1, sum: 1, min: 1, max: 1, buckets: [1e9, 1] },
  ])('refuses JSON that is not its own: %j', (json) => {
    expect(() => Histogram.fromJSON(json)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });

  it('allocates nothing per value', () => {
    const histogram = new Histogram();
    const random = new Random(3);
    const values = Float64Array.from({ length: 4096 }, () => random.nextGap() * 1e5);
    const recordAll = (): void => {
      for (let round = 0; round < 100; round++)
        for (let i = 0; i < values.length; i++) histogram.record(values[i]!);
    };
    recordAll();
    recordAll();
    const before = process.memoryUsage().heapUsed;
    recordAll();
    // 409,600 values: a single boxed number each would be 4.9 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1_000_000);
  });
});
