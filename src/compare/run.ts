// Runs a comparison: every model in every round, in shuffled order, each cell with processes of its own.

import { describeMachine } from '../probe/index.js';
import { choosePinning, stopAll } from './processes.js';
import {
  REPORT_SCHEMA,
  REPORT_VERSION,
  emptyCell,
  type Contestant,
  type Report,
  type WorkloadName,
} from './report.js';
import { readSettings, runnable, withinLimits, type CompareOptions } from './settings.js';
import { seededRandom, shuffled, summarise, type Summary } from './statistics.js';
import { figuresOf, type CellContext } from './workload.js';
import { workloads } from './workloads.js';

/** How far a comparison is. `step` changes often; `cell` comes once for each cell that is over. */
export interface CompareProgress {
  readonly kind: 'notice' | 'step' | 'cell';
  readonly done: number;
  readonly total: number;
  readonly text: string;
}

export interface CompareHooks {
  onProgress?: (progress: CompareProgress) => void;
  /** Ends the comparison: what was measured is reported as interrupted, and no process is left. */
  signal?: AbortSignal;
}

/**
 * Compares models under a workload. Throws ERR_ARGUMENT for wrong options before anything is started; what fails later
 * is in the report, cell by cell.
 */
export async function compare(
  workload: WorkloadName,
  options: CompareOptions = {},
  hooks: CompareHooks = {},
): Promise<Report> {
  const notices: string[] = [];
  const settings = withinLimits(readSettings(workload, options), notices);
  const contestants = runnable(settings, notices);
  const beganMs = performance.now();
  const report: Report = {
    schema: REPORT_SCHEMA,
    version: REPORT_VERSION,
    startedAt: new Date().toISOString(),
    elapsedMs: 0,
    interrupted: false,
    settings,
    machine: describeMachine(),
    pinning: choosePinning(),
    notices,
    contestants,
    figures: figuresOf(workloads[workload], settings),
    cells: [],
    summaries: {},
    verdict: [],
  };
  await new Comparison(report, hooks).run();
  report.elapsedMs = performance.now() - beganMs;
  return report;
}

class Comparison {
  private done = 0;
  private readonly total: number;
  private readonly workload;
  private readonly signal: AbortSignal;

  constructor(
    private readonly report: Report,
    private readonly hooks: CompareHooks,
  ) {
    const { settings, contestants } = report;
    this.workload = workloads[settings.workload];
    this.signal = hooks.signal ?? new AbortController().signal;
    const passes = settings.rounds + (this.workload.afterwards === undefined ? 0 : 1);
    this.total = contestants.length * passes;
  }

  async run(): Promise<void> {
    const { report, workload } = this;
    const { settings, contestants, notices } = report;
    for (const text of notices) this.tell('notice', text);
    const onAbort = (): void => void stopAll();
    this.signal.addEventListener('abort', onAbort);
    const random = seededRandom(settings.seed);
    for (let round = 1; round <= settings.rounds; round++) {
      for (const contestant of shuffled(contestants, random)) {
        await this.cell(round, contestant, (context) => workload.run(context));
      }
    }
    const { afterwards } = workload;
    if (afterwards !== undefined)
      for (const contestant of contestants) await this.cell(0, contestant, afterwards);
    this.signal.removeEventListener('abort', onAbort);
    report.interrupted = this.aborted();
    for (const { label } of contestants) report.summaries[label] = this.summaries(label);
    report.verdict = workload.verdict(report);
  }

  private aborted(): boolean {
    return this.signal.aborted;
  }

  private async cell(
    round: number,
    contestant: Contestant,
    run: (context: CellContext) => Promise<void>,
  ): Promise<void> {
    if (this.aborted()) return;
    const { settings, pinning, cells } = this.report;
    const name = round === 0 ? contestant.label : `round ${round}/${settings.rounds} ${contestant.label}`;
    const cell = emptyCell(round, contestant);
    const step = (text: string): void => this.tell('step', `${name}: ${text}`);
    step('starting');
    try {
      await run({ contestant, settings, pinning, cell, signal: this.signal, step });
    } catch (error) {
      cell.failure = (error as Error).message;
    }
    if (this.aborted()) return; // it was ended in its middle: no figures, and no failure of its own
    cells.push(cell);
    this.done++;
    if (round > 0 || cell.failure !== null) this.tell('cell', `${name}: ${cell.failure ?? 'done'}`);
  }

  private summaries(label: string): Record<string, Summary> {
    const values = new Map<string, number[]>();
    for (const cell of this.report.cells) {
      if (cell.contestant !== label || cell.failure !== null) continue;
      for (const [name, value] of Object.entries(cell.figures)) {
        if (value === undefined) continue;
        const list = values.get(name);
        if (list === undefined) values.set(name, [value]);
        else list.push(value);
      }
    }
    return Object.fromEntries([...values].map(([name, list]) => [name, summarise(list)]));
  }

  private tell(kind: CompareProgress['kind'], text: string): void {
    this.hooks.onProgress?.({ kind, done: this.done, total: this.total, text });
  }
}
