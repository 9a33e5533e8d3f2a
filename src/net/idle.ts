// Idle timeouts: one timer for all connections of a listener, which looks at them in bounded portions.

import { UnderloopError } from '../errors.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Runnable } from '../reactor/run-queue.js';
import { Connection } from './connection.js';
import type { Service } from './service.js';

/** Registrations that one item looks at: some tens of microseconds. A million of them take a few hundred turns. */
const SLOTS_PER_ITEM_MAX = 4096;
/** Connections that one item ends, or calls `idle` for: each costs an error, a close and calls of the program. */
const TIMEOUTS_PER_ITEM_MAX = 64;
/** Passes over all connections per timeout: how late a timeout may be, against how often everything is looked at. */
export const PASSES_PER_TIMEOUT = 16;

/** Whom the scan is for. */
export interface IdleOwner extends Service<unknown> {
  readonly connections: number;
  timedOut: number;
}

/**
 * Each pass counts one up in every connection, and every read and write sets the count to zero: that is all the hot path
 * pays. A connection whose count has reached {@link PASSES_PER_TIMEOUT} + 1 has been idle for the timeout at least, for
 * between two looks at it lies a whole period, and for a period more (and the time of a pass) at most.
 */
export class IdleScan implements Runnable {
  readonly name = 'idle scan';
  /** The next slot to look at; -1 between passes. */
  private at = -1;
  private armed = false;

  constructor(
    private readonly owner: IdleOwner,
    private readonly reactor: Reactor,
    private readonly timeoutMs: number,
  ) {}

  /** A connection has come. Without any, no timer wakes the process. */
  arm(): void {
    if (this.armed) return;
    this.armed = true;
    this.reactor
      .setTimer(this.timeoutMs / PASSES_PER_TIMEOUT, () => {
        this.at = 0;
        // Behind this turn's readinesses: what has come in time is read before anybody is called idle.
        this.reactor.post(this);
      })
      .unref();
  }

  /** A portion of a pass. */
  run(): void {
    const { registry } = this.reactor;
    const end = Math.min(this.at + SLOTS_PER_ITEM_MAX, registry.slotsUsed);
    let timeouts = 0;
    try {
      while (this.at < end && timeouts < TIMEOUTS_PER_ITEM_MAX) {
        const source = registry.source(this.at++);
        if (!(source instanceof Connection) || source.service !== this.owner) continue;
        if (source.grow() <= PASSES_PER_TIMEOUT) continue;
        timeouts++;
        this.timeOut(source);
      }
    } finally {
      // Also when an idle handler threw: it harms no other connection. One that closed the reactor has ended it all.
      if (!registry.open) this.at = -1;
      else if (this.at < registry.slotsUsed) this.reactor.post(this);
      else {
        this.armed = false;
        if (this.owner.connections > 0) this.arm();
      }
    }
  }

  private timeOut(connection: Connection): void {
    const { owner } = this;
    owner.timedOut++;
    connection.rejuvenate();
    if (owner.handlers.idle !== undefined) {
      owner.handlers.idle(connection);
      return;
    }
    const text = `nothing was read or written for ${String(this.timeoutMs)} ms (the listener's idleTimeoutMs)`;
    connection.destroy(new UnderloopError('ERR_TIMEOUT', text));
  }
}
