// What the generator itself used of the machine, and whether that makes its figures its own rather than the server's.

import { readFileSync } from 'node:fs';
import type { LatencySummary, LoadResult } from './result.js';

/** Busier than this, a thread has no time left to notice that a reply has come. */
const BUSY_SHARE = 0.9;
/** Ready to run and not running for so much of the window: its core was somebody else's. */
const DELAY_SHARE = 0.05;
/** Lateness of our own sends that would show in a report of milliseconds. */
const LATE_MS = 0.5;
/** And the part of the latency from which on it changes the picture. */
const LATE_PART = 0.1;

interface Reading {
  atMs: number;
  cpuMs: number;
  /** Of the main thread: what it ran, and what it waited for a core. Null: the system does not say. */
  threadRanMs: number | null;
  threadDelayedMs: number | null;
}

export function takeReading(nowMs: number): Reading {
  const { user, system } = process.cpuUsage();
  let threadRanMs: number | null = null;
  let threadDelayedMs: number | null = null;
  try {
    // Nanoseconds run, nanoseconds runnable and waiting, slices (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat).
    const [ranNs, delayedNs] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ').map(Number);
    if (ranNs > 0) {
      threadRanMs = ranNs / 1e6;
      threadDelayedMs = delayedNs / 1e6;
    }
  } catch {
    // No Linux, or a kernel without these statistics.
  }
  return { atMs: nowMs, cpuMs: (user + system) / 1000, threadRanMs, threadDelayedMs };
}

/** What lay between two readings, and what to think of it. */
export function judge(
  first: Reading,
  last: Reading,
  replies: number,
  unsent: number,
  latency: LatencySummary | null,
  lateness: LatencySummary | null,
): LoadResult['self'] {
  const windowMs = Math.max(last.atMs - first.atMs, 1e-3);
  const share = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : (to - from) / windowMs;
  const cpuShare = (last.cpuMs - first.cpuMs) / windowMs;
  const threadCpuShare = share(first.threadRanMs, last.threadRanMs);
  const runDelayShare = share(first.threadDelayedMs, last.threadDelayedMs);
  const bottleneck: string[] = [];
  const busy = threadCpuShare ?? cpuShare;
  if (busy >= BUSY_SHARE) bottleneck.push(`its thread was busy for ${percent(busy)} of the window`);
  if (runDelayShare !== null && runDelayShare >= DELAY_SHARE) {
    bottleneck.push(`its thread waited for a core for ${percent(runDelayShare)} of the window`);
  }
  if (lateness !== null && latency !== null) {
    if (lateness.p99Ms >= Math.max(LATE_MS, LATE_PART * latency.p99Ms)) {
      bottleneck.push(`1% of its requests left ${lateness.p99Ms.toFixed(2)} ms late or more`);
    }
  }
  if (unsent > 0) bottleneck.push(`${unsent} requests were never sent`);
  const cpuUsPerReply = replies === 0 ? null : ((last.cpuMs - first.cpuMs) * 1000) / replies;
  return { cpuShare, threadCpuShare, runDelayShare, cpuUsPerReply, bottleneck };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)}%`;
}
