// One TCP connection over completions: receives until told otherwise, sends what handlers write with the next wait.

import { SystemError, argumentError } from '../errors.js';
import { EAGAIN, ECANCELED, ECONNRESET, ENOBUFS, EPIPE } from '../kernel/errno.js';
import { SHUT_WRITE } from '../kernel/kernel.js';
import { closedError, writeAfterEnd } from '../net/endpoint.js';
import { WriteQueue } from '../net/write-queue.js';
import type { Runnable } from '../reactor/run-queue.js';
import {
  CANCEL_ALL,
  CANCEL_RECEIVE,
  CLOSE,
  MORE,
  RECEIVE,
  SEND,
  SEND_BYTES_MAX,
  WHEN_WRITABLE,
} from './area.js';
import type { Completer, Proactor } from './proactor.js';

/** What a connection calls, one object for all of a listener's; as those of net/connection.ts. */
export interface RingHandlers<Context = unknown> {
  open?(connection: RingConnection<Context>): void;
  /** Bytes have come: `buffer[start..end)`. The buffer goes back to the kernel after the call; what is behind `end` is free. */
  data?(connection: RingConnection<Context>, buffer: Uint8Array, start: number, end: number): void;
  drain?(connection: RingConnection<Context>): void;
  readClosed?(connection: RingConnection<Context>): void;
  close?(connection: RingConnection<Context>, error: Error | null): void;
}

/** What all connections of one listener share. */
export interface RingService<Context> {
  readonly proactor: Proactor;
  readonly handlers: RingHandlers<Context>;
  readonly writeQueueBytesMax: number;
  connectionClosed(): void;
}

const RECEIVING = 1; // a receive is in flight
const AWAITING = 2; // so is a poll for room to send
const REPORTING = 4; // so is a send of the queue
const IN_FLIGHT = RECEIVING | AWAITING | REPORTING;
const PAUSED = 8;
const READ_ENDED = 16; // the peer's FIN has been told
const END_HELD = 32; // the peer's FIN has come while we were paused
const ENDING = 64;
const WRITE_ENDED = 128;
const CLOSED = 256;
const NEED_DRAIN = 512;
const DRAIN_DUE = 1024;
const RESUMED = 2048; // what was held is told in a later turn

export class RingConnection<Context = unknown> implements Completer, Runnable {
  /** The descriptor; -1 once closed. */
  fd: number;
  context: Context | undefined = undefined;
  private readonly slot: number;
  private readonly generation: number;
  private flags = 0;
  private queue: WriteQueue | null = null; // made when first needed: most connections never do
  private held: Uint8Array[] | null = null; // came after pause() had been called
  private failure: Error | null = null;
  // The last send: when, at which place, and which part of the arena.
  private stagedAtWait = -1;
  private staged = 0;
  private sendStart = 0;
  private sendEnd = 0;

  /** @internal */
  constructor(
    private readonly service: RingService<Context>,
    fd: number,
  ) {
    const { proactor } = service;
    this.fd = fd;
    this.slot = proactor.add(this);
    this.generation = proactor.generation(this.slot);
    this.receive();
  }

  get closed(): boolean {
    return (this.flags & CLOSED) !== 0;
  }
  get paused(): boolean {
    return (this.flags & PAUSED) !== 0;
  }
  /** Bytes taken by write() that did not go at once. */
  get queuedBytes(): number {
    return this.queue === null ? 0 : this.queue.bytes;
  }

  /**
   * Takes bytes to be sent with the next wait: those of the buffer that `data` was given from where they stand, others as
   * a copy. Returns how many; fewer than given means that the queue is full. Throws ERR_WRITE_AFTER_END, ERR_CLOSED.
   */
  write(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    const { proactor } = this.service;
    const { area } = proactor;
    if ((this.flags & (CLOSED | ENDING | WRITE_ENDED)) !== 0) this.checkWritable();
    if (start < 0 || end > bytes.length || start > end) {
      throw argumentError('start and end', 'a part of the bytes', [start, end]);
    }
    if (area.sendRows > 0) proactor.settle();
    if (this.failure !== null || start === end) return 0;
    const length = end - start;
    if (this.queuedBytes > 0 || length > this.service.writeQueueBytesMax)
      return this.enqueue(bytes, start, end);
    if (this.stagedAtWait === area.wait) return this.writeMore(bytes, start, end);
    if (!area.maySend) return this.enqueue(bytes, start, end);
    let at;
    if (bytes === proactor.lent) at = proactor.lentAt + start;
    else {
      at = length > SEND_BYTES_MAX ? -1 : area.reserve(length);
      if (at < 0) return this.enqueue(bytes, start, end);
      area.copy(at, bytes, start, end);
    }
    this.stage(at, length);
    return length;
  }

  private stage(at: number, length: number): void {
    const { area } = this.service.proactor;
    this.staged = area.stage(SEND, this.fd, this.slot, this.generation, at, length);
    this.stagedAtWait = area.wait;
    this.sendStart = at;
    this.sendEnd = at + length;
  }

  /** A second write before the next wait. Two sends could be sent in part each, so there is one: it grows. */
  private writeMore(bytes: Uint8Array, start: number, end: number): number {
    const { proactor, writeQueueBytesMax } = this.service;
    const { area } = proactor;
    const length = end - start;
    const before = this.sendEnd - this.sendStart;
    const follows = bytes === proactor.lent && proactor.lentAt + start === this.sendEnd;
    if (!follows) {
      let at = -1;
      if (before + length <= Math.min(SEND_BYTES_MAX, writeQueueBytesMax)) {
        if (area.extend(this.sendEnd, length)) at = this.sendStart;
        else {
          at = area.reserve(before + length);
          if (at >= 0) area.arena.copyWithin(at, this.sendStart, this.sendEnd);
        }
      }
      if (at < 0) {
        // No room: all of it goes by the queue.
        area.takeBack(this.staged);
        this.stagedAtWait = -1;
        (this.queue ??= new WriteQueue()).push(area.arena, this.sendStart, this.sendEnd);
        return this.enqueue(bytes, start, end);
      }
      area.copy(at + before, bytes, start, end);
      this.sendStart = at;
      this.sendEnd = at + before;
    }
    this.sendEnd += length;
    area.restage(this.staged, this.sendStart, this.sendEnd - this.sendStart);
    return length;
  }

  private enqueue(bytes: Uint8Array, start: number, end: number): number {
    const room = this.service.writeQueueBytesMax - this.queuedBytes;
    const taken = Math.min(end - start, Math.max(room, 0));
    this.flags |= NEED_DRAIN;
    if (taken > 0) (this.queue ??= new WriteQueue()).push(bytes, start, start + taken);
    this.flush();
    return taken;
  }

  /** Sends the next piece of the queue, and asks to be told. One at a time: the order of bytes is that of the sends. */
  private flush(): void {
    const { area } = this.service.proactor;
    const { queue } = this;
    const chunk = queue?.pieces[0];
    if (queue === null || chunk === undefined || (this.flags & (AWAITING | REPORTING)) !== 0) return;
    if (this.stagedAtWait === area.wait || !area.maySend) {
      this.await(); // what is staged goes first
      return;
    }
    const { offset } = queue;
    const length = Math.min(queue.endOf(0) - offset, SEND_BYTES_MAX);
    const at = area.reserve(length);
    if (at < 0) {
      this.await();
      return;
    }
    area.copy(at, chunk, offset, offset + length);
    this.stage(at, length);
    area.report(this.staged);
    this.flags |= REPORTING;
  }

  private await(): void {
    const { area } = this.service.proactor;
    area.stage(WHEN_WRITABLE, this.fd, this.slot, this.generation);
    this.flags |= AWAITING;
  }

  /** @internal */
  sent(result: number): void {
    const ofQueue = (this.flags & REPORTING) !== 0;
    this.flags &= ~REPORTING;
    if ((this.flags & CLOSED) !== 0) {
      this.releaseSlot();
      return;
    }
    if (result < 0 && result !== EAGAIN) {
      this.sendFailed(result);
      return;
    }
    const length = this.sendEnd - this.sendStart;
    const sent = Math.max(result, 0);
    if (ofQueue) (this.queue as WriteQueue).consume(sent);
    else if (sent < length) {
      (this.queue ??= new WriteQueue()).push(
        this.service.proactor.area.arena,
        this.sendStart + sent,
        this.sendEnd,
      );
      this.flags |= NEED_DRAIN;
    }
    if (this.queuedBytes === 0) this.flushed();
    else if (sent < length) this.await();
    else this.flush();
  }

  private flushed(): void {
    if ((this.flags & (ENDING | WRITE_ENDED)) === ENDING) this.sendFin();
    if ((this.flags & (NEED_DRAIN | CLOSED)) !== NEED_DRAIN) return;
    this.flags = (this.flags & ~NEED_DRAIN) | DRAIN_DUE;
    this.service.proactor.reactor.post(this); // no program runs while sends are settled
  }

  /** As in net/connection.ts: what the peer sent before it went is read to its end first. */
  private sendFailed(result: number): void {
    const error = new SystemError('send', result, { fd: this.fd });
    if ((result !== ECONNRESET && result !== EPIPE) || (this.flags & (PAUSED | READ_ENDED)) !== 0) {
      this.shut(error);
      return;
    }
    this.failure ??= error;
    this.queue = null;
  }

  /** Ends our half after what is written. When the peer has ended its half too, the connection closes. */
  end(): void {
    if ((this.flags & (CLOSED | ENDING | WRITE_ENDED)) !== 0) return;
    const { proactor } = this.service;
    if (proactor.area.sendRows > 0) proactor.settle();
    if (this.closed) return;
    this.flags |= ENDING;
    if (this.queuedBytes > 0) return;
    if (this.stagedAtWait === proactor.area.wait) proactor.area.report(this.staged);
    else this.sendFin();
  }

  private sendFin(): void {
    this.flags |= WRITE_ENDED;
    if (this.failure !== null) return; // no FIN can be sent; the end of what is read closes
    if ((this.flags & READ_ENDED) !== 0) {
      this.shut(null); // which sends it
      return;
    }
    const { kernel } = this.service.proactor.reactor;
    if (kernel.shutdown(this.fd, SHUT_WRITE) >= 0) return;
    const pending = kernel.getOption(this.fd, 'error');
    if (pending > 0) this.sendFailed(-pending);
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
  private shut(error: Error | null): void {
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
  private releaseSlot(): void {
    if ((this.flags & IN_FLIGHT) === 0) this.service.proactor.release(this.slot);
  }

  private callClosed(): void {
    this.service.connectionClosed();
    this.service.handlers.close?.(this, this.failure);
  }

  private checkWritable(): void {
    throw this.closed ? closedError() : writeAfterEnd();
  }
}
