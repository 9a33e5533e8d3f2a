// One TCP connection over completions: receives until told otherwise, and ends when both halves have.

import { SystemError } from '../errors.js';
import { EAGAIN, ECANCELED, ENOBUFS } from '../kernel/errno.js';
import { CANCEL_ALL, CANCEL_RECEIVE, CLOSE, MORE, RECEIVE } from './area.js';
import { RingSending } from './sending.js';
import type { RingService } from './service.js';
import {
  AWAITING,
  CLOSED,
  DRAIN_DUE,
  END_HELD,
  IN_FLIGHT,
  PAUSED,
  READ_ENDED,
  RECEIVING,
  RESUMED,
  WRITE_ENDED,
} from './states.js';

export class RingConnection<Context = unknown> extends RingSending<Context> {
  private held: Uint8Array[] | null = null; // came after pause() had been called

  /** @internal */
  constructor(service: RingService<Context>, fd: number) {
    super(service, fd);
    this.receive();
  }

  /** Tells no more until {@link resume}; what the kernel has received meanwhile is kept, and told then. */
  pause(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== 0) return;
    this.flags |= PAUSED;
    if ((this.flags & RECEIVING) === 0) return;
    this.service.proactor.area.stage(CANCEL_RECEIVE, -1, this.slot, this.generation);
  }
  resume(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== PAUSED) return;
    this.flags &= ~PAUSED;
    if (this.held === null && (this.flags & END_HELD) === 0) this.receive();
    else if ((this.flags & RESUMED) === 0) {
      this.flags |= RESUMED;
      this.service.proactor.reactor.post(this);
    }
  }

  /** Closes at once, after what was written with success; what is queued is dropped. `close` is called in a later turn. */
  close(): void {
    this.shut(null);
  }

  private receive(): void {
    if ((this.flags & (RECEIVING | PAUSED | READ_ENDED | END_HELD | CLOSED)) !== 0) return;
    this.flags |= RECEIVING;
    this.service.proactor.area.stage(RECEIVE, this.fd, this.slot, this.generation);
  }

  /** @internal */
  complete(kind: number, result: number, flags: number): void {
    if (kind === RECEIVE) {
      if ((flags & MORE) === 0) this.flags &= ~RECEIVING;
      if ((this.flags & CLOSED) !== 0) this.releaseSlot();
      else this.received(result, flags);
    } else {
      this.flags &= ~AWAITING;
      if ((this.flags & CLOSED) !== 0) this.releaseSlot();
      else this.flush();
    }
  }

  private received(result: number, flags: number): void {
    if (result > 0) {
      const { proactor, handlers } = this.service;
      const buffer = proactor.area.bufferOf(flags);
      // The pool is everybody's: what cannot be told now is copied, so that it goes back.
      if ((this.flags & PAUSED) !== 0 || this.held !== null) (this.held ??= []).push(buffer.slice(0, result));
      else {
        proactor.lent = buffer;
        proactor.lentAt = proactor.area.startOf(flags);
        try {
          handlers.data?.(this, buffer, 0, result);
        } finally {
          proactor.lent = null;
          if ((flags & MORE) === 0) this.receive();
        }
        return;
      }
    } else if (result === 0) {
      this.flags |= END_HELD;
      if ((this.flags & PAUSED) === 0 && this.held === null) this.readEnded();
    } else if (result !== ENOBUFS && result !== ECANCELED && result !== EAGAIN) {
      this.shut(this.failure ?? new SystemError('recv', result, { fd: this.fd }));
    }
    // It ends when it is cancelled, when the pool was empty, and when the kernel had no room to say more.
    if ((flags & MORE) === 0) this.receive();
  }

  private readEnded(): void {
    this.flags = (this.flags & ~END_HELD) | READ_ENDED;
    if (this.failure !== null) {
      this.shut(this.failure);
      return;
    }
    const { handlers } = this.service;
    try {
      if (handlers.readClosed !== undefined) handlers.readClosed(this);
      else this.end();
    } finally {
      if ((this.flags & WRITE_ENDED) !== 0) this.shut(null);
    }
  }

  /** What it has put off: its end, a drain, what was held while it was paused. @internal */
  run(): void {
    if ((this.flags & CLOSED) !== 0) {
      if ((this.flags & (DRAIN_DUE | RESUMED)) === 0) this.callClosed();
      // Posted before it was closed, once for each; the end comes behind them.
      else this.flags &= (this.flags & DRAIN_DUE) !== 0 ? ~DRAIN_DUE : ~RESUMED;
      return;
    }
    if ((this.flags & DRAIN_DUE) !== 0) {
      this.flags &= ~DRAIN_DUE;
      this.service.handlers.drain?.(this);
    } else if ((this.flags & RESUMED) !== 0) {
      this.flags &= ~RESUMED;
      this.tellHeld();
    }
  }

  private tellHeld(): void {
    while (this.held !== null && (this.flags & (PAUSED | CLOSED)) === 0) {
      const bytes = this.held.shift() as Uint8Array;
      if (this.held.length === 0) this.held = null;
      this.service.handlers.data?.(this, bytes, 0, bytes.length);
    }
    if ((this.flags & (PAUSED | CLOSED)) !== 0) return;
    if ((this.flags & END_HELD) !== 0) this.readEnded();
    else this.receive();
  }

  /** The one way out: what is written is submitted first, then the rest cancelled, then the descriptor closed. */
  protected shut(error: Error | null): void {
    if ((this.flags & CLOSED) !== 0) return;
    const { area, reactor } = this.service.proactor;
    this.failure ??= error;
    this.queue = this.held = null;
    if ((this.flags & IN_FLIGHT) !== 0) area.stage(CANCEL_ALL, this.fd, this.slot, this.generation);
    area.stage(CLOSE, this.fd, this.slot, this.generation);
    this.flags |= CLOSED;
    this.fd = -1;
    this.releaseSlot();
    reactor.closing(this);
  }

  /** The slot is given away after the last completion that names it. */
  protected releaseSlot(): void {
    if ((this.flags & IN_FLIGHT) === 0) this.service.proactor.release(this.slot);
  }

  private callClosed(): void {
    this.service.connectionClosed();
    this.service.handlers.close?.(this, this.failure);
  }
}
