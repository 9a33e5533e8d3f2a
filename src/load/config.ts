// What the load generator is told and what it reports: the types of both, the defaults, and the checks.

import { argumentError, checkInteger, checkMs, checkObject, checkPort } from '../errors.js';
import { isIPv4, isIPv6 } from 'node:net';
import { CPU_US_MAX, PAYLOAD_BYTES_MAX, WAIT_MS_MAX } from '../workload/frames.js';
import type { ArrivalKind } from './arrivals.js';
import type { HistogramJson } from './histogram.js';

/**
 * What the connections do.
 * - `closed`: each keeps `depth` requests under way and asks again when one is answered: capacity.
 * - `open`: requests are sent at `ratePerSecond` whatever the answers do, and timed from when they were meant to be sent.
 * - `arrive`: as open, but each request connects, and closes by a reset when it is answered.
 * - `idle`: they only stay open.
 * - `churn`: each connects, makes `requestsPerConnection` requests one after another, closes by a reset, and begins anew.
 * - `slow-read`: as closed, but each reads only `bytesPerSecond` of its replies.
 * - `slow-write`: as closed with depth 1, but each sends only `bytesPerSecond` of its requests.
 */
export type LoadMode = 'closed' | 'open' | 'arrive' | 'idle' | 'churn' | 'slow-read' | 'slow-write';

export const LOAD_MODES: readonly LoadMode[] = [
  'closed',
  'open',
  'arrive',
  'idle',
  'churn',
  'slow-read',
  'slow-write',
];

/** Connections that make one request at a time at a fixed interval, among those of the mode. */
export interface ActivesConfig {
  connections: number;
  /** Between the requests of one connection; they are spread evenly within it. Default 100. */
  intervalMs?: number;
  /** A request unanswered for so long is timed out. Default: `requestTimeoutMs`. */
  timeoutMs?: number;
}

export interface LoadConfig {
  port: number;
  mode: LoadMode;
  /** A numeric address. Default 127.0.0.1. */
  host?: string;
  /** Default 1; churn: how many at a time; arrive: none that stay. */
  connections?: number;
  /** closed, slow-read: requests under way per connection. Default 1. */
  depth?: number;
  /** open, arrive: of all connections together. */
  ratePerSecond?: number;
  /** open, arrive. Default `poisson`. */
  arrivals?: ArrivalKind;
  /** open, arrive: requests under way at most; beyond it they are sent late, and counted as late. Default: what `requestTimeoutMs` brings. */
  outstandingMax?: number;
  /** churn. Default 1. */
  requestsPerConnection?: number;
  /** slow-read, slow-write: of each connection. */
  bytesPerSecond?: number;
  actives?: ActivesConfig;

  /** Default 64. */
  payloadBytes?: number;
  /** CPU that the server burns for each request. Default 0. */
  cpuUs?: number;
  /** How long the server waits on its upstream for each request. Default 0. */
  waitMs?: number;

  /** Before the measured window. Default 500. */
  warmUpMs?: number;
  /** The measured window. Default 1,000. */
  durationMs?: number;
  /** closed, churn: the run ends when so many were answered, warm-up included. Default: no bound but the time. */
  requestsMax?: number;
  /** Default 10,000. */
  requestTimeoutMs?: number;
  /** Default 5,000. */
  connectTimeoutMs?: number;
  /** Connects under way at most: a server's backlog shall not overflow. Default 128. */
  connectingMax?: number;
  /** Connects begun per second at most; 0: no bound. Default 0. */
  connectsPerSecond?: number;
  /**
   * Connections take turns to come from these addresses. Default: the system's choice, and several of 127.0.0.x when there
   * are more connections than one pair of addresses has ports for.
   */
  sourceHosts?: string[];
  /** How connections are closed at the end: by RST, which leaves no TIME_WAIT here, or by FIN. Default `reset`. */
  closing?: 'reset' | 'end';
  /** Of arrivals. Default 1. */
  seed?: number;
  /** The first so many measured requests are reported one by one, with the server's stamps. Default 0. */
  recordsMax?: number;
  /** A progress line every so many milliseconds; 0: none. Default 0. */
  progressMs?: number;
  /** Once connected, says so, and begins only at a line `start` on stdin. Default false. */
  startOnLine?: boolean;
}

/** A config with its defaults filled in. Null: does not apply to this mode, or has no bound. */
export interface LoadSettings extends Required<
  Omit<
    LoadConfig,
    | 'depth'
    | 'ratePerSecond'
    | 'arrivals'
    | 'outstandingMax'
    | 'requestsPerConnection'
    | 'bytesPerSecond'
    | 'actives'
    | 'requestsMax'
  >
> {
  depth: number | null;
  ratePerSecond: number | null;
  arrivals: ArrivalKind | null;
  outstandingMax: number | null;
  requestsPerConnection: number | null;
  bytesPerSecond: number | null;
  actives: Required<ActivesConfig> | null;
  requestsMax: number | null;
}

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

/** One pair of addresses has about 28,000 ports for outgoing connections (net.ipv4.ip_local_port_range). */
const CONNECTIONS_PER_SOURCE = 25_000;
const CONNECTIONS_MAX = 1_000_000;
const DEPTH_MAX = 65_536;
/** More than any request's table should hold: 2^22 of them take 130 MiB. */
const OUTSTANDING_MAX = 2 ** 22;
const DURATION_MS_MAX = 86_400_000;

const modesOf: Partial<Record<keyof LoadConfig, readonly LoadMode[]>> = {
  depth: ['closed', 'slow-read'],
  ratePerSecond: ['open', 'arrive'],
  arrivals: ['open', 'arrive'],
  outstandingMax: ['open', 'arrive'],
  requestsPerConnection: ['churn'],
  bytesPerSecond: ['slow-read', 'slow-write'],
  requestsMax: ['closed', 'churn'],
};

/** Every setting that there is: a misspelt one is refused and not ignored. */
const known: Record<keyof LoadConfig, true> = {
  port: true,
  mode: true,
  host: true,
  connections: true,
  depth: true,
  ratePerSecond: true,
  arrivals: true,
  outstandingMax: true,
  requestsPerConnection: true,
  bytesPerSecond: true,
  actives: true,
  payloadBytes: true,
  cpuUs: true,
  waitMs: true,
  warmUpMs: true,
  durationMs: true,
  requestsMax: true,
  requestTimeoutMs: true,
  connectTimeoutMs: true,
  connectingMax: true,
  connectsPerSecond: true,
  sourceHosts: true,
  closing: true,
  seed: true,
  recordsMax: true,
  progressMs: true,
  startOnLine: true,
};

/** Fills in the defaults. Throws ERR_ARGUMENT, with the argument's name and value, for whatever is wrong. */
export function checkConfig(config: LoadConfig): LoadSettings {
  checkObject('config', config);
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(known, name))
      throw argumentError(`config.${name}`, 'left out: there is no such setting', value);
  }
  const { mode, host = '127.0.0.1', requestTimeoutMs = 10_000 } = config;
  oneOf('mode', mode, LOAD_MODES);
  const openLoop = mode === 'open' || mode === 'arrive';
  const connections = config.connections ?? (mode === 'arrive' ? 0 : 1);
  for (const [name, modes] of Object.entries(modesOf)) {
    const value = config[name as keyof LoadConfig];
    if (value !== undefined && !modes.includes(mode)) {
      throw argumentError(
        `config.${name}`,
        `left out in mode '${mode}' (it belongs to ${modes.join(', ')})`,
        value,
      );
    }
  }
  checkPort('config.port', config.port);
  if (config.port === 0) throw argumentError('config.port', 'the port of a server, from 1 to 65535', 0);
  checkAddress('config.host', host);
  const fewest = mode === 'idle' || mode === 'arrive' ? 0 : 1;
  checkInteger('config.connections', connections, fewest, mode === 'arrive' ? 0 : CONNECTIONS_MAX);
  positiveMs('requestTimeoutMs', requestTimeoutMs);

  const settings: LoadSettings = {
    port: config.port,
    mode,
    host,
    connections,
    depth: mode === 'closed' || mode === 'slow-read' ? integer('depth', config.depth, 1, 1, DEPTH_MAX) : null,
    ratePerSecond: openLoop ? rate('ratePerSecond', config.ratePerSecond) : null,
    arrivals: openLoop
      ? oneOf<ArrivalKind>('arrivals', config.arrivals ?? 'poisson', ['fixed', 'poisson'])
      : null,
    outstandingMax: null,
    requestsPerConnection:
      mode === 'churn' ? integer('requestsPerConnection', config.requestsPerConnection, 1, 1, 2 ** 31) : null,
    bytesPerSecond:
      mode === 'slow-read' || mode === 'slow-write' ? rate('bytesPerSecond', config.bytesPerSecond) : null,
    actives: actives(config.actives, requestTimeoutMs),
    payloadBytes: integer('payloadBytes', config.payloadBytes, 64, 0, PAYLOAD_BYTES_MAX),
    cpuUs: integer('cpuUs', config.cpuUs, 0, 0, CPU_US_MAX),
    waitMs: integer('waitMs', config.waitMs, 0, 0, WAIT_MS_MAX),
    warmUpMs: milliseconds('warmUpMs', config.warmUpMs, 500),
    durationMs: positiveMs('durationMs', config.durationMs ?? 1000),
    requestsMax:
      config.requestsMax === undefined
        ? null
        : integer('requestsMax', config.requestsMax, 0, 1, Number.MAX_SAFE_INTEGER),
    requestTimeoutMs,
    connectTimeoutMs: positiveMs('connectTimeoutMs', config.connectTimeoutMs ?? 5000),
    connectingMax: integer('connectingMax', config.connectingMax, 128, 1, CONNECTIONS_MAX),
    connectsPerSecond: integer('connectsPerSecond', config.connectsPerSecond, 0, 0, 1_000_000),
    sourceHosts: sources(config.sourceHosts, host, connections + (config.actives?.connections ?? 0)),
    closing: oneOf<'reset' | 'end'>('closing', config.closing ?? 'reset', ['reset', 'end']),
    seed: integer('seed', config.seed, 1, 0, 0xffff_ffff),
    recordsMax: integer('recordsMax', config.recordsMax, 0, 0, 100_000),
    progressMs: milliseconds('progressMs', config.progressMs, 0),
    startOnLine: config.startOnLine ?? false,
  };
  if (typeof settings.startOnLine !== 'boolean') {
    throw argumentError('config.startOnLine', 'true or false', config.startOnLine);
  }
  if (settings.ratePerSecond !== null) {
    const timeoutBrings = Math.ceil((settings.ratePerSecond * requestTimeoutMs) / 1000) + 1024;
    const enough = Math.min(timeoutBrings, OUTSTANDING_MAX);
    settings.outstandingMax = integer('outstandingMax', config.outstandingMax, enough, 1, OUTSTANDING_MAX);
  }
  if (connections * (settings.depth ?? 1) > OUTSTANDING_MAX) {
    throw argumentError('config.connections * config.depth', `at most ${OUTSTANDING_MAX}`, [
      connections,
      settings.depth,
    ]);
  }
  return settings;
}

function actives(given: ActivesConfig | undefined, requestTimeoutMs: number): Required<ActivesConfig> | null {
  if (given === undefined) return null;
  checkObject('config.actives', given);
  const { connections, intervalMs = 100, timeoutMs = requestTimeoutMs, ...rest } = given;
  for (const [name, value] of Object.entries(rest)) {
    throw argumentError(`config.actives.${name}`, 'left out: there is no such setting', value);
  }
  checkInteger('config.actives.connections', connections, 1, 100_000);
  positiveMs('actives.intervalMs', intervalMs);
  positiveMs('actives.timeoutMs', timeoutMs);
  return { connections, intervalMs, timeoutMs };
}

function sources(given: string[] | undefined, host: string, connections: number): string[] {
  if (given !== undefined) {
    if (!Array.isArray(given)) throw argumentError('config.sourceHosts', 'an array of addresses', given);
    given.forEach((source, i) => {
      checkAddress(`config.sourceHosts[${i}]`, source);
      if (isIPv4(source) !== isIPv4(host)) {
        throw argumentError(`config.sourceHosts[${i}]`, `of the same family as config.host, ${host}`, source);
      }
    });
    return given;
  }
  const needed = Math.ceil(connections / CONNECTIONS_PER_SOURCE);
  // Only the loopback network has addresses that need no setting up.
  if (needed < 2 || !host.startsWith('127.')) return [];
  return Array.from({ length: needed }, (_, i) => `127.0.0.${i + 1}`);
}

function integer(
  name: string,
  value: number | undefined,
  byDefault: number,
  min: number,
  max: number,
): number {
  const given = value ?? byDefault;
  checkInteger(`config.${name}`, given, min, max);
  return given;
}

function milliseconds(name: string, value: number | undefined, byDefault: number): number {
  const given = value ?? byDefault;
  checkMs(`config.${name}`, given);
  if (given > DURATION_MS_MAX)
    throw argumentError(`config.${name}`, `at most ${DURATION_MS_MAX} ms, a day`, given);
  return given;
}

function positiveMs(name: string, value: number): number {
  milliseconds(name, value, value);
  if (value <= 0) throw argumentError(`config.${name}`, 'a number of milliseconds above 0', value);
  return value;
}

function rate(name: string, value: number | undefined): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 1e9)) {
    throw argumentError(`config.${name}`, 'a number above 0, at most 1e9', value);
  }
  return value;
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) {
    throw argumentError(`config.${name}`, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, value);
  }
  return value;
}

function checkAddress(name: string, value: string): void {
  if (typeof value !== 'string' || (!isIPv4(value) && !isIPv6(value))) {
    throw argumentError(name, 'a numeric address such as 127.0.0.1', value);
  }
}
