// The report of a crossover: its types are the schema of the JSON file, and docs/crossover.md describes them.

import type { MachineDescription } from '../../probe/index.js';
import type { Pinning } from '../processes.js';
import type { Contestant } from '../report.js';
import type { ClientLaw, Conditions, ModelLaw, Prediction } from './law.js';

export const CROSSOVER_SCHEMA = 'underloop.crossover';
/** Counts up when a field changes its meaning or goes away; new fields may come without. */
export const CROSSOVER_VERSION = 2;

/** `one`: server and load pinned to a core each. `all`: nothing is pinned, so threads run on all cores and one loop on one. */
export const CORES = ['one', 'all'] as const;
export type Cores = (typeof CORES)[number];

/** What was asked for, with the defaults filled in. */
export interface CrossoverSettings {
  readonly models: readonly string[];
  /** The axes: every combination is a cell. */
  readonly connections: readonly number[];
  readonly cpuUs: readonly number[];
  readonly waitMs: readonly number[];
  readonly rounds: number;
  readonly cores: Cores;
  /** Threads of `pool` and `executor`. */
  readonly poolThreads: number;
  /** Of the order, and of the choice of the cells that are held out. */
  readonly seed: number;
  /** The share of the grid's cells of which the law learns nothing. */
  readonly heldOutShare: number;
  /** The shortest window of a cell, and how many requests each connection shall make in it. */
  readonly windowMs: number;
  readonly requestsPerConnection: number;
}

/** One model under one condition in one round. */
export interface Measurement extends Conditions {
  readonly contestant: string;
  readonly round: number;
  /** `probe`: of the calibration set beside the grid. */
  readonly of: 'probe' | 'grid';
  /** Why there are no figures; null: all well. All figures are 0 then. */
  readonly failure: string | null;
  /** Connections served / mean latency of the requests that began in the window: exact for whole cycles (see the docs). */
  readonly requestsPerSecond: number;
  /** Connections that somebody serves; fewer than `connections`: the others get no answer at all. */
  readonly served: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU per request: of the server, of the load generator, of the upstream. */
  readonly serverCpuUs: number;
  readonly generatorCpuUs: number;
  readonly upstreamCpuUs: number;
  /** RSS of the server's process under this load; null: not to be had. */
  readonly serverRssBytes: number | null;
  /** The load's core was busy: throughput is the client's and not the server's. */
  readonly clientBound: boolean;
  /** Requests that the latencies are of. */
  readonly requests: number;
}

/** The medians of a model in a cell over the rounds. */
export interface CellResult extends Pick<
  Measurement,
  | 'requestsPerSecond'
  | 'served'
  | 'meanUs'
  | 'p50Us'
  | 'p99Us'
  | 'serverCpuUs'
  | 'generatorCpuUs'
  | 'upstreamCpuUs'
  | 'serverRssBytes'
  | 'clientBound'
> {
  readonly rounds: number;
  /** All in: {@link Prediction.memoryBytes}, which is calibrated on idle connections and checked by nothing here. */
  readonly memoryBytes: number | null;
}

export type Criterion = 'throughput' | 'server CPU per request' | 'p99 latency';

/** Who wins a cell. */
export interface Verdict {
  /** Level with each other. Empty: nobody serves it. All that serve: no difference. */
  readonly winners: readonly string[];
  /** What decided; null: no difference. */
  readonly by: Criterion | null;
  /** How far the best of the others is behind the worst of the winners: 0.25 is 25%. 0: no difference, or no others. */
  readonly margin: number;
  /** Models that leave connections without an answer, and so can't win. */
  readonly notServing: readonly string[];
}

export interface MapCell extends Conditions {
  /** The law has learned nothing of this cell. */
  readonly heldOut: boolean;
  /** By label. A model that has failed everywhere is not there. */
  readonly measured: Readonly<Partial<Record<string, CellResult>>>;
  readonly predicted: Readonly<Partial<Record<string, Prediction>>>;
  /** predicted / measured - 1 of the throughput, and of the median latency. */
  readonly errors: Readonly<
    Partial<Record<string, { readonly requestsPerSecond: number; readonly p50: number }>>
  >;
  readonly verdict: Verdict;
}

/** How well the law does in the cells held out: shares, as 0.08 for 8%. */
export interface LawCheck {
  readonly values: number;
  readonly median: number;
  readonly p90: number;
  readonly worst: number;
  readonly worstAt:
    | (Conditions & { readonly contestant: string; readonly predicted: number; readonly measured: number })
    | null;
}

export interface CrossoverReport {
  readonly schema: typeof CROSSOVER_SCHEMA;
  readonly version: typeof CROSSOVER_VERSION;
  readonly startedAt: string;
  elapsedMs: number;
  /** Ended by the user before all was measured. */
  interrupted: boolean;
  readonly settings: CrossoverSettings;
  readonly machine: MachineDescription;
  readonly pinning: Pinning;
  readonly notices: string[];
  readonly contestants: readonly Contestant[];
  /** Everything that was measured, in order. */
  readonly measurements: Measurement[];
  cells: MapCell[];
  law: { client: ClientLaw; models: ModelLaw[] } | null;
  /** Of throughput; of the median latency; of throughput by a law of the calibration set alone, which `advise` has. */
  check: { throughput: LawCheck; p50: LawCheck; probesAlone: LawCheck } | null;
  /** One round's relative noise (a standard deviation), pooled over all cells; null: one round only. */
  noise: { requestsPerSecond: number; serverCpuUs: number; p99Us: number } | null;
  /** How many cells each winner has, by its labels joined with +; `no difference`; `nobody`. */
  wins: Record<string, number>;
  verdict: string[];
}
