// Advice as data: its types are the schema of the JSON, and docs/crossover.md describes them.

export const ADVICE_SCHEMA = 'underloop.advice';
export const ADVICE_VERSION = 1;
/** Predictions are no better than this: models that lie closer together are level. */
export const LEVEL = 0.15;

/** The reader's own numbers. */
export interface Question {
  readonly connections: number;
  readonly waitMs: number;
  readonly cpuUs: number;
  /** What the server may use; null: no bound was given. */
  readonly memoryBytes: number | null;
  /** Requests per second that will come; null: every connection asks again as soon as it is answered. */
  readonly ratePerSecond: number | null;
  /** The slowest hundredth shall be answered in this; null: no bound was given. */
  readonly p99Us: number | null;
  /** Cores that the server may use. */
  readonly cores: number;
}

export interface Forecast {
  /** The most that it can do with these connections. */
  readonly capacityPerSecond: number;
  /** What it will do: the rate if one was given, as far as it can; else the capacity. */
  readonly requestsPerSecond: number;
  readonly latencyUs: number;
  readonly p99Us: number;
  readonly serverCpuUs: number;
  /** Cores busy. */
  readonly busyCores: number;
  /** All in; null: memory was not calibrated. */
  readonly memoryBytes: number | null;
  /** What bounds the capacity. */
  readonly limit: 'connections' | 'server CPU';
}

export interface Candidate {
  /** `threads`, `pool`, a loop by its label, `reactors`. */
  readonly model: string;
  readonly blocking: boolean;
  /** pool: how many threads, by Little's law. reactors: how many. Else null. */
  readonly count: number | null;
  /** Calibrated itself, or derived from the law of a model that is. */
  readonly from: string;
  readonly forecast: Forecast;
  /** Why it can't do it; empty: it can. */
  readonly reasons: readonly string[];
}

export interface Advice {
  readonly schema: typeof ADVICE_SCHEMA;
  readonly version: typeof ADVICE_VERSION;
  readonly question: Question;
  /** Where the law comes from: a file, the cache, or just measured. */
  readonly calibration: string;
  readonly candidates: readonly Candidate[];
  /** Models that are level at the top; empty: none can do it. */
  readonly take: readonly string[];
  /** Requests under way at once: Little's law. */
  readonly underWay: number;
  readonly sentences: readonly string[];
}
