// What every model has in common: a way of serving many sockets that starts, counts and stops.

import type { InternetAddress } from '../kernel/kernel.js';

/** What is served, whatever serves it. */
export interface Workload {
  /** The port on 127.0.0.1 of the upstream on which requests wait; 0: there is none, and they fail with status 5. */
  readonly upstreamPort: number;
  /** Ends each connection after so many requests; 0: never. 1 makes `threads` a thread per request. */
  readonly requestsPerConnection: number;
}

export interface ModelOptions {
  /** 127.0.0.1 unless given. */
  host?: string;
  /** 0, the default: the system chooses. */
  port?: number;
  /** Connections that the kernel queues until they are accepted; it cuts this to net.core.somaxconn. */
  backlog?: number;
  /** `pool`, `executor`: how many threads serve. `reactors`: how many reactors; one per core unless given. */
  threads?: number;
  /** Blocking models: the stack of each serving thread; the system's default unless given. */
  stackKib?: number;
  /** `pool`: connections that may wait for a thread. */
  queueMax?: number;
  /** Models on a loop: several servers share the port, as `reactors` does; SO_REUSEPORT. */
  reusePort?: boolean;
}

/** All are whole numbers; those of connections and threads say how it is now, the others count from the start. */
export interface Counters {
  accepted: number;
  /** Connections that are open. */
  connections: number;
  /** Of these, connections that somebody serves: with a thread of their own, or on a loop. */
  serving: number;
  /** Requests answered as asked. */
  served: number;
  /** Connections turned away: no thread, no descriptor, no place in the poller or the queue. */
  refused: number;
  /** Bad frames, failed upstream calls, failed accepts. */
  errors: number;
  /** Connections that are open and wait for a thread. */
  queued: number;
  /** Threads that serve; not those that only accept, nor the runtime's own. */
  threads: number;
}

/** A model that is serving. */
export interface RunningModel {
  readonly address: InternetAddress;
  /** A promise where other threads or processes serve and must be asked. */
  counters(): Counters | Promise<Counters>;
  /** Closes everything. When it has resolved no thread, connection or listening socket of it is left. Idempotent. */
  stop(): Promise<void>;
}

export interface Model {
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  /** Why it cannot run here, in a sentence; null when it can. */
  unavailable(): string | null;
  /**
   * Starts serving in this process. Throws ERR_ARGUMENT for wrong options, ERR_UNSUPPORTED when it cannot run here, a
   * `SystemError` when the system refuses (EADDRINUSE; EAGAIN for threads).
   */
  start(workload: Workload, options?: ModelOptions): Promise<RunningModel>;
}

/** As deep as Linux makes it without being told otherwise (net.core.somaxconn): ramps of ten thousand connect at once. */
export const BACKLOG = 4096;
