// One stream connection on the reactor: reads when readable, and what it does with each readiness.

import { EAGAIN, EPIPE } from '../kernel/errno.js';
import { EDGE, ERROR, HANGUP, INVALID, WRITABLE } from '../poller/poller.js';
import { FLUSH } from '../reactor/run-queue.js';
import {
  AGE_MASK,
  CLOSED,
  CONNECTING,
  CONTINUING,
  ENDING,
  FLUSH_QUEUED,
  PAUSED,
  READ_ENDED,
  WRITE_ENDED,
} from './endpoint.js';
import { Sending, TRANSFERS_PER_ITEM_MAX } from './sending.js';
import { READ_BYTES_MAX } from './staging.js';

export type { ConnectionHandlers, Service } from './service.js';
export { TRANSFERS_PER_ITEM_MAX };

/** A connection, of TCP, of a Unix socket, or of any other stream of bytes that can be waited on. */
export class Connection<Context = unknown> extends Sending<Context> {
  /** @internal */
  run(readiness: number): void {
    try {
      this.ready(readiness);
    } catch (error) {
      // A handler threw, and what it left unread was reported once: in edge mode setting the interest again rearms it.
      this.updateInterest();
      throw error;
    }
  }

  /** @internal */
  handlerFor(readiness: number): unknown {
    // Told, and never called from there.
    /* eslint-disable @typescript-eslint/unbound-method */
    const { handlers } = this.service;
    if (readiness === 0) return (this.flags & CONTINUING) === 0 ? handlers.close : handlers.data;
    if ((this.flags & CONNECTING) !== 0) return handlers.open;
    return (readiness & WRITABLE) !== 0 ? handlers.drain : (handlers.data ?? handlers.readClosed);
    /* eslint-enable @typescript-eslint/unbound-method */
  }

  private ready(readiness: number): void {
    if (readiness === FLUSH) {
      this.flags &= ~FLUSH_QUEUED;
      this.flushStaged();
      if (this.reactor.development) this.service.staging.poison();
      return;
    }
    // 0 is no readiness: the reactor runs what this connection queued itself, its end or a bounded read that goes on.
    if (readiness === 0) {
      if ((this.flags & CONTINUING) === 0) {
        this.callClosed();
        return;
      }
      this.flags &= ~CONTINUING;
      if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) === 0) this.readReady();
      return;
    }
    if ((this.flags & CONNECTING) !== 0) {
      this.connectReady();
      return;
    }
    if ((readiness & WRITABLE) !== 0 && this.queuedBytes > 0) this.flush();
    if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) === 0) {
      // Hang-up and error come with unread data as well as alone: what recv() says decides, data first.
      if ((readiness & ~WRITABLE) !== 0) this.readReady();
    } else if ((readiness & (ERROR | HANGUP | INVALID)) !== 0 && (this.flags & CLOSED) === 0) {
      this.hungUp();
    }
  }

  private readReady(): void {
    const { kernel } = this;
    const { buffer } = kernel;
    const edge = (this.service.trigger & EDGE) !== 0;
    const { staging } = this.service;
    const length = Math.min(READ_BYTES_MAX, buffer.length);
    for (let reads = 1; ; reads++) {
      const start = staging.place;
      const count = kernel.recv(this.fd, start, length);
      if (count <= 0) {
        if (count === 0) this.readEnded();
        else if (count !== EAGAIN) this.failed('recv', count);
        return;
      }
      this.bytesRead += count;
      this.flags &= ~AGE_MASK;
      const { handlers, reactor } = this.service;
      if (handlers.data !== undefined) {
        if (reactor.development) {
          try {
            handlers.data(this, buffer, start, start + count);
          } finally {
            staging.poisonRead(start, start + count);
          }
        } else handlers.data(this, buffer, start, start + count);
      }
      // Level: what is left is reported again next turn, after the neighbours. Edge: it is not, so read on until EAGAIN.
      // A short read does not say that all is read, whatever epoll(7), question 9, has of it: a terminal gives one line
      // at a time, TCP stops at urgent data (tcp(7)), a Unix socket behind a descriptor that was passed (unix(7)).
      if (!edge) return;
      if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) !== 0) return;
      if (reads === TRANSFERS_PER_ITEM_MAX) {
        if ((this.flags & CONTINUING) === 0) this.reactor.defer(this);
        this.flags |= CONTINUING;
        return;
      }
    }
  }

  private readEnded(): void {
    this.flags |= READ_ENDED;
    const { failure } = this;
    if (failure !== null) {
      this.shut(failure);
      return;
    }
    const { handlers } = this.service;
    if (handlers.readClosed === undefined && (this.flags & (ENDING | WRITE_ENDED)) === 0) {
      this.flushStaged();
      // Nothing is to be sent any more: close() sends the FIN itself, and shutdown() before it would only cost.
      if (this.queuedBytes === 0) {
        this.shut(null);
        return;
      }
    }
    this.updateInterest();
    if (this.closed) return; // the poller has refused
    try {
      if (handlers.readClosed !== undefined) handlers.readClosed(this);
      else this.end();
    } finally {
      if ((this.flags & WRITE_ENDED) !== 0) this.shut(null);
    }
  }

  private connectReady(): void {
    const error = this.pendingError();
    if (error < 0) {
      this.failed('connect', error);
      return;
    }
    this.flags &= ~CONNECTING;
    this.updateInterest();
    if (this.closed) return; // the poller has refused
    try {
      this.opened();
    } finally {
      // end() was called before: now it can be done.
      const ending = (this.flags & (CLOSED | ENDING | WRITE_ENDED)) === ENDING;
      if (ending && this.queuedBytes === 0) this.sendFin();
    }
  }

  /** @internal */
  opened(): void {
    this.service.handlers.open?.(this);
  }

  private callClosed(): void {
    const { failure, service } = this;
    const { handlers } = service;
    service.connectionClosed(this);
    try {
      if (failure !== null) handlers.error?.(this, failure);
    } finally {
      handlers.close?.(this, failure);
    }
  }

  /** An error or hang-up while we do not read: nothing more can be sent, and a level trigger would report it for ever. */
  private hungUp(): void {
    const error = this.pendingError();
    if (error === 0 && this.queuedBytes === 0) this.shut(null);
    else this.failed('send', error || EPIPE);
  }
}

/** The bytes `buffer[start..end)` as a copy that may be kept after `data` has returned. */
export function copy(buffer: Uint8Array, start: number, end: number): Buffer {
  const kept = Buffer.allocUnsafe(end - start);
  kept.set(buffer.subarray(start, end));
  return kept;
}
