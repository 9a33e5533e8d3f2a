// What became of the requests of one population, and the summaries that are reported.

import type { LatencySummary, PopulationResult } from './result.js';
import { Histogram } from './histogram.js';

const NS_PER_MS = 1e6;

export class Tally {
  // Of the measured window.
  sent = 0;
  answered = 0;
  timedOut = 0;
  lost = 0;
  unsent = 0;
  readonly statuses = new Map<number, number>();
  readonly latency = new Histogram();
  readonly fromSend = new Histogram();
  readonly lateness = new Histogram();
  /** Replies that came within the window. */
  replies = 0;

  // Of the whole run.
  late = 0;
  mismatches = 0;
  answeredTotal = 0;
  timedOutTotal = 0;
  opened = 0;
  closedByPeer = 0;

  result(): PopulationResult {
    const { sent, answered, timedOut, lost, unsent, late, mismatches } = this;
    const statuses = Object.fromEntries([...this.statuses].map(([status, count]) => [String(status), count]));
    return {
      requests: { sent, answered, timedOut, lost, unsent, statuses, late, mismatches },
      latency: summarize(this.latency),
      histogram: this.latency.toJSON(),
    };
  }
}

/** Records a duration; clocks of milliseconds with fractions may give a difference a hair below 0. */
export function recordMs(histogram: Histogram, ms: number): void {
  histogram.record(ms > 0 ? ms * NS_PER_MS : 0);
}

/** A histogram of nanoseconds in milliseconds. */
export function summarize(histogram: Histogram): LatencySummary | null {
  const summary = histogram.summary();
  if (summary === null) return null;
  return {
    count: summary.count,
    meanMs: summary.mean / NS_PER_MS,
    minMs: summary.min / NS_PER_MS,
    p50Ms: summary.p50 / NS_PER_MS,
    p90Ms: summary.p90 / NS_PER_MS,
    p99Ms: summary.p99 / NS_PER_MS,
    p999Ms: summary.p999 / NS_PER_MS,
    p9999Ms: summary.p9999 / NS_PER_MS,
    maxMs: summary.max / NS_PER_MS,
  };
}
