// What one look at a process gives: its figures and those of its threads.

import { firstKnown } from './figure.js';
import type { Figure, Reading } from './figure.js';
import type { ThreadCall } from './syscalls.js';

export const THREAD_FIGURES = [
  'voluntarySwitches',
  'involuntarySwitches',
  'cpuNs',
  'runQueueWaitNs',
  'cpuUserNs',
  'cpuSystemNs',
] as const;
export type ThreadFigure = (typeof THREAD_FIGURES)[number];
export type ThreadFigures = Readonly<Record<ThreadFigure, Figure>>;

/** What a thread waits in. */
export interface ThreadSleep {
  readonly call: Reading<ThreadCall>;
  /** The kernel's function in which it sleeps: `wait_woken`, `ep_poll`, ... */
  readonly waitChannel: Reading<string>;
}

export interface ThreadSnapshot {
  readonly threadId: number;
  /** At most 15 bytes of it: what the kernel keeps. */
  readonly name: string;
  /** R runs or wants to, S sleeps, D sleeps and can't be woken by a signal, T is stopped, Z has ended. */
  readonly state: string;
  readonly figures: ThreadFigures;
  /** Null: not asked for. */
  readonly sleep: ThreadSleep | null;
}

export const MEMORY_FIGURES = [
  'pssBytes',
  'pssAnonBytes',
  'pssFileBytes',
  'pssShmemBytes',
  'rssBytes',
  'rssAnonBytes',
  'rssFileBytes',
  'rssShmemBytes',
  'virtualBytes',
  'swapBytes',
  'pageTableBytes',
] as const;
export type MemoryFigure = (typeof MEMORY_FIGURES)[number];

export type ProcessFigure = MemoryFigure | ThreadFigure | 'threads' | 'openFds';
export type ProcessFigures = Readonly<Record<ProcessFigure, Figure>>;

export interface ProcessSnapshot {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  /** Tells this process from a later one with the same pid: its start, in ticks since boot. Null outside Linux. */
  readonly startTicks: number | null;
  /** On the monotonic clock. */
  readonly takenAtNs: bigint;
  /** Switches, run-queue wait and `cpuNs` are sums over the threads alive now; `cpuUserNs` and `cpuSystemNs` include those that ended. */
  readonly figures: ProcessFigures;
  readonly threads: Reading<readonly ThreadSnapshot[]>;
}

/** Why a figure is not there that the caller has left out. */
export const NOT_ASKED = 'not asked for';

export const THREAD_SOURCES: Readonly<Record<ThreadFigure, string>> = {
  voluntarySwitches: 'status voluntary_ctxt_switches',
  involuntarySwitches: 'status nonvoluntary_ctxt_switches',
  cpuNs: 'schedstat field 1',
  runQueueWaitNs: 'schedstat field 2',
  cpuUserNs: 'stat utime',
  cpuSystemNs: 'stat stime',
};

export function everyFigure<Name extends string>(
  names: readonly Name[],
  figure: (name: Name) => Figure,
): Record<Name, Figure> {
  return Object.fromEntries(names.map((name) => [name, figure(name)])) as Record<Name, Figure>;
}

/** The anonymous memory that is this process's: its share of pages that several have, or all of them if PSS can't be had. */
export function anonymousBytes(snapshot: ProcessSnapshot): Figure {
  return firstKnown(snapshot.figures.pssAnonBytes, snapshot.figures.rssAnonBytes);
}
