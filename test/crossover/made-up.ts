// Measurements made up from a law that is known, with as much noise as wanted.

import { makeContestants } from '../../src/compare/contestants.js';
import { drawMap } from '../../src/compare/crossover/map.js';
import { gridOf, PROBES } from '../../src/compare/crossover/grid.js';
import {
  batchOf,
  clientUs,
  delayUs,
  predict,
  type ClientLaw,
  type Conditions,
  type LawParameters,
  type ModelLaw,
} from '../../src/compare/crossover/law.js';
import type {
  CellResult,
  CrossoverReport,
  CrossoverSettings,
  Measurement,
} from '../../src/compare/crossover/report.js';
import { readCrossover } from '../../src/compare/crossover/settings.js';
import { seededRandom } from '../../src/compare/statistics.js';
import { describeMachine } from '../../src/probe/index.js';
import { normal } from '../compare/report.js';

export const client: ClientLaw = { requestUs: 9, waitUs: 14, wakeUpUs: 12, sharedCores: null };

const parameters: LawParameters = {
  requestUs: 7,
  accountUs: 4,
  workUs: 3,
  wakeUpUs: 6,
  growthUs: 0.4,
  waitUs: 12,
  latencyUs: 45,
  waitLatencyUs: 250,
  sharpness: 3,
};

export function lawOf(
  contestant: string,
  other: Partial<LawParameters> = {},
  more: Partial<ModelLaw> = {},
): ModelLaw {
  return {
    contestant,
    servedMax: null,
    cores: 1,
    tail: 1.5,
    memory: { baseBytes: 50 * 2 ** 20, perConnectionBytes: 8 * 1024 },
    parameters: { ...parameters, ...other },
    ...more,
  };
}

/** Threads wake up cheaply and pay for each switch; a loop wakes up dearly, once for all that are ready. */
export const threads = lawOf(
  'threads',
  { requestUs: 9, wakeUpUs: 3, growthUs: 0.9, waitUs: 22 },
  { memory: { baseBytes: 50 * 2 ** 20, perConnectionBytes: 80 * 1024 } },
);
export const pool: ModelLaw = { ...threads, contestant: 'pool', servedMax: 64, memory: null };
export const epoll = lawOf('epoll', { requestUs: 5, wakeUpUs: 22, growthUs: 0.1, waitUs: 9 });

/** What the load's processes use of their core. */
export function loadCosts(
  law: ModelLaw,
  conditions: Conditions,
): Pick<Measurement, 'generatorCpuUs' | 'upstreamCpuUs'> {
  const { served } = predict(law, client, conditions);
  const batch = batchOf(served, clientUs(client, conditions, 1), delayUs(law.parameters, conditions));
  const upstreamCpuUs = conditions.waitMs > 0 ? client.waitUs : 0;
  return { generatorCpuUs: clientUs(client, conditions, batch) - upstreamCpuUs, upstreamCpuUs };
}

/** What would be measured of a model that keeps to its law, but for noise. */
export function measure(
  law: ModelLaw,
  conditions: Conditions,
  of: Measurement['of'],
  round: number,
  noise: () => number,
): Measurement {
  const { requestsPerSecond, served, latencyUs, serverCpuUs } = predict(law, client, conditions);
  const off = Math.exp(noise());
  return {
    ...conditions,
    contestant: law.contestant,
    round,
    of,
    failure: null,
    requestsPerSecond: requestsPerSecond * off,
    served,
    meanUs: latencyUs / off,
    p50Us: latencyUs / off,
    p99Us: (latencyUs / off) * law.tail,
    serverCpuUs: serverCpuUs * Math.exp(noise()),
    ...loadCosts(law, conditions),
    serverRssBytes: 60 * 2 ** 20,
    clientBound: false,
    requests: 1000,
  };
}

/** A report on made-up measurements. `noise`: of one round, as a share. */
export function madeUp(
  laws: readonly ModelLaw[],
  options: Partial<CrossoverSettings> = {},
  noise = 0,
  spoil: (one: Measurement) => Measurement | null = (one) => one,
): CrossoverReport {
  const settings = readCrossover({ seed: 1, models: laws.map(({ contestant }) => contestant), ...options });
  const random = seededRandom(settings.seed + 7);
  const measurements: Measurement[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    for (const law of laws) {
      const all = [
        ...PROBES.map((one) => measure(law, one, 'probe', round, () => noise * normal(random))),
        ...gridOf(settings).map((one) => measure(law, one, 'grid', round, () => noise * normal(random))),
      ];
      measurements.push(...all.map(spoil).filter((one) => one !== null));
    }
  }
  const memory = new Map(laws.map((law) => [law.contestant, law.memory?.perConnectionBytes ?? 0]));
  return drawn(settings, measurements, memory);
}

/** The report of measurements, wherever they are from. */
export function drawn(
  settings: CrossoverSettings,
  measurements: Measurement[],
  memory: ReadonlyMap<string, number>,
): CrossoverReport {
  const report: CrossoverReport = {
    schema: 'underloop.crossover',
    version: 2,
    startedAt: '2026-01-01T00:00:00.000Z',
    elapsedMs: 60_000,
    interrupted: false,
    settings,
    machine: describeMachine(),
    pinning: { serverCpu: 0, clientCpu: 1, reason: null },
    notices: [],
    contestants: makeContestants(settings.models),
    measurements,
    cells: [],
    law: null,
    check: null,
    noise: null,
    wins: {},
    verdict: [],
  };
  drawMap(report, memory);
  return report;
}

export function resultOf(figures: Partial<CellResult> = {}): CellResult {
  return {
    rounds: 2,
    requestsPerSecond: 1000,
    served: 10,
    meanUs: 100,
    p50Us: 100,
    p99Us: 200,
    serverCpuUs: 20,
    generatorCpuUs: 9,
    upstreamCpuUs: 0,
    serverRssBytes: null,
    memoryBytes: null,
    clientBound: false,
    ...figures,
  };
}
