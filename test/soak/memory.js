// What the server's memory is after a collection, and whether it has grown over a long run.

import { openSync, readSync } from 'node:fs';

const MIB = 1024 * 1024;
/** The time in which caches fill and code is compiled: growth counts from its end. */
const SETTLE_MS = 5 * 60_000;
/** Growth is told as the difference of two medians over a minute each. */
const WINDOW_MS = 60_000;

/** Reads this process's own figures through a descriptor that stays open: there may be none left to open it again. */
export class MemoryProbe {
  #fd = openSync('/proc/self/smaps_rollup', 'r');
  #text = Buffer.alloc(4096);
  #collect;

  /** @param {() => void} collectGarbage */
  constructor(collectGarbage) {
    this.#collect = collectGarbage;
  }

  /** Collects all garbage first. All in bytes. */
  sample() {
    this.#collect();
    const length = readSync(this.#fd, this.#text, 0, this.#text.length, 0);
    const text = this.#text.toString('latin1', 0, length);
    const figure = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    const pssBytes = figure('Pss');
    // A page of the runtime's file is shared by all processes that run it: this part of PSS changes when they end.
    const pssFileBytes = figure('Pss_File');
    return {
      pssBytes,
      ownBytes: pssBytes - pssFileBytes,
      rssBytes: figure('Rss'),
      heapBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
    };
  }
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[sorted.length >> 1];
};

/**
 * Growth from the first minute after `settleMs` to the last minute, of medians; null for a run too short for it.
 * @param {readonly { atMs: number, ownBytes: number, pssBytes: number }[]} samples
 */
export function growthOf(samples, settleMs = SETTLE_MS, windowMs = WINDOW_MS) {
  const endMs = samples.at(-1)?.atMs ?? 0;
  const startMs = settleMs + windowMs;
  if (endMs < startMs + windowMs) return null;
  const between = (fromMs, toMs, key) =>
    median(samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs).map((sample) => sample[key]));
  const change = (key) => between(endMs - windowMs, endMs + 1, key) - between(settleMs, startMs, key);
  return {
    ownMib: change('ownBytes') / MIB,
    pssMib: change('pssBytes') / MIB,
    heapMib: change('heapBytes') / MIB,
  };
}
