// What a listener is told, calls and counts; and the checks of it.

import { argumentError, checkInteger, checkMs, type SystemError, type UnderloopError } from '../errors.js';
import type { SocketAddress } from '../kernel/kernel.js';
import { checkFlush, checkHandlers, checkQueueBound } from './checks.js';
import type { Listener } from './listener.js';
import type { PlaceOptions } from './listening.js';
import { checkStreamOptions, type StreamOptions } from './options.js';
import type { ConnectionHandlers, ServiceOptions } from './service.js';

/** Below it the passes over all connections would follow one another without a pause. */
const IDLE_TIMEOUT_MS_MIN = 16;

/** What `listen` is told: where, options of the sockets accepted, and bounds. */
export interface ListenOptions extends PlaceOptions, StreamOptions, ServiceOptions {
  /**
   * Connections open at once; no bound unless given. At the bound nothing more is accepted: clients wait in the kernel's
   * queue, which `backlog` bounds, until one closes. 1 to 2,147,483,647.
   */
  connectionsMax?: number;
  /**
   * A connection that for so long was neither read from nor written to is told `idle`, or without that handler closed with
   * ERR_TIMEOUT. Never early, and late by a sixteenth. 16 ms at least. No timeout unless given.
   */
  idleTimeoutMs?: number;
}

/** What a listener has seen since its start. */
export interface ListenerCounters {
  /** Open now. */
  readonly connections: number;
  /** Accepted, those that have closed included. */
  readonly accepted: number;
  /** Turned away because no descriptor was left. */
  readonly refused: number;
  /** Read from connections, open and closed. */
  readonly bytesRead: number;
  /** Taken by the kernel from connections, open and closed. */
  readonly bytesWritten: number;
  /** Times that a connection was idle for `idleTimeoutMs`. */
  readonly timedOut: number;
  /** Errors of accept(2) that made accepting rest, and connections that the poller had no room for. */
  readonly acceptErrors: number;
}

/** Handlers of a listener: those of its connections, and its own. */
export interface ListenerHandlers<Context = unknown> extends ConnectionHandlers<Context> {
  /**
   * accept(2) failed for a reason that concerns the listener (EMFILE, ...), and it goes on by itself after a pause; or
   * the poller had no room for one connection (ERR_FD_TOO_LARGE), which was turned away.
   */
  acceptError?(listener: Listener<Context, SocketAddress>, error: SystemError | UnderloopError): void;
}

/** Checks options and handlers, but for where to listen and the trigger. Throws ERR_ARGUMENT. */
export function checkListen(options: ListenOptions, handlers: unknown): void {
  checkStreamOptions('options', options);
  const { connectionsMax, idleTimeoutMs } = options;
  if (connectionsMax !== undefined) checkInteger('options.connectionsMax', connectionsMax, 1, 2 ** 31 - 1);
  if (idleTimeoutMs !== undefined) {
    checkMs('options.idleTimeoutMs', idleTimeoutMs);
    if (idleTimeoutMs < IDLE_TIMEOUT_MS_MIN) {
      throw argumentError(
        'options.idleTimeoutMs',
        `at least ${String(IDLE_TIMEOUT_MS_MIN)} ms`,
        idleTimeoutMs,
      );
    }
  }
  checkQueueBound(options.writeQueueBytesMax);
  checkFlush(options.flush);
  checkHandlers(handlers);
}
