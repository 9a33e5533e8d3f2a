// Looks at a process again and again, until it ends or the signal says so; tells what stayed asleep between two looks.

import type { Unavailable } from '../probe/index.js';
import { isKnown, isUnavailable, known, readProcess } from '../probe/index.js';
import { readPs } from './report.js';
import type { PsOptions, PsReport } from './report.js';

/** What tells that a thread has run: how often it gave up the CPU or lost it. */
interface Mark {
  readonly switches: number;
  readonly sinceMs: number;
}

/** Remembers from look to look which threads have not run. */
export class SleepMemory {
  private marks = new Map<number, Mark>();

  /** `nowMs`: when the look began, on any clock that only grows. */
  note(report: PsReport, nowMs: number, switchesOf: (threadId: number) => number | null): PsReport {
    const marks = new Map<number, Mark>();
    if (!isKnown(report.threads)) return report;
    const threads = report.threads.value.map((thread) => {
      const switches = switchesOf(thread.threadId);
      if (switches === null) return thread;
      const before = this.marks.get(thread.threadId);
      const same = before?.switches === switches;
      marks.set(thread.threadId, same ? before : { switches, sinceMs: nowMs });
      return same && thread.state !== 'R'
        ? { ...thread, notRunMs: known(nowMs - before.sinceMs, 'no context switch between the looks') }
        : thread;
    });
    this.marks = marks;
    return { ...report, threads: known(threads, report.threads.source) };
  }
}

function switchCounts(pid: number, options: PsOptions): (threadId: number) => number | null {
  const files = options.files === undefined ? {} : { files: options.files };
  const snapshot = readProcess(pid, { ...files, memory: false });
  const counts = new Map<number, number>();
  if (!isUnavailable(snapshot) && isKnown(snapshot.threads))
    for (const { threadId, figures } of snapshot.threads.value) {
      const { voluntarySwitches, involuntarySwitches } = figures;
      if (isKnown(voluntarySwitches) && isKnown(involuntarySwitches))
        counts.set(threadId, voluntarySwitches.value + involuntarySwitches.value);
    }
  return (threadId) => counts.get(threadId) ?? null;
}

/** Resolves after `ms`, or at once when the signal is given. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}

export interface WatchOptions extends PsOptions {
  readonly everyMs: number;
  readonly signal: AbortSignal;
  readonly onLook: (report: PsReport) => void;
}

/**
 * Null when the signal ended it, or when the process ended after at least one look; else why there was no look at all,
 * or none any more. A later process with the same pid is not taken for the same.
 */
export async function watch(pid: number, options: WatchOptions): Promise<Unavailable | 'ended' | null> {
  const { everyMs, signal, onLook } = options;
  const memory = new SleepMemory();
  let startTicks: number | null = null;
  let looks = 0;
  while (!signal.aborted) {
    const nowMs = performance.now();
    const report = readPs(pid, options);
    if (isUnavailable(report)) {
      const gone = /^there is no process|has ended/.test(report.unavailable);
      return looks > 0 && gone ? 'ended' : report;
    }
    if (looks > 0 && report.startTicks !== startTicks) return 'ended';
    ({ startTicks } = report);
    looks++;
    onLook(memory.note(report, nowMs, switchCounts(pid, options)));
    await pause(everyMs, signal);
  }
  return null;
}
