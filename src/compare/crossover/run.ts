// Runs a crossover: the calibration set and the grid, every model in every cell, in rounds; then the law, its check, the map.

import { describeMachine } from '../../probe/index.js';
import { makeContestants, whyUnavailable } from '../contestants.js';
import { choosePinning, stopAll, type Pinning } from '../processes.js';
import type { CompareSettings, Contestant } from '../report.js';
import { readSettings } from '../settings.js';
import { seededRandom, shuffled } from '../statistics.js';
import { Bench, windowOf } from './bench.js';
import { gridOf, PROBES } from './grid.js';
import type { Conditions } from './law.js';
import { drawMap } from './map.js';
import { connectionBytes } from './memory.js';
import {
  CROSSOVER_SCHEMA,
  CROSSOVER_VERSION,
  type CrossoverReport,
  type CrossoverSettings,
  type Measurement,
} from './report.js';
import { crossoverWithinLimits, readCrossover, type CrossoverOptions } from './settings.js';

/** How far it is. `step` changes often; `round` comes once for each round of each set. */
export interface CrossoverProgress {
  readonly kind: 'notice' | 'step' | 'round';
  readonly text: string;
  readonly done: number;
  readonly total: number;
  /** By the time that the cells so far took beyond their windows. */
  readonly leftMs: number;
}

export interface CrossoverHooks {
  onProgress?: (progress: CrossoverProgress) => void;
  /** Ends it: the report is of what was measured, and no process is left. */
  signal?: AbortSignal;
}

/** A guess of what a cell takes beside its window, until some have been measured: the start of a load generator. */
const BESIDE_MS = 400;
const MEMORY_MS = 5000;

interface Task extends Conditions {
  readonly contestant: Contestant;
  readonly round: number;
  readonly of: Measurement['of'];
}

/** The time that a task's windows take. */
function windowMs(task: Task, settings: CrossoverSettings): number {
  const { warmUpMs, durationMs } = windowOf(task, settings);
  return warmUpMs + durationMs;
}

/** In rounds, each in an order of its own; the models of a cell one after another, so that they meet the same neighbours. */
export function plan(
  settings: CrossoverSettings,
  contestants: readonly Contestant[],
  probesOnly: boolean,
): Task[] {
  const random = seededRandom(settings.seed);
  const most = Math.max(...settings.connections);
  const probes = PROBES.filter(({ connections }) => connections <= most);
  const tasks: Task[] = [];
  const add = (of: Measurement['of'], conditions: readonly Conditions[], round: number): void => {
    for (const one of shuffled(conditions, random)) {
      for (const contestant of shuffled(contestants, random)) tasks.push({ ...one, contestant, round, of });
    }
  };
  for (let round = 1; round <= settings.rounds; round++) {
    add('probe', probes, round);
    if (!probesOnly) add('grid', gridOf(settings), round);
  }
  return tasks;
}

/**
 * Measures the grid and draws the map. Throws ERR_ARGUMENT for wrong options before anything is started; what fails later
 * is in the report, cell by cell. `probesOnly`: the calibration set alone, for `advise`.
 */
export async function crossover(
  options: CrossoverOptions = {},
  hooks: CrossoverHooks = {},
  probesOnly = false,
): Promise<CrossoverReport> {
  const notices: string[] = [];
  const settings = crossoverWithinLimits(readCrossover(options), notices);
  const contestants = makeContestants(settings.models).filter((contestant) => {
    const reason = whyUnavailable(contestant);
    if (reason !== null) notices.push(`${contestant.label} is left out: ${reason}`);
    return reason === null;
  });
  const beganMs = performance.now();
  const report: CrossoverReport = {
    schema: CROSSOVER_SCHEMA,
    version: CROSSOVER_VERSION,
    startedAt: new Date().toISOString(),
    elapsedMs: 0,
    interrupted: false,
    settings,
    machine: describeMachine(),
    pinning: pinningOf(settings, notices),
    notices,
    contestants,
    measurements: [],
    cells: [],
    law: null,
    check: null,
    noise: null,
    wins: {},
    verdict: [],
  };
  const run = new Run(report, hooks, plan(settings, contestants, probesOnly));
  const memory = await run.all();
  drawMap(report, memory, probesOnly);
  report.elapsedMs = performance.now() - beganMs;
  return report;
}

function pinningOf({ cores }: CrossoverSettings, notices: string[]): Pinning {
  if (cores === 'one') return choosePinning();
  notices.push(
    "--cores all: nothing is pinned, so that server and load share all cores and take each other's time.",
  );
  return { serverCpu: null, clientCpu: null, reason: '--cores all' };
}

class Run {
  private readonly signal: AbortSignal;
  private done = 0;
  private besideMs = 0;
  private leftMs: number;

  constructor(
    private readonly report: CrossoverReport,
    private readonly hooks: CrossoverHooks,
    private readonly tasks: readonly Task[],
  ) {
    this.signal = hooks.signal ?? new AbortController().signal;
    this.leftMs = tasks.reduce((sum, task) => sum + windowMs(task, report.settings), 0);
  }

  /** Bytes per connection, by label. */
  async all(): Promise<Map<string, number>> {
    const { report, tasks, signal } = this;
    const { settings, contestants, pinning } = report;
    for (const text of report.notices) this.tell('notice', text);
    const compareSettings: CompareSettings = readSettings('echo', {
      models: settings.models,
      poolThreads: settings.poolThreads,
      seed: settings.seed,
    });
    const onAbort = (): void => void stopAll();
    signal.addEventListener('abort', onAbort);
    const benches = new Map(
      contestants.map((one) => [one.label, new Bench(one, pinning, compareSettings, settings, signal)]),
    );
    let memory = new Map<string, number>();
    try {
      for (const [index, task] of tasks.entries()) {
        if (this.aborted()) break;
        await this.one(task, benches);
        const next = tasks.at(index + 1);
        if (next?.of === task.of && next.round === task.round) continue;
        if (index === tasks.length - 1 || task.of === 'grid')
          this.tell('round', `round ${task.round}/${settings.rounds} is measured`);
        else this.tell('round', `round ${task.round}/${settings.rounds}: the calibration set is measured`);
        if (task.of === 'probe' && task.round === 1) memory = await this.memory();
      }
    } finally {
      await Promise.all([...benches.values()].map((bench) => bench.close()));
      signal.removeEventListener('abort', onAbort);
    }
    report.interrupted = this.aborted();
    return memory;
  }

  private async one(task: Task, benches: ReadonlyMap<string, Bench>): Promise<void> {
    const { report } = this;
    const { contestant, round, of, ...conditions } = task;
    this.tell(
      'step',
      `round ${round}/${report.settings.rounds} ${contestant.label}: ${sayConditions(conditions)}`,
    );
    const beganMs = performance.now();
    const bench = benches.get(contestant.label);
    if (bench === undefined) return;
    const measured = await bench.measure(conditions, round, of);
    if (this.aborted()) return; // ended in its middle: no figures, and no failure of its own
    report.measurements.push(measured);
    const inWindows = windowMs(task, report.settings);
    this.besideMs += performance.now() - beganMs - inWindows;
    this.leftMs -= inWindows;
    this.done++;
  }

  private async memory(): Promise<Map<string, number>> {
    const { settings, contestants } = this.report;
    if (this.aborted()) return new Map();
    this.tell('step', 'memory of idle connections');
    const models = contestants.map(({ label }) => label.replace(/#\d+$/, ''));
    return connectionBytes(models, settings.poolThreads, this.signal);
  }

  private aborted(): boolean {
    return this.signal.aborted;
  }

  private tell(kind: CrossoverProgress['kind'], text: string): void {
    const total = this.tasks.length;
    const eachMs = this.done > 0 ? this.besideMs / this.done : BESIDE_MS;
    const memoryMs = this.report.measurements.some(({ of }) => of === 'grid') ? 0 : MEMORY_MS;
    const leftMs = Math.max(this.leftMs + (total - this.done) * eachMs + memoryMs, 0);
    this.hooks.onProgress?.({ kind, text, done: this.done, total, leftMs });
  }
}

export function sayConditions({ connections, cpuUs, waitMs }: Conditions): string {
  const cpu = cpuUs >= 1000 ? `${cpuUs / 1000} ms` : `${cpuUs} us`;
  return `${connections} connection${connections === 1 ? '' : 's'}, ${cpu} of CPU, ${waitMs} ms of wait`;
}
