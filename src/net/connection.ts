// One TCP connection on the reactor: reads when readable, writes at once and queues what the kernel does not take.

import { SystemError, UnderloopError, argumentError, checkInteger, peerError } from '../errors.js';
import { EAGAIN, ECONNRESET, EPIPE } from '../kernel/errno.js';
import { SHUT_WRITE, type Kernel, type SocketAddress } from '../kernel/kernel.js';
import { EDGE, ERROR, HANGUP, INVALID, NONE, READABLE, READ_CLOSED, WRITABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { FLUSH, type Source } from '../reactor/run-queue.js';
import { whereOf } from './address.js';
import { checkSwitch } from './checks.js';
import { READ_BYTES_MAX, STAGED_WRITE_BYTES_MAX, type Staging } from './staging.js';
import { WriteQueue } from './write-queue.js';

/** Reads, or sends of queued pieces, per readiness in edge mode: a flooding peer gets no more before its neighbours. */
export const TRANSFERS_PER_ITEM_MAX = 16;

/** Bytes that a connection queues at most, unless told otherwise. */
export const WRITE_QUEUE_BYTES_MAX = 1024 * 1024;

/** One write() looks at no more of its bytes: the addon counts in 32 bits. */
const SEND_BYTES_MAX = 2 ** 31 - 1;

/**
 * What a connection calls. One object serves all connections of a listener, so that a connection costs no closures.
 * Handlers run one at a time; one that throws harms no other connection and goes to `reactor.onError`.
 */
export interface ConnectionHandlers<Context = unknown> {
  /** Accepted, or the connect has finished. */
  open?(connection: Connection<Context>): void;
  /**
   * Bytes have come: `buffer[start..end)`. `buffer` is the reactor's own and is filled anew after the call: use it
   * before you return, or keep a copy ({@link copy}).
   */
  data?(connection: Connection<Context>, buffer: Uint8Array, start: number, end: number): void;
  /** The write queue, which had held bytes back, is empty again. */
  drain?(connection: Connection<Context>): void;
  /** The peer has ended its half (FIN): no more data. Without this handler the connection ends its own half too. */
  readClosed?(connection: Connection<Context>): void;
  /** Something failed; `close` follows. */
  error?(connection: Connection<Context>, error: Error): void;
  /** The last call, made once for all that was opened or whose connect failed, unless the reactor itself was closed. `error` is null after a clean end. */
  close?(connection: Connection<Context>, error: Error | null): void;
}

/** What all connections of one listener (or one connect) share. */
export interface Service<Context> {
  readonly reactor: Reactor;
  readonly handlers: ConnectionHandlers<Context>;
  readonly trigger: number;
  readonly writeQueueBytesMax: number;
  /** Where the kernel's reads go. All connections keep to it: what one of them holds, no other may overwrite. */
  readonly staging: Staging;
  /** Small replies are held until the turn's end. */
  readonly holdsReplies: boolean;
  /** Whom a connect is for: errors name it when the kernel cannot. */
  readonly target?: SocketAddress;
  /** Told when a connection has closed: the listener counts. */
  connectionClosed(): void;
}

const CONNECTING = 1;
const READ_ENDED = 2; // the peer's FIN has been read
const PAUSED = 4;
const ENDING = 8; // end() was called; the queue is still being sent
const WRITE_ENDED = 16; // our FIN has been sent
const CLOSED = 32;
const NEED_DRAIN = 64;
const CONTINUING = 128; // edge mode: a bounded read goes on in a later turn
const FLUSH_QUEUED = 256; // flush at the turn's end: the reactor will run us then

export class Connection<Context = unknown> implements Source, Disposable {
  /** The descriptor; -1 once closed. */
  fd: number;
  /** Whatever the user wants to keep with the connection. */
  context: Context | undefined = undefined;
  bytesRead = 0;
  bytesWritten = 0;
  private slot: number;
  private flags: number;
  private queue: WriteQueue | null = null; // made when first needed: most connections never do
  private failure: Error | null = null;
  // Written this turn and held until its end: a part of the kernel's buffer. None when stagedEnd is 0.
  private stagedStart = 0;
  private stagedEnd = 0;

  /** @internal */
  constructor(
    private readonly service: Service<Context>,
    fd: number,
    connecting: boolean,
  ) {
    this.fd = fd;
    this.flags = connecting ? CONNECTING : 0;
    // A socket whose connect goes on reports its end as writable. One not connected at all would report a hang-up at
    // once (tcp_poll in the kernel), so it is never registered before connect() was called.
    const interest = connecting ? WRITABLE : READABLE;
    this.slot = service.reactor.registry.add(fd, interest, service.trigger, this);
  }

  get reactor(): Reactor {
    return this.service.reactor;
  }
  get closed(): boolean {
    return (this.flags & CLOSED) !== 0;
  }
  /** Whether the connect goes on still. */
  get connecting(): boolean {
    return (this.flags & (CONNECTING | CLOSED)) === CONNECTING;
  }
  /** Whether write() may be called: open, and end() was not called. */
  get writable(): boolean {
    return (this.flags & (CLOSED | ENDING | WRITE_ENDED)) === 0;
  }
  get paused(): boolean {
    return (this.flags & PAUSED) !== 0;
  }
  /** Bytes taken by write() that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.queue === null ? 0 : this.queue.bytes;
  }
  /** This end's address; null once closed. */
  get localAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.kernel.localAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }
  /** The peer's address; null once closed, or when it is gone already. */
  get peerAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.kernel.peerAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }

  /**
   * Sends bytes, at once if the kernel takes them, else from a bounded queue. Returns how many were taken, sent or
   * queued; fewer than given means that the queue is full: wait for `drain`. Throws ERR_WRITE_AFTER_END, ERR_CLOSED.
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
        this.bytesWritten += sent;
        return sent;
      }
      if (sent < 0) {
        if (sent !== EAGAIN) {
          if (!isGone(bytes)) this.sendFailed(sent);
          return 0;
        }
        sent = 0;
      }
      this.bytesWritten += sent;
    }
    return sent + this.enqueue(bytes, start + sent, stop);
  }

  /** Ends our half after what is queued (FIN). When the peer has ended its half too, the connection closes. */
  end(): void {
    if ((this.flags & (CLOSED | ENDING | WRITE_ENDED)) !== 0) return;
    if (this.stagedEnd > 0) this.flushStaged();
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= ENDING;
    if (this.queuedBytes === 0 && (this.flags & CONNECTING) === 0) this.sendFin();
  }

  /** Reads no more until {@link resume}: the kernel's buffer fills, and then the peer must wait. */
  pause(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== 0) return;
    this.flags |= PAUSED;
    this.updateInterest();
  }
  resume(): void {
    if ((this.flags & CLOSED) !== 0 || (this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    this.updateInterest();
  }

  /** Closes at once; what is queued is dropped (use {@link end} to send it first). `close` is called in a later turn. */
  close(): void {
    if (this.stagedEnd > 0) this.flushStaged();
    this.shut(null);
  }

  /** Closes with a reset (RST) instead of a FIN: the peer learns that data may be lost. */
  reset(): void {
    if (this.closed) return;
    this.kernel.setOption(this.fd, 'lingerS', 0);
    this.shut(null);
  }

  /** The connection keeps `run()` going (the default). */
  ref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  /** `run()` may end although this connection is open. */
  unref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /** TCP_NODELAY: small writes leave at once instead of waiting for an acknowledgement. */
  noDelay(on = true): void {
    checkSwitch('on', on);
    this.setOption('noDelay', on ? 1 : 0);
  }
  /** SO_KEEPALIVE; `idleS`: seconds of silence before the first probe. */
  keepAlive(on = true, idleS?: number): void {
    checkSwitch('on', on);
    if (idleS !== undefined) checkInteger('idleS', idleS, 1, 32_767);
    this.setOption('keepAlive', on ? 1 : 0);
    if (on && idleS !== undefined) this.setOption('keepAliveIdleS', idleS);
  }

  [Symbol.dispose](): void {
    this.close();
  }
  /** @internal */
  dispose(): void {
    this.close();
  }
  /** Closes with an error of ours, such as a timeout. @internal */
  destroy(error: Error): void {
    this.shut(error);
  }

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
      if (this.stagedEnd > 0) this.flushStaged();
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
      if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) === 0) this.readReady(READ_CLOSED);
      return;
    }
    if ((this.flags & CONNECTING) !== 0) {
      this.connectReady();
      return;
    }
    if ((readiness & WRITABLE) !== 0 && this.queuedBytes > 0) this.flush();
    if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) === 0) {
      // Hang-up and error come with unread data as well as alone: what recv() says decides, data first.
      if ((readiness & ~WRITABLE) !== 0) this.readReady(readiness);
    } else if ((readiness & (ERROR | HANGUP | INVALID)) !== 0 && (this.flags & CLOSED) === 0) {
      this.hungUp();
    }
  }

  private get kernel(): Kernel {
    return this.service.reactor.kernel;
  }

  private readReady(readiness: number): void {
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
      // Level: what is left is reported again next turn, after the neighbours. Edge: it is not, so read on; a short
      // read has emptied the socket (epoll(7), question 9), unless a FIN was reported with it.
      if (!edge || (count < length && (readiness & (READ_CLOSED | HANGUP | ERROR)) === 0)) return;
      if ((this.flags & (CLOSED | PAUSED | READ_ENDED)) !== 0) return;
      if (reads === TRANSFERS_PER_ITEM_MAX) {
        if ((this.flags & CONTINUING) === 0) this.reactor.defer(this);
        this.flags |= CONTINUING;
        return;
      }
    }
  }

  /**
   * Flush at the turn's end: true when these bytes are held. Only those of the kernel's own buffer, where they may stay:
   * later reads of the turn are placed behind them. A second write that does not follow on sends the first.
   */
  private stage(bytes: Uint8Array, start: number, end: number): boolean {
    const { staging, writeQueueBytesMax } = this.service;
    const follows = this.stagedEnd > 0 && start === this.stagedEnd;
    const holdable =
      bytes === this.kernel.buffer &&
      start < staging.limit &&
      end - start <= STAGED_WRITE_BYTES_MAX &&
      // At the turn's end the kernel may take nothing, and then the queue must take all of it.
      end - (follows ? this.stagedStart : start) <= writeQueueBytesMax &&
      this.queuedBytes === 0 &&
      (this.flags & CONNECTING) === 0 &&
      this.reactor.dispatching;
    if (this.stagedEnd > 0) {
      if (holdable && follows) {
        this.stagedEnd = end;
        staging.extend(end);
        return true;
      }
      this.flushStaged();
      if (this.queuedBytes > 0 || (this.flags & CLOSED) !== 0) return false;
    }
    if (!holdable || start === end) return false;
    this.stagedStart = start;
    this.stagedEnd = end;
    staging.hold(end);
    if ((this.flags & FLUSH_QUEUED) === 0) this.reactor.flushAtEnd(this);
    this.flags |= FLUSH_QUEUED;
    return true;
  }

  private flushStaged(): void {
    const { stagedStart: start, stagedEnd: end, kernel } = this;
    this.dropStaged();
    const sent = kernel.send(this.fd, start, end - start);
    if (sent > 0) this.bytesWritten += sent;
    if (sent < 0 && sent !== EAGAIN) this.sendFailed(sent);
    else if (sent < end - start) this.enqueue(kernel.buffer, start + Math.max(sent, 0), end);
  }

  private dropStaged(): void {
    if (this.stagedEnd > 0) this.service.staging.release();
    this.stagedStart = this.stagedEnd = 0;
  }

  private readEnded(): void {
    this.flags |= READ_ENDED;
    if (this.failure !== null) {
      this.shut(this.failure);
      return;
    }
    const { handlers } = this.service;
    if (handlers.readClosed === undefined && (this.flags & (ENDING | WRITE_ENDED)) === 0) {
      if (this.stagedEnd > 0) this.flushStaged();
      // Nothing is to be sent any more: close() sends the FIN itself, and shutdown() before it would only cost.
      if (this.queuedBytes === 0) {
        this.shut(null);
        return;
      }
    }
    this.updateInterest();
    try {
      if (handlers.readClosed !== undefined) handlers.readClosed(this);
      else this.end();
    } finally {
      if ((this.flags & WRITE_ENDED) !== 0) this.shut(null);
    }
  }

  private flush(): void {
    const queue = this.queue as WriteQueue;
    for (let sends = 0; sends < TRANSFERS_PER_ITEM_MAX && queue.first !== undefined; sends++) {
      const chunk = queue.first;
      const offset = queue.firstOffset;
      const sent = this.kernel.sendBytes(this.fd, chunk, offset, queue.firstEnd - offset);
      if (sent === EAGAIN) break;
      if (sent < 0) {
        this.sendFailed(sent);
        return;
      }
      this.bytesWritten += sent;
      queue.consume(sent);
    }
    // Also when the bound ended the loop: setting the interest again rearms an edge.
    this.updateInterest();
    if (queue.bytes > 0) return;
    if ((this.flags & ENDING) !== 0) this.sendFin();
    if ((this.flags & (NEED_DRAIN | CLOSED)) === NEED_DRAIN) {
      this.flags &= ~NEED_DRAIN;
      this.service.handlers.drain?.(this);
    }
  }

  /**
   * Nothing more can be sent. But what the peer sent before it reset or went is here still (the answer that says why),
   * and is read to its end first; a connection that does not read would never find that end.
   */
  private sendFailed(result: number): void {
    if ((result !== ECONNRESET && result !== EPIPE) || (this.flags & (PAUSED | READ_ENDED)) !== 0) {
      this.failed('send', result);
      return;
    }
    this.failure ??= this.systemError('send', result);
    this.queue = null;
    this.updateInterest();
  }

  private enqueue(bytes: Uint8Array, start: number, end: number): number {
    const room = this.service.writeQueueBytesMax - this.queuedBytes;
    const taken = Math.min(end - start, Math.max(room, 0));
    this.flags |= NEED_DRAIN;
    if (taken > 0) {
      if (isGone(bytes)) return 0;
      const wasEmpty = this.queuedBytes === 0;
      (this.queue ??= new WriteQueue()).push(bytes, start, start + taken);
      if (wasEmpty && (this.flags & CONNECTING) === 0) this.updateInterest();
    }
    return taken;
  }

  private connectReady(): void {
    const error = this.pendingError();
    if (error < 0) {
      this.failed('connect', error);
      return;
    }
    this.flags &= ~CONNECTING;
    this.updateInterest();
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

  private sendFin(): void {
    this.flags |= WRITE_ENDED;
    if (this.failure !== null) return; // no FIN can be sent; the end of what is read closes
    const result = this.kernel.shutdown(this.fd, SHUT_WRITE);
    const error = result < 0 ? this.pendingError() : 0;
    if (error < 0) this.sendFailed(error);
    else if ((this.flags & READ_ENDED) !== 0) this.shut(null);
    else if (result < 0) this.failed('shutdown', result);
  }

  /** SO_ERROR as -errno, which this takes away from the socket; 0 if there is none. */
  private pendingError(): number {
    return -Math.abs(this.kernel.getOption(this.fd, 'error'));
  }

  /** An error or hang-up while we do not read: nothing more can be sent, and a level trigger would report it for ever. */
  private hungUp(): void {
    const error = this.pendingError();
    if (error === 0 && this.queuedBytes === 0) this.shut(null);
    else this.failed('send', error || EPIPE);
  }

  private updateInterest(): void {
    if ((this.flags & CLOSED) !== 0) return;
    let interest = (this.flags & (PAUSED | READ_ENDED)) === 0 ? READABLE : NONE;
    if (this.queuedBytes > 0) interest |= WRITABLE;
    this.reactor.registry.setInterest(this.slot, interest);
  }

  private failed(syscall: string, result: number): void {
    this.shut(this.failure ?? this.systemError(syscall, result));
  }

  private systemError(syscall: string, result: number): SystemError {
    const peer = this.peerAddress ?? this.service.target ?? null;
    return peerError(syscall, result, { fd: this.fd, ...whereOf(peer) });
  }

  /** The one way out: deregister, then close the fd, then call back in a later turn, when nobody is in the middle. */
  private shut(error: Error | null): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= CLOSED;
    this.failure ??= error;
    const { fd } = this;
    this.dropStaged();
    this.reactor.registry.remove(this.slot);
    this.fd = this.slot = -1;
    this.queue = null;
    this.kernel.close(fd);
    this.reactor.closing(this);
  }

  private callClosed(): void {
    const { handlers } = this.service;
    this.service.connectionClosed();
    try {
      if (this.failure !== null) handlers.error?.(this, this.failure);
    } finally {
      handlers.close?.(this, this.failure);
    }
  }

  private setOption(option: 'noDelay' | 'keepAlive' | 'keepAliveIdleS', value: number): void {
    if (this.closed) throw closedError();
    const result = this.kernel.setOption(this.fd, option, value);
    if (result < 0) throw new SystemError('setsockopt', result, { fd: this.fd });
  }

  private checkWritable(): void {
    if (this.closed) throw closedError();
    if ((this.flags & (ENDING | WRITE_ENDED)) !== 0) {
      throw new UnderloopError(
        'ERR_WRITE_AFTER_END',
        'write() after end(): this half of the connection is closed',
      );
    }
  }
}

/** The bytes `buffer[start..end)` as a copy that may be kept after `data` has returned. */
export function copy(buffer: Uint8Array, start: number, end: number): Buffer {
  const kept = Buffer.allocUnsafe(end - start);
  kept.set(buffer.subarray(start, end));
  return kept;
}

/**
 * Whether the buffer was detached. Its length is 0 then, but where resizable buffers were seen before, optimized code of
 * Node 20 and 22 (V8 before 13) still gives the old one: hence this, where it would do harm.
 */
function isGone(bytes: Uint8Array): boolean {
  return bytes.buffer.byteLength === 0;
}

function closedError(): UnderloopError {
  return new UnderloopError('ERR_CLOSED', 'the connection is closed; ask connection.closed before using it');
}

function checkRange(start: number, end: number, length: number): void {
  checkInteger('start', start, 0, length);
  checkInteger('end', end, start, length);
}
