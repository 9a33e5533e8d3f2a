// The memory of a process: from /proc/PID/status, and from smaps_rollup what that says better.

import { isKnown, known, unavailable } from './figure.js';
import type { Figure, Reading } from './figure.js';
import type { Files } from './files.js';
import { parseColonLines } from './meminfo.js';
import { MEMORY_FIGURES, NOT_ASKED, everyFigure } from './snapshot.js';
import type { MemoryFigure } from './snapshot.js';

/** Name of the figure, line of status, and line of smaps_rollup that says the same better. */
const STATUS_MEMORY: readonly (readonly [MemoryFigure, string])[] = [
  ['rssBytes', 'VmRSS'],
  ['rssAnonBytes', 'RssAnon'],
  ['rssFileBytes', 'RssFile'],
  ['rssShmemBytes', 'RssShmem'],
  ['virtualBytes', 'VmSize'],
  ['swapBytes', 'VmSwap'],
  ['pageTableBytes', 'VmPTE'],
];
const ROLLUP_MEMORY: readonly (readonly [MemoryFigure, string])[] = [
  ['pssBytes', 'Pss'],
  ['pssAnonBytes', 'Pss_Anon'],
  ['pssFileBytes', 'Pss_File'],
  ['pssShmemBytes', 'Pss_Shmem'],
];

export function readMemory(files: Files, pid: number, status: Reading<string>): Record<MemoryFigure, Figure> {
  const figures = everyFigure(MEMORY_FIGURES, () => (isKnown(status) ? unavailable(NOT_ASKED) : status));
  if (!isKnown(status)) return figures;
  const lines = parseColonLines(status.value);
  if (!lines.has('VmSize')) {
    // A thread of the kernel's, or a process that has ended and is not yet collected: it has no address space.
    return everyFigure(MEMORY_FIGURES, () => known(0, 'no address space (status has no VmSize)'));
  }
  for (const [name, line] of STATUS_MEMORY) {
    const value = lines.get(line);
    figures[name] =
      value === undefined
        ? unavailable(`/proc/${pid}/status has no ${line} line`)
        : known(value, `/proc/PID/status ${line}`);
  }
  const rollup = files.text(`/proc/${pid}/smaps_rollup`);
  const rolled = isKnown(rollup) ? parseColonLines(rollup.value) : null;
  for (const [name, line] of ROLLUP_MEMORY) {
    const value = rolled?.get(line);
    if (!isKnown(rollup)) figures[name] = rollup;
    else if (value === undefined)
      figures[name] = unavailable(`/proc/${pid}/smaps_rollup has no ${line} line (it came with Linux 5.3)`);
    else figures[name] = known(value, `/proc/PID/smaps_rollup ${line}`);
  }
  // Counted page by page; since Linux 6.2 status adds up per-CPU counts that may lag.
  const rss = rolled?.get('Rss');
  if (rss !== undefined) figures.rssBytes = known(rss, '/proc/PID/smaps_rollup Rss');
  return figures;
}
