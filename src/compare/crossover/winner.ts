// Who wins a cell: throughput if it differs by more than the noise, else CPU per request, else the slowest answers.

import { median } from '../statistics.js';
import type { CellResult, Criterion, Measurement, Verdict } from './report.js';

/** Less than this is no reason to prefer a model, however well it was measured. */
const LEAST: Readonly<Record<Criterion, number>> = {
  throughput: 0.05,
  'server CPU per request': 0.1,
  'p99 latency': 0.25,
};
/** Standard deviations by which two medians must differ. */
const DEVIATIONS = 3;
/** A single round tells nothing of its noise: taken to be this. */
const UNKNOWN_NOISE = 0.05;
/** The median of |x - y| of two normal values, in standard deviations of one. */
const PAIR_MEDIAN = 0.6745 * Math.SQRT2;

const keys = {
  throughput: 'requestsPerSecond',
  'server CPU per request': 'serverCpuUs',
  'p99 latency': 'p99Us',
} as const satisfies Record<Criterion, keyof CellResult>;
type Figure = (typeof keys)[Criterion];

export type Noise = Readonly<Record<Figure, number>>;

/** The relative noise of one round, from all pairs of rounds of one model in one cell. Null: there are none. */
export function noiseOf(measurements: readonly Measurement[]): Noise | null {
  const same = new Map<string, Measurement[]>();
  for (const one of measurements) {
    if (one.failure !== null) continue;
    const key = `${one.contestant} ${one.of} ${one.connections} ${one.cpuUs} ${one.waitMs}`;
    same.set(key, [...(same.get(key) ?? []), one]);
  }
  const of = (figure: Figure): number | null => {
    const differences: number[] = [];
    for (const rounds of same.values()) {
      for (let index = 1; index < rounds.length; index++) {
        const [a, b] = [rounds[index - 1][figure], rounds[index][figure]];
        if (a > 0 && b > 0) differences.push(Math.abs(Math.log(a / b)));
      }
    }
    return differences.length === 0 ? null : median(differences) / PAIR_MEDIAN;
  };
  const requestsPerSecond = of('requestsPerSecond');
  const cpu = of('serverCpuUs');
  const p99Us = of('p99Us');
  return requestsPerSecond === null || cpu === null || p99Us === null
    ? null
    : { requestsPerSecond, serverCpuUs: cpu, p99Us };
}

/** How far two models' medians must lie apart to be called different. */
export function threshold(by: Criterion, noise: Noise | null, rounds: number): number {
  const sigma = noise?.[keys[by]] ?? UNKNOWN_NOISE;
  return Math.max(LEAST[by], DEVIATIONS * sigma * Math.sqrt(2 / rounds));
}

/**
 * The winner of a cell. Who leaves connections without an answer can't win. Among the others the best by throughput and
 * all that are level with it go on; if that decides nothing, CPU per request; then p99. Throughput that the load's own
 * core has bounded decides nothing.
 */
export function judgeCell(
  measured: Readonly<Partial<Record<string, CellResult>>>,
  connections: number,
  noise: Noise | null,
): Verdict {
  const all = Object.entries(measured).filter(
    (entry): entry is [string, CellResult] => entry[1] !== undefined,
  );
  const notServing = all.filter(([, { served }]) => served < connections).map(([label]) => label);
  const serving = all.filter(([label]) => !notServing.includes(label));
  const clientBound = serving.some(([, of]) => of.clientBound);
  for (const by of ['throughput', 'server CPU per request', 'p99 latency'] as const) {
    if (by === 'throughput' && clientBound) continue;
    // From the best to the worst; more is better of throughput alone.
    const cost = ([, of]: [string, CellResult]): number =>
      by === 'throughput' ? 1 / of[keys[by]] : of[keys[by]];
    const ranked = serving.toSorted((a, b) => cost(a) - cost(b));
    if (ranked.length < 2) break;
    const rounds = Math.min(...ranked.map(([, of]) => of.rounds));
    const limit = 1 + threshold(by, noise, rounds);
    const level = ranked.filter((one) => cost(one) <= cost(ranked[0]) * limit);
    const behind = ranked.slice(level.length);
    if (behind.length === 0) continue;
    return {
      winners: level.map(([label]) => label),
      by,
      margin: cost(behind[0]) / cost(level[level.length - 1]) - 1,
      notServing,
    };
  }
  return { winners: serving.map(([label]) => label), by: null, margin: 0, notServing };
}
