// What all populations of one run share: the reactor, the settings, the measured window, and the counts that are the run's.

import type { Kernel } from '../kernel/kernel.js';
import type { Reactor } from '../reactor/reactor.js';
import type { LoadSettings } from './config.js';
import type { RequestRecord } from './result.js';
import type { Dialer } from './dialer.js';
import { Histogram } from './histogram.js';

/** Different codes that are told apart; a run with more has other worries. */
const ERROR_CODES_MAX = 32;

export class World {
  readonly kernel: Kernel;
  /** The measured window, on the reactor's clock: Infinity until it is known. */
  windowStartMs = Infinity;
  windowEndMs = Infinity;
  /** The connections that are open now. */
  open = 0;
  openedTotal = 0;
  failedTotal = 0;
  closedByPeer = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readonly connectLatency = new Histogram();
  readonly records: RequestRecord[] = [];
  readonly errors = new Map<string, number>();
  dialer: Dialer | null = null;
  /** The run is over and closes what is open. */
  ending = false;

  constructor(
    readonly reactor: Reactor,
    readonly settings: LoadSettings,
    /** Marks the run as failed; it goes on, for how often is worth knowing too. */
    readonly note: (reason: string) => void,
    /** Ends the run as failed: nothing it could still measure would mean anything. */
    readonly fail: (reason: string) => void,
    /** All requests that were asked for are done. */
    readonly exhausted: () => void,
  ) {
    this.kernel = reactor.kernel;
  }

  /** Whether a request that was meant to be sent at this time is one of those measured. */
  measures(intendedMs: number): boolean {
    return intendedMs >= this.windowStartMs && intendedMs < this.windowEndMs;
  }

  countError(error: unknown): void {
    const code = (error as { code?: unknown }).code;
    let name = typeof code === 'string' ? code : (error as Error).name;
    if (!this.errors.has(name) && this.errors.size >= ERROR_CODES_MAX) name = 'other';
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }
}
