// Medians with their distribution-free intervals, and the seeded random order of rounds.

/** @param {readonly number[]} values */
export function median(values) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Fewer rounds than this cannot give a 95% interval of a median at all: 1 - 2 / 2^5 is 93.75%. */
export const INTERVAL_ROUNDS_MIN = 6;

/**
 * The narrowest interval between two order statistics, as many from either end, that covers the median of the
 * distribution behind `values` with at least 95%, whatever that distribution is. Null when there are too few values.
 * @param {readonly number[]} values
 */
export function medianInterval(values) {
  const count = values.length;
  if (count < INTERVAL_ROUNDS_MIN) return null;
  const sorted = [...values].sort((a, b) => a - b);
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

/** @param {readonly number[]} values */
export function summarise(values) {
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    interval: medianInterval(values),
  };
}

/**
 * A small seeded generator (mulberry32) of numbers in [0, 1): the same seed gives the same order of rounds again.
 * @param {number} seed
 */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A shuffled copy (Fisher-Yates).
 * @template T
 * @param {readonly T[]} items
 * @param {() => number} random
 */
export function shuffled(items, random) {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other], copy[last]];
  }
  return copy;
}
