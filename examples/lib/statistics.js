// Percentiles of measured times.

/** The p-th percentile (0 to 1) of sorted numbers: the smallest that is not exceeded by that share of them. */
export function percentile(sorted, p) {
  if (sorted.length === 0) return null;
  return sorted[Math.max(Math.ceil(p * sorted.length) - 1, 0)];
}

/** Count, median, 99th percentile and maximum; nulls when there is nothing. */
export function summary(times) {
  const sorted = Float64Array.from(times).sort();
  return {
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    maxMs: percentile(sorted, 1),
  };
}
