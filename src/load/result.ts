// What the load generator reports: its progress, and the figures of a run.

import type { LoadSettings } from './config.js';
import type { HistogramJson } from './histogram.js';

export type LoadPhase = 'connecting' | 'connected' | 'warm-up' | 'measuring' | 'draining';

/** One line of progress. Counts are since the beginning, warm-up included. `connected` comes once, when all are. */
export interface LoadProgress {
  type: 'progress';
  phase: LoadPhase;
  /** Since the first connect. */
  elapsedMs: number;
  /** Connections that are open now. */
  open: number;
  connectFailed: number;
  answered: number;
  timedOut: number;
  mismatches: number;
}

/** Quantiles in milliseconds; null where nothing was recorded. p99999 and the like: see `histogram`. */
export interface LatencySummary {
  count: number;
  meanMs: number;
  minMs: number;
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  p999Ms: number;
  p9999Ms: number;
  maxMs: number;
}

/** Requests whose intended send lies in the measured window, and what became of them. */
export interface RequestCounts {
  sent: number;
  answered: number;
  /** Unanswered when their timeout was over. */
  timedOut: number;
  /** Their connection closed before the answer. */
  lost: number;
  /** open: meant to be sent in the window and never sent, since no connection had room. actives: left out while the one before was unanswered. */
  unsent: number;
  /** Answered with a status other than 0, by status; they count as answered too. */
  statuses: Record<string, number>;
  /** Answers that came after their request had timed out, at any time of the run. */
  late: number;
  /** Replies that were wrong (unknown id, wrong payload, no frame), at any time of the run. Each closes its connection. */
  mismatches: number;
}

export interface PopulationResult {
  requests: RequestCounts;
  /**
   * From the intended send to the reply; churn: from the beginning of the connect, for the first of each connection. What
   * timed out is in it with the time it had waited, a lower bound: to leave it out would make the figures too good.
   */
  latency: LatencySummary | null;
  /** The same in nanoseconds: {@link Histogram.fromJSON}. */
  histogram: HistogramJson;
}

/** One request, on CLOCK_MONOTONIC: the client's own times, and the server's stamps (0: there was none). */
export interface RequestRecord {
  id: number;
  status: number;
  intendedNs: number;
  requestedNs: number;
  repliedNs: number;
  thread: number;
  receivedNs: number;
  waitStartedNs: number;
  waitEndedNs: number;
  sentNs: number;
  cpuNs: number;
  runDelayNs: number;
}

export interface LoadResult extends PopulationResult {
  type: 'result';
  version: 1;
  pid: number;
  config: LoadSettings;
  /** Why the run ended. */
  ended: 'duration' | 'requests' | 'interrupted' | 'failed';
  /** What went wrong first: no connection, a wrong reply, all connections closed. Null: nothing. */
  failure: string | null;
  times: {
    /** How long connecting took, to the last connection that opened or failed. */
    rampMs: number;
    /** The measured window on CLOCK_MONOTONIC, for other processes' readings. */
    windowStartMs: number;
    windowEndMs: number;
    windowMs: number;
    drainMs: number;
  };
  connections: {
    wanted: number;
    /** Of the ramp: the handshake was finished. Not yet accepted, let alone served, for all that a client can see. */
    connected: number;
    /** Of the ramp: refused, timed out, out of descriptors or ports. See `errors`. */
    failed: number;
    /** Of the ramp: given up before they were tried, since those before had failed. */
    notTried: number;
    /** Open when the window began and when it ended. */
    openAtStart: number;
    openAtEnd: number;
    /** Closed by the server, or by an error, against our will. */
    closedByPeer: number;
    /** Opened and failed in all, with those that churn opens. */
    openedTotal: number;
    failedTotal: number;
    /** From connect() until it was open. */
    connectLatency: LatencySummary | null;
  };
  /** Replies that came within the window, of the mode's connections and of the actives. */
  replies: number;
  /** Those per second of the window: the throughput. */
  repliesPerSecond: number;
  bytesReceived: number;
  bytesSent: number;
  /** open: from the actual send. What a tool would report that does not know when a request was meant to be sent. */
  latencyFromSend: LatencySummary | null;
  /** open, actives: how late requests were sent. Part of `latency`, and this process's own fault. */
  lateness: LatencySummary | null;
  actives: (PopulationResult & { connections: number; connected: number; closedByPeer: number }) | null;
  /** System errors by code, and how many. */
  errors: Record<string, number>;
  /** What this process itself used, over the window. Null: the system does not say. */
  self: {
    /** Of one core, all threads. */
    cpuShare: number;
    /** Of one core, the thread that makes the load. */
    threadCpuShare: number | null;
    /** How long that thread was ready to run and did not, as a share of the window. */
    runDelayShare: number | null;
    cpuUsPerReply: number | null;
    /** Reasons to think that this process, and not the server, set the figures. Empty: none. */
    bottleneck: string[];
  };
  records: RequestRecord[];
}
