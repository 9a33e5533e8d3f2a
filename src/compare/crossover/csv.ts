// Every measurement of a crossover as comma-separated values: one line each.

import { field } from '../csv.js';
import type { CrossoverReport } from './report.js';

const COLUMNS = [
  'of',
  'round',
  'contestant',
  'connections',
  'cpuUs',
  'waitMs',
  'requestsPerSecond',
  'served',
  'meanUs',
  'p50Us',
  'p99Us',
  'serverCpuUs',
  'generatorCpuUs',
  'upstreamCpuUs',
  'serverRssBytes',
  'clientBound',
  'requests',
  'failure',
] as const;

export function crossoverCsv({ measurements }: CrossoverReport): string {
  const lines = measurements.map((one) => COLUMNS.map((name) => field(String(one[name] ?? ''))).join(','));
  return `${[COLUMNS.join(','), ...lines].join('\n')}\n`;
}
