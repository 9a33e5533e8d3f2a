// The writing half of a connection over completions: what handlers write is staged, and goes with the next wait.

import { SystemError, argumentError } from '../errors.js';
import { EAGAIN, ECONNRESET, EPIPE } from '../kernel/errno.js';
import { SHUT_WRITE } from '../kernel/kernel.js';
import { closedError, writeAfterEnd } from '../net/endpoint.js';
import { WriteQueue } from '../net/write-queue.js';
import type { Runnable } from '../reactor/run-queue.js';
import { SEND, SEND_BYTES_MAX, WHEN_WRITABLE } from './area.js';
import type { Completer } from './proactor.js';
import type { RingService } from './service.js';
import {
  AWAITING,
  CLOSED,
  DRAIN_DUE,
  ENDING,
  NEED_DRAIN,
  PAUSED,
  READ_ENDED,
  REPORTING,
  WRITE_ENDED,
} from './states.js';

export abstract class RingSending<Context> implements Completer, Runnable {
  /** The descriptor; -1 once closed. */
  fd: number;
  context: Context | undefined = undefined;
  protected readonly slot: number;
  protected readonly generation: number;
  protected flags = 0;
  protected queue: WriteQueue | null = null; // made when first needed: most connections never do
  protected failure: Error | null = null;
  // The last send: when, at which place, and which part of the arena.
  private stagedAtWait = -1;
  private staged = 0;
  private sendStart = 0;
  private sendEnd = 0;

  constructor(
    protected readonly service: RingService<Context>,
    fd: number,
  ) {
    const { proactor } = service;
    this.fd = fd;
    this.slot = proactor.add(this);
    this.generation = proactor.generation(this.slot);
  }

  /** @internal */
  abstract complete(kind: number, result: number, flags: number): void;
  /** @internal */
  abstract run(): void;
  abstract close(): void;
  protected abstract shut(error: Error | null): void;
  protected abstract releaseSlot(): void;

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
  protected flush(): void {
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

  private checkWritable(): void {
    throw this.closed ? closedError() : writeAfterEnd();
  }
}
