// What the server's memory is after a collection, and how much it has grown over a long run under load.

import { openSync, readSync } from 'node:fs';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

const MIB = 1024 * 1024;
/** The time in which caches fill and code is compiled: growth counts from its end. */
const SETTLE_MS = 5 * 60_000;
/** Growth is the difference of two medians, each over so long. */
const WINDOW_MS = 5 * 60_000;
/** Where there is not time for two such windows they are shorter, and below this there are none. */
const WINDOW_MS_MIN = 60_000;

const turn = () => new Promise((resolve) => setImmediate(resolve));

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
  async sample() {
    this.#collect();
    await turn(); // finalizers run there, and what they let go of is garbage for the second collection
    this.#collect();
    const length = readSync(this.#fd, this.#text, 0, this.#text.length, 0);
    const text = this.#text.toString('latin1', 0, length);
    const figure = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
    const { heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
    const pssBytes = figure('Pss');
    // A page of the runtime's file is shared by all processes that run it: this part of PSS changes when they end.
    const pssFileBytes = figure('Pss_File');
    // V8's own account of pages that it has touched: a page of its spaces counts up to the highest place used so far.
    let youngBytes = 0;
    let oldBytes = 0;
    for (const { space_name: name, physical_space_size: bytes } of getHeapSpaceStatistics()) {
      if (name.startsWith('new_')) youngBytes += bytes;
      else oldBytes += bytes;
    }
    return {
      pssBytes,
      ownBytes: pssBytes - pssFileBytes,
      rssBytes: figure('Rss'),
      heapBytes: heapUsed,
      heapTotalBytes: heapTotal,
      youngBytes,
      oldBytes,
      v8MallocBytes: getHeapStatistics().malloced_memory,
      externalBytes: external,
      arrayBufferBytes: arrayBuffers,
    };
  }
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[sorted.length >> 1];
};

/** What is told beside the server's own memory, to show where it has grown: name, and the bytes of a sample. */
const PARTS = {
  ownMib: ({ ownBytes }) => ownBytes,
  pssMib: ({ pssBytes }) => pssBytes,
  liveMib: ({ heapBytes }) => heapBytes,
  youngMib: ({ youngBytes }) => youngBytes,
  oldMib: ({ oldBytes }) => oldBytes,
  mallocMib: ({ mallocBytes }) => mallocBytes,
  restMib: ({ ownBytes, youngBytes, oldBytes, mallocBytes }) =>
    ownBytes - youngBytes - oldBytes - mallocBytes,
};

/**
 * Growth from the window behind `settleMs` to the last one under load, of medians; null for a run too short for it. A
 * window is five minutes, and shorter where two of them do not fit. Samples of the drain do not count: while the last
 * connections end the server does something else than before.
 * @param {readonly { atMs: number, draining: boolean, ownBytes: number }[]} samples
 */
export function growthOf(samples, settleMs = SETTLE_MS) {
  const loaded = samples.filter(({ draining }) => !draining);
  const endMs = loaded.at(-1)?.atMs ?? 0;
  const windowMs = Math.min((endMs - settleMs) / 2, WINDOW_MS);
  if (windowMs < WINDOW_MS_MIN) return null;
  const first = loaded.filter(({ atMs }) => atMs >= settleMs && atMs < settleMs + windowMs);
  const last = loaded.filter(({ atMs }) => atMs > endMs - windowMs);
  const parts = Object.entries(PARTS).map(([name, bytesOf]) => [
    name,
    (median(last.map(bytesOf)) - median(first.map(bytesOf))) / MIB,
  ]);
  return {
    ...Object.fromEntries(parts),
    mappings: median(last.map(({ mappings }) => mappings)) - median(first.map(({ mappings }) => mappings)),
    windowMs,
    settleMs,
    endMs,
  };
}
