// What the load generator is told: the settings, and what they are when they are left out.

import type { ArrivalKind } from './arrivals.js';

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
