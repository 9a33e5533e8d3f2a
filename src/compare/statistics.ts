// Medians with their distribution-free intervals, and the seeded random order of rounds.

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** The probability with which it covers the median, at least 0.95. */
  readonly coverage: number;
}

export interface Summary {
  readonly n: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Null with fewer than {@link INTERVAL_ROUNDS_MIN} values: then min and max are a range and not an interval. */
  readonly interval: Interval | null;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Fewer rounds than this cannot give a 95% interval of a median at all: 1 - 2 / 2^5 is 93.75%. */
export const INTERVAL_ROUNDS_MIN = 6;

/**
 * The narrowest interval between two order statistics, as many from either end, that covers the median of the
 * distribution behind `values` with at least 95%, whatever that distribution is. Null when there are too few values.
 */
export function medianInterval(values: readonly number[]): Interval | null {
  const count = values.length;
  if (count < INTERVAL_ROUNDS_MIN) return null;
  const sorted = values.toSorted((a, b) => a - b);
  // The median lies outside [x(k+1), x(n-k)] when at most k values fall on one side of it: Binomial(n, 1/2).
  let term = 0.5 ** count;
  let tail = term;
  let skipped = 0;
  for (;;) {
    const nextTerm = (term * (count - skipped)) / (skipped + 1);
    if (1 - 2 * (tail + nextTerm) < 0.95) break;
    term = nextTerm;
    tail += term;
    skipped += 1;
  }
  return { low: sorted[skipped], high: sorted[count - 1 - skipped], coverage: 1 - 2 * tail };
}

export function summarise(values: readonly number[]): Summary {
  return {
    n: values.length,
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    interval: medianInterval(values),
  };
}

/** A small seeded generator (mulberry32) of numbers in [0, 1): the same seed gives the same order of rounds again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A shuffled copy (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other], copy[last]];
  }
  return copy;
}
