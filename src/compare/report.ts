// The report of a comparison: its types are the schema of the JSON file, and docs/compare.md describes them.

import type { MachineDescription } from '../probe/index.js';
import type { Pinning } from './processes.js';
import type { Summary } from './statistics.js';

export const REPORT_SCHEMA = 'underloop.compare';
/** Counts up when a field changes its meaning or goes away; new fields may come without. */
export const REPORT_VERSION = 1;

export const WORKLOADS = [
  'idle',
  'wait',
  'echo',
  'active',
  'churn',
  'cpu',
  'mixed',
  'saturate',
  'slow',
] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** What was asked for, with the defaults filled in. */
export interface CompareSettings {
  readonly workload: WorkloadName;
  /** As they were named, in the order of the tables. */
  readonly models: readonly string[];
  readonly connections: number;
  readonly rounds: number;
  /** The measured window of each cell. idle: of the quiet time and of the time with active connections, each. */
  readonly durationMs: number;
  readonly warmUpMs: number;
  /** How long each request waits on the upstream. */
  readonly waitMs: number;
  /** CPU that each request burns in the server. */
  readonly cpuUs: number;
  readonly payloadBytes: number;
  /** Requests under way per connection. */
  readonly depth: number;
  /** active: idle connections; cpu: microseconds of work; saturate: percent of N / wait. The others have none. */
  readonly points: readonly number[];
  /** idle, active: connections among the idle that make requests; slow: those that are slow. */
  readonly actives: number;
  /** Threads of `pool` and `executor`. */
  readonly poolThreads: number;
  /** Stack of each serving thread; null: the system's default. */
  readonly stackKib: number | null;
  /** Of the order of the cells. */
  readonly seed: number;
  /** Count system calls in a pass of their own, where strace is there. */
  readonly systemCalls: boolean;
}

/** A model as it takes part: under a label of its own, for it may take part twice. */
export interface Contestant {
  readonly label: string;
  readonly model: string;
  /** 0: connections are kept; 1: a request each. */
  readonly requestsPerConnection: number;
  readonly summary: string;
}

/** One number of a cell: what it is called in tables, and which way is better. */
export interface FigureInfo {
  readonly title: string;
  readonly unit:
    | 'ratio'
    | 'bytes'
    | 'bytes/connection'
    | 'count'
    | 'ms'
    | 'us'
    | 'ns'
    | 'share'
    | '1/s'
    | '1/request'
    | 's/million';
  readonly source: string;
}

/** One model in one round. */
export interface Cell {
  readonly round: number;
  readonly contestant: string;
  /** Why there are no figures, or why they are not to be trusted; null: all well. */
  failure: string | null;
  /** What a reader of the figures should know: a bound by the client, refused connections. */
  notes: string[];
  /** By the names in {@link Report.figures}. */
  figures: Partial<Record<string, number>>;
  /** Figures that could not be had, and why. */
  unavailable: Record<string, string>;
  /** The raw material, by workload: the generator's result, the bill of memory, requests, threads. */
  raw: Record<string, unknown>;
}

/** The cell of a contestant's round that has not run yet. */
export function emptyCell(round: number, { label }: Contestant): Cell {
  return { round, contestant: label, failure: null, notes: [], figures: {}, unavailable: {}, raw: {} };
}

export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly version: typeof REPORT_VERSION;
  readonly startedAt: string;
  elapsedMs: number;
  /** Ended by the user before all cells were run. */
  interrupted: boolean;
  readonly settings: CompareSettings;
  readonly machine: MachineDescription;
  readonly pinning: Pinning;
  /** What is not as it was asked for: fewer connections than wanted, models that cannot run here. */
  readonly notices: string[];
  readonly contestants: readonly Contestant[];
  readonly figures: Readonly<Partial<Record<string, FigureInfo>>>;
  readonly cells: Cell[];
  /** By contestant, then by figure. A figure that no cell has is not there. */
  summaries: Partial<Record<string, Partial<Record<string, Summary>>>>;
  /** Sentences computed from the figures. */
  verdict: string[];
}
