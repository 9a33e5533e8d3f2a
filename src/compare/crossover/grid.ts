// Which loads are measured: the grid, the calibration set beside it, and the cells of the grid that the law never sees.

import { seededRandom, shuffled } from '../statistics.js';
import type { Conditions } from './law.js';
import type { CrossoverSettings } from './report.js';

/**
 * The calibration set: each tells the law of a cost or two that the others do not. None lies on the default grid, so
 * that whatever is said of a cell there is a prediction.
 */
export const PROBES: readonly Conditions[] = [
  { connections: 2, cpuUs: 0, waitMs: 0 }, // wake-ups and latency
  { connections: 32, cpuUs: 0, waitMs: 0 }, // requests in batches
  { connections: 256, cpuUs: 0, waitMs: 0 }, // growth
  { connections: 2, cpuUs: 300, waitMs: 0 }, // accounting
  { connections: 32, cpuUs: 300, waitMs: 0 },
  { connections: 2, cpuUs: 0, waitMs: 5 }, // the upstream's latency
  { connections: 32, cpuUs: 0, waitMs: 5 },
  { connections: 256, cpuUs: 0, waitMs: 5 }, // the upstream call, in batches
  { connections: 32, cpuUs: 300, waitMs: 5 }, // the knee
  { connections: 16, cpuUs: 1000, waitMs: 20 },
  { connections: 128, cpuUs: 100, waitMs: 20 },
  { connections: 256, cpuUs: 300, waitMs: 20 },
];

export function keyOf({ connections, cpuUs, waitMs }: Conditions): string {
  return `${connections}/${cpuUs}/${waitMs}`;
}

/** Every combination of the axes. */
export function gridOf({
  connections,
  cpuUs,
  waitMs,
}: Pick<CrossoverSettings, 'connections' | 'cpuUs' | 'waitMs'>): Conditions[] {
  return connections.flatMap((c) =>
    cpuUs.flatMap((s) => waitMs.map((w) => ({ connections: c, cpuUs: s, waitMs: w }))),
  );
}

/** The cells from which the law learns nothing: by the seed alone, before anything is measured. */
export function chooseHeldOut(grid: readonly Conditions[], share: number, seed: number): Set<string> {
  const count = Math.round(grid.length * share);
  return new Set(
    shuffled(grid, seededRandom(seed ^ 0x5eed))
      .slice(0, count)
      .map(keyOf),
  );
}
