// The writing half of a connection: sends at once, holds small replies until the turn's end, queues what is not taken.

import { argumentError, checkInteger } from '../errors.js';
import { EAGAIN, ECONNRESET, EPIPE } from '../kernel/errno.js';
import { PIECES_MAX, SHUT_WRITE } from '../kernel/kernel.js';
import {
  AGE_MASK,
  CLOSED,
  CONNECTING,
  ENDING,
  Endpoint,
  FLUSH_QUEUED,
  NEED_DRAIN,
  PAUSED,
  READ_ENDED,
  RETRYING,
  Rare,
  WRITE_ENDED,
  closedError,
  writeAfterEnd,
} from './endpoint.js';
import { STAGED_WRITE_BYTES_MAX } from './staging.js';
import { WriteQueue } from './write-queue.js';

/** Reads, or sends of queued pieces, per readiness in edge mode: a flooding peer gets no more before its neighbours. */
export const TRANSFERS_PER_ITEM_MAX = 16;

/** One call for many pieces takes no more bytes: as large as send buffers grow by themselves is of no use in one turn. */
const GATHER_BYTES_MAX = 256 * 1024;

/** How long a connection rests that is said to be writable and takes nothing. */
const SEND_RETRY_MS = 2;

/** One write() looks at no more of its bytes: the addon counts in 32 bits. */
const SEND_BYTES_MAX = 2 ** 31 - 1;

export abstract class Sending<Context> extends Endpoint<Context> {
  /**
   * Sends bytes, at once if the kernel takes them, else from a bounded queue. Returns how many were taken, sent or
   * queued; fewer than given means that the queue is full: wait for `drain`. A string is sent as UTF-8; `start` and `end` count
   * its bytes then. Throws ERR_ARGUMENT, ERR_WRITE_AFTER_END, ERR_CLOSED. send(2).
   */
  write(bytes: Uint8Array | string, start = 0, end?: number): number {
    if ((this.flags & (CLOSED | ENDING | WRITE_ENDED | CONNECTING)) !== 0) this.checkWritable();
    if (typeof bytes === 'string') bytes = Buffer.from(bytes, 'utf8');
    else if (!(bytes instanceof Uint8Array)) throw argumentError('bytes', 'a Uint8Array or a string', bytes);
    let stop = end ?? bytes.length;
    if (start !== 0 || end !== undefined) checkRange(start, stop, bytes.length);
    if (stop > SEND_BYTES_MAX) {
      bytes = bytes.subarray(start, Math.min(stop, start + SEND_BYTES_MAX));
      start = 0;
      stop = bytes.length;
    }

    if (this.service.holdsReplies && this.stage(bytes, start, stop)) return stop - start;

    let sent = 0;
    if (this.queuedBytes === 0 && (this.flags & CONNECTING) === 0) {
      const { kernel } = this;
      const length = stop - start;
      // Bytes of the reactor's own buffer need no lookup of where they stand.
      sent =
        bytes === kernel.buffer
          ? kernel.send(this.fd, start, length)
          : kernel.sendBytes(this.fd, bytes, start, length);
      if (sent === length) {
        this.sent(sent);
        return sent;
      }
      if (sent < 0) {
        if (sent !== EAGAIN) {
          if (!isGone(bytes)) this.sendFailed(sent);
          return 0;
        }
        sent = 0;
      }
      if (sent > 0) this.sent(sent);
    }
    return sent + this.enqueue(bytes, start + sent, stop);
  }

  /**
   * Ends our half after what is queued (FIN). When the peer has ended its half too, the connection closes. Idempotent.
   * shutdown(2).
   */
  end(): void {
    if ((this.flags & (CLOSED | ENDING | WRITE_ENDED)) !== 0) return;
    this.flushStaged();
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= ENDING;
    if (this.queuedBytes === 0 && (this.flags & CONNECTING) === 0) this.sendFin();
  }

  /** @internal */
  protected override beforeClose(): void {
    this.flushStaged();
  }

  /**
   * Flush at the turn's end: true when these bytes are held. Only those of the kernel's own buffer, where they may stay:
   * later reads of the turn are placed behind them. A second write that does not follow on sends the first.
   */
  private stage(bytes: Uint8Array, start: number, end: number): boolean {
    const { staging, writeQueueBytesMax } = this.service;
    const rare = (this.rare ??= new Rare());
    const follows = rare.stagedEnd > 0 && start === rare.stagedEnd;
    const holdable =
      bytes === this.kernel.buffer &&
      start < staging.limit &&
      end - start <= STAGED_WRITE_BYTES_MAX &&
      // At the turn's end the kernel may take nothing, and then the queue must take all of it.
      end - (follows ? rare.stagedStart : start) <= writeQueueBytesMax &&
      this.queuedBytes === 0 &&
      (this.flags & CONNECTING) === 0 &&
      this.reactor.dispatching;
    if (rare.stagedEnd > 0) {
      if (holdable && follows) {
        rare.stagedEnd = end;
        staging.extend(end);
        return true;
      }
      this.flushStaged();
      if (this.queuedBytes > 0 || (this.flags & CLOSED) !== 0) return false;
    }
    if (!holdable || start === end) return false;
    rare.stagedStart = start;
    rare.stagedEnd = end;
    staging.hold(end);
    if ((this.flags & FLUSH_QUEUED) === 0) this.reactor.flushAtEnd(this);
    this.flags |= FLUSH_QUEUED;
    return true;
  }

  /** @internal */
  protected flushStaged(): void {
    const { rare, kernel } = this;
    if (rare === null || rare.stagedEnd === 0) return;
    const { stagedStart: start, stagedEnd: end } = rare;
    this.dropStaged();
    const sent = kernel.send(this.fd, start, end - start);
    if (sent > 0) this.sent(sent);
    if (sent < 0 && sent !== EAGAIN) this.sendFailed(sent);
    else if (sent < end - start) this.enqueue(kernel.buffer, start + Math.max(sent, 0), end);
  }

  private sent(count: number): void {
    this.bytesWritten += count;
    this.flags &= ~AGE_MASK;
  }

  /** Sends what is queued, as far as the kernel takes it. @internal */
  protected flush(): void {
    const queue = this.rare?.queue as WriteQueue;
    for (let sends = 0; sends < TRANSFERS_PER_ITEM_MAX && queue.bytes > 0; sends++) {
      const { kernel, fd } = this;
      const { pieces, offset } = queue;
      const count = queue.gather(PIECES_MAX, GATHER_BYTES_MAX);
      const end = queue.endOf(count - 1);
      const sent =
        count === 1
          ? kernel.sendBytes(fd, pieces[0], offset, end - offset)
          : kernel.sendPieces(fd, pieces, count, offset, end);
      if (sent === EAGAIN) {
        if (sends === 0) this.retryLater();
        break;
      }
      if (sent < 0) {
        this.sendFailed(sent);
        return;
      }
      this.sent(sent);
      queue.consume(sent);
    }
    // Also when the bound ended the loop: setting the interest again rearms an edge.
    this.updateInterest();
    if (queue.bytes > 0 || (this.flags & CLOSED) !== 0) return;
    this.dropQueue();
    if ((this.flags & ENDING) !== 0) this.sendFin();
    if ((this.flags & (NEED_DRAIN | CLOSED)) === NEED_DRAIN) {
      this.flags &= ~NEED_DRAIN;
      this.service.handlers.drain?.(this.self);
    }
  }

  /**
   * Reported as writable, and yet nothing was taken: Linux does so while the memory of all TCP sockets is used up (tcp_mem,
   * tcp(7)). It would report it in every turn, so for a while nobody asks.
   */
  private retryLater(): void {
    this.flags |= RETRYING;
    const again = (): void => {
      this.flags &= ~RETRYING;
      this.updateInterest();
    };
    this.reactor.setTimer(SEND_RETRY_MS, again).unref();
  }

  /** Nothing is queued any more. What holds replies needs the rest again in its next turn. */
  private dropQueue(): void {
    const { rare } = this;
    if (rare === null) return;
    rare.queue = null;
    if (rare.failure === null && !this.service.holdsReplies) this.rare = null;
  }

  /**
   * Nothing more can be sent. But what the peer sent before it reset or went is here still (the answer that says why),
   * and is read to its end first; a connection that does not read would never find that end. @internal
   */
  protected sendFailed(result: number): void {
    if ((result !== ECONNRESET && result !== EPIPE) || (this.flags & (PAUSED | READ_ENDED)) !== 0) {
      this.failed('send', result);
      return;
    }
    const rare = (this.rare ??= new Rare());
    rare.failure ??= this.systemError('send', result);
    rare.queue = null;
    this.updateInterest();
  }

  private enqueue(bytes: Uint8Array, start: number, end: number): number {
    const room = this.service.writeQueueBytesMax - this.queuedBytes;
    const taken = Math.min(end - start, Math.max(room, 0));
    this.flags |= NEED_DRAIN;
    if (taken > 0) {
      if (isGone(bytes)) return 0;
      const wasEmpty = this.queuedBytes === 0;
      ((this.rare ??= new Rare()).queue ??= new WriteQueue()).push(bytes, start, start + taken);
      if (wasEmpty && (this.flags & CONNECTING) === 0) this.updateInterest();
    }
    return taken;
  }

  /** @internal */
  protected sendFin(): void {
    this.flags |= WRITE_ENDED;
    if (this.failure !== null) return; // no FIN can be sent; the end of what is read closes
    const result = this.kernel.shutdown(this.fd, SHUT_WRITE);
    const error = result < 0 ? this.pendingError() : 0;
    if (error < 0) this.sendFailed(error);
    else if ((this.flags & READ_ENDED) !== 0) this.shut(null);
    else if (result < 0) this.failed('shutdown', result);
  }

  private checkWritable(): void {
    if (this.closed) throw closedError();
    if ((this.flags & (ENDING | WRITE_ENDED)) !== 0) throw writeAfterEnd();
  }
}

/**
 * Whether the buffer was detached. Its length is 0 then, but where resizable buffers were seen before, optimized code of
 * Node 20 and 22 (V8 before 13) still gives the old one: hence this, where it would do harm.
 */
function isGone(bytes: Uint8Array): boolean {
  return bytes.buffer.byteLength === 0;
}

function checkRange(start: number, end: number, length: number): void {
  checkInteger('start', start, 0, length);
  checkInteger('end', end, start, length);
}
