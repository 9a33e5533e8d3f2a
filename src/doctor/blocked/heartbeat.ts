// What the watched thread and its watcher share: which item runs, since when, and what the thread had used by then.

import type { MessagePort } from 'node:worker_threads';

/** Words of {@link Heartbeat.words}. */
/** Odd while an item runs; counted up at its begin and at its end. */
export const SERIAL = 0;
/** 1: the watcher sleeps until it is told of an item, for the loop was asleep. Waited on by the watcher. */
export const ASLEEP = 1;
/** 1: the watched thread wants what was measured. */
export const ASK = 2;
/** 1: the watcher runs. Waited on by the watched thread, once. */
export const READY = 3;
/** 1: the profiler runs. */
export const PROFILING = 4;

/** Places in {@link Heartbeat.times}, all in ms; the first two on the monotonic clock. */
export const BEGAN_MS = 0;
/** When the next two were read: at the item's begin, or at most {@link BASE_AGE_MS} before. */
export const BASE_MS = 1;
export const BASE_CPU_MS = 2;
export const BASE_RUNQUEUE_MS = 3;

/** So old may the account be that an item is held against: to read it costs some microseconds, too dear for each item. */
export const BASE_AGE_MS = 10;

const WORDS = 6; // an even number: the times behind them take two words each
const TIMES = 4;

/** Views of one piece of memory. */
export class Heartbeat {
  readonly words: Int32Array;
  readonly times: Float64Array;

  constructor(
    readonly shared = new SharedArrayBuffer(
      WORDS * Int32Array.BYTES_PER_ELEMENT + TIMES * Float64Array.BYTES_PER_ELEMENT,
    ),
  ) {
    this.words = new Int32Array(shared, 0, WORDS);
    this.times = new Float64Array(shared, WORDS * Int32Array.BYTES_PER_ELEMENT, TIMES);
  }
}

/** What the watcher is started with. */
export interface WatcherData {
  readonly shared: SharedArrayBuffer;
  readonly thresholdMs: number;
  /** Of the watched thread; -1 where the system has none. */
  readonly schedstatFd: number;
  readonly syscallFd: number;
  /** Whether the watched thread is the main one, which alone can be interrupted. */
  readonly main: boolean;
  /** Takes what the watcher has to tell. */
  readonly port: MessagePort;
}

// A program may put another clock in place of performance.now(), or hold it: this one was there before.
const sinceStart = performance.now.bind(performance);

/** Two clocks are read one after the other; this thread may lose its core in between. */
const TRIES_MAX = 20;
const APART_MS_MAX = 0.02;

function clockStartMs(): number {
  let startMs = 0;
  let leastMs = Infinity;
  for (let i = 0; i < TRIES_MAX && leastMs > APART_MS_MAX; i++) {
    const beforeMs = sinceStart();
    const [seconds, nanoseconds] = process.hrtime();
    const afterMs = sinceStart();
    if (afterMs - beforeMs >= leastMs) continue;
    leastMs = afterMs - beforeMs;
    startMs = seconds * 1e3 + nanoseconds / 1e6 - (beforeMs + afterMs) / 2;
  }
  return startMs;
}
/** What {@link monotonicMs} adds to this thread's performance.now(). */
export const startMs = clockStartMs();

/** Milliseconds on the monotonic clock: the same in all threads, the clock of the reactor and of the profiler. */
export const monotonicMs = (): number => startMs + sinceStart();
