// From measurements to the map: medians per cell, the calibrated law, its errors in the cells held out, winners, sentences.

import { servesOnAllCores } from '../contestants.js';
import { median } from '../statistics.js';
import { fitClient, fitModel, type Observation } from './fit.js';
import { chooseHeldOut, gridOf, keyOf } from './grid.js';
import { predict, type ClientLaw, type ModelLaw, type Prediction } from './law.js';
import { memoryLaw } from './memory.js';
import type { CellResult, CrossoverReport, LawCheck, MapCell, Measurement } from './report.js';
import { crossoverVerdict } from './verdict.js';
import { judgeCell, noiseOf } from './winner.js';

/** Models whose threads run wherever there is a core. */
const ON_ALL_CORES: readonly string[] = ['threads', 'pool', 'worker'];
const WITH_POOL: readonly string[] = ['pool'];

type Summaries = ReadonlyMap<string, CellResult>;

function summarise(measurements: readonly Measurement[], of: Measurement['of'], label: string): Summaries {
  const groups = new Map<string, Measurement[]>();
  for (const one of measurements) {
    if (one.of !== of || one.contestant !== label || one.failure !== null) continue;
    groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  }
  return new Map([...groups].map(([key, rounds]) => [key, resultOf(rounds)]));
}

function resultOf(rounds: readonly Measurement[]): CellResult {
  const of = (figure: (one: Measurement) => number): number => median(rounds.map(figure));
  const pss = rounds.flatMap(({ serverRssBytes }) => serverRssBytes ?? []);
  return {
    rounds: rounds.length,
    requestsPerSecond: of((one) => one.requestsPerSecond),
    served: of((one) => one.served),
    meanUs: of((one) => one.meanUs),
    p50Us: of((one) => one.p50Us),
    p99Us: of((one) => one.p99Us),
    serverCpuUs: of((one) => one.serverCpuUs),
    generatorCpuUs: of((one) => one.generatorCpuUs),
    upstreamCpuUs: of((one) => one.upstreamCpuUs),
    serverRssBytes: pss.length === 0 ? null : median(pss),
    memoryBytes: null,
    clientBound: rounds.every(({ clientBound }) => clientBound),
  };
}

function observationsOf(summaries: Summaries): Observation[] {
  return [...summaries].map(([key, of]) => {
    const [connections, cpuUs, waitMs] = key.split('/').map(Number);
    return { connections, cpuUs, waitMs, ...of };
  });
}

interface Fitted {
  readonly client: ClientLaw;
  readonly models: ReadonlyMap<string, ModelLaw>;
}

/** The law out of the calibration set and, where `learnt` names some, out of cells of the grid. */
function fit(
  report: CrossoverReport,
  memory: ReadonlyMap<string, number>,
  learnt: ReadonlySet<string>,
): Fitted | null {
  const { measurements, contestants, settings, machine } = report;
  const all = settings.cores === 'all';
  const observations = new Map(
    contestants.map(({ label }) => {
      const grid = [...summarise(measurements, 'grid', label)].filter(([key]) => learnt.has(key));
      return [label, observationsOf(new Map([...summarise(measurements, 'probe', label), ...grid]))];
    }),
  );
  const everything = [...observations.values()].flat();
  if (everything.length === 0) return null;
  const client = fitClient(everything, all ? machine.usableCpus : null);
  const models = new Map<string, ModelLaw>();
  for (const contestant of contestants) {
    const { label, model } = contestant;
    const own = observations.get(label) ?? [];
    if (own.length === 0) continue;
    const onAll = servesOnAllCores(contestant) || (all && ON_ALL_CORES.includes(model));
    const smallest = measurements
      .filter((one) => one.contestant === label && one.serverRssBytes !== null && one.failure === null)
      .toSorted((a, b) => a.connections - b.connections)[0] as Measurement | undefined;
    const law = {
      contestant: label,
      servedMax: WITH_POOL.includes(model) ? settings.poolThreads : model === 'sequential' ? 1 : null,
      cores: onAll ? machine.usableCpus : 1,
      memory: memoryLaw(memory.get(label), smallest),
    };
    models.set(label, fitModel(law, client, own));
  }
  return { client, models };
}

/** |predicted / measured - 1| over cells and models. */
export function checkLaw(
  cells: readonly MapCell[],
  predictedOf: (cell: MapCell, label: string) => number | undefined,
  measuredOf: (result: CellResult) => number,
): LawCheck {
  const errors = cells.flatMap((cell) =>
    Object.entries(cell.measured).flatMap(([label, result]) => {
      const predicted = predictedOf(cell, label);
      if (result === undefined || predicted === undefined) return [];
      const measured = measuredOf(result);
      return [{ error: Math.abs(predicted / measured - 1), cell, label, predicted, measured }];
    }),
  );
  errors.sort((a, b) => a.error - b.error);
  const worst = errors.at(-1);
  return {
    values: errors.length,
    median: errors.length === 0 ? 0 : median(errors.map(({ error }) => error)),
    p90: errors[Math.floor(0.9 * (errors.length - 1))]?.error ?? 0,
    worst: worst?.error ?? 0,
    worstAt:
      worst === undefined
        ? null
        : {
            connections: worst.cell.connections,
            cpuUs: worst.cell.cpuUs,
            waitMs: worst.cell.waitMs,
            contestant: worst.label,
            predicted: worst.predicted,
            measured: worst.measured,
          },
  };
}

/** Fills in what follows from the measurements. `memory` is bytes per connection, by label. */
export function drawMap(
  report: CrossoverReport,
  memory: ReadonlyMap<string, number>,
  probesOnly = false,
): void {
  const { measurements, contestants, settings } = report;
  const grid = probesOnly ? [] : gridOf(settings);
  const heldOut = chooseHeldOut(grid, settings.heldOutShare, settings.seed);
  const fitted = fit(report, memory, new Set(grid.map(keyOf).filter((key) => !heldOut.has(key))));
  report.law = fitted === null ? null : { client: fitted.client, models: [...fitted.models.values()] };
  report.noise = noiseOf(measurements);
  const results = new Map(contestants.map(({ label }) => [label, summarise(measurements, 'grid', label)]));
  report.cells = grid.flatMap((conditions): MapCell[] => {
    const measured: Record<string, CellResult> = {};
    const predicted: Record<string, Prediction> = {};
    const errors: Record<string, { requestsPerSecond: number; p50: number }> = {};
    for (const { label } of contestants) {
      const law = fitted?.models.get(label);
      const forecast = law === undefined ? undefined : predict(law, fitted?.client ?? null, conditions);
      if (forecast !== undefined) predicted[label] = forecast;
      const result = results.get(label)?.get(keyOf(conditions));
      if (result === undefined) continue;
      measured[label] = { ...result, memoryBytes: forecast?.memoryBytes ?? null };
      if (forecast === undefined) continue;
      errors[label] = {
        requestsPerSecond: forecast.requestsPerSecond / result.requestsPerSecond - 1,
        p50: forecast.latencyUs / result.p50Us - 1,
      };
    }
    if (Object.keys(measured).length === 0) return []; // interrupted before it
    const verdict = judgeCell(measured, conditions.connections, report.noise);
    return [{ ...conditions, heldOut: heldOut.has(keyOf(conditions)), measured, predicted, errors, verdict }];
  });
  const unseen = report.cells.filter(({ heldOut: held }) => held);
  if (unseen.length > 0 && fitted !== null) {
    const alone = fit(report, memory, new Set());
    report.check = {
      throughput: checkLaw(
        unseen,
        (cell, label) => cell.predicted[label]?.requestsPerSecond,
        (of) => of.requestsPerSecond,
      ),
      p50: checkLaw(
        unseen,
        (cell, label) => cell.predicted[label]?.latencyUs,
        (of) => of.p50Us,
      ),
      probesAlone: checkLaw(
        report.cells,
        (cell, label) => {
          const law = alone?.models.get(label);
          return law === undefined ? undefined : predict(law, alone?.client ?? null, cell).requestsPerSecond;
        },
        (of) => of.requestsPerSecond,
      ),
    };
  }
  for (const { verdict } of report.cells) {
    const { winners, by } = verdict;
    const key =
      winners.length === 0 ? 'nobody' : by === null ? 'no difference' : winners.toSorted().join('+');
    report.wins[key] = (report.wins[key] ?? 0) + 1;
  }
  report.verdict = crossoverVerdict(report);
}
