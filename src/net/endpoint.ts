// What a connection is: its descriptor, its state in few bytes, its addresses and options, and the one way out.

import { SystemError, UnderloopError, peerError } from '../errors.js';
import { ECONNRESET, ENOENT } from '../kernel/errno.js';
import type { Kernel, SocketAddress, SocketOption } from '../kernel/kernel.js';
import { NONE, PRIORITY, READABLE, WRITABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { explain } from '../reactor/registry.js';
import type { Source } from '../reactor/run-queue.js';
import { whereOf } from './address.js';
import type { Connection } from './connection.js';
import { applyOptions, checkKeepAlive, checkStreamOptions, type StreamOptions } from './options.js';
import { checkSwitch } from './checks.js';
import type { Service } from './service.js';
import type { WriteQueue } from './write-queue.js';

export const CONNECTING = 1;
export const READ_ENDED = 2; // the peer's FIN has been read
export const PAUSED = 4;
export const ENDING = 8; // end() was called; the queue is still being sent
export const WRITE_ENDED = 16; // our FIN has been sent
export const CLOSED = 32;
export const NEED_DRAIN = 64;
export const CONTINUING = 128; // edge mode: a bounded read goes on in a later turn
export const FLUSH_QUEUED = 256; // flush at the turn's end: the reactor will run us then
export const WRITE_ONLY = 512; // the end of a pipe that only writes
export const RETRYING = 32_768; // said to be writable, and took nothing: a timer will look again
/** Looks of the idle scan since something was read or written: a number of five bits. See idle.ts. */
export const AGE_ONE = 1024;
export const AGE_MASK = 31 * AGE_ONE;

/** What most connections never have: made when first needed, and dropped when nothing is in it, so that idle ones stay small. */
export class Rare {
  queue: WriteQueue | null = null;
  failure: Error | null = null;
  /** Written this turn and held until its end: a part of the kernel's buffer. None when stagedEnd is 0. */
  stagedStart = 0;
  stagedEnd = 0;
}

/** The state that every connection has. Each field is eight bytes per connection, and an idle connection is little else. */
export abstract class Endpoint<Context> implements Source, Disposable {
  /** The descriptor; -1 once closed. */
  fd: number;
  /** Whatever the user wants to keep with the connection. */
  context: Context | undefined = undefined;
  /** Bytes read since it was opened. */
  bytesRead = 0;
  /** Bytes that the kernel has taken since it was opened. */
  bytesWritten = 0;
  /** @internal */
  protected flags: number;
  /** @internal */
  protected rare: Rare | null = null;

  /** @internal */
  constructor(
    /** @internal */ readonly service: Service<Context>,
    fd: number,
    flags: number,
  ) {
    this.fd = fd;
    this.flags = flags;
    // A socket whose connect goes on reports its end as writable. One not connected at all would report a hang-up at
    // once (tcp_poll in the kernel), so it is never registered before connect() was called.
    service.reactor.registry.add(fd, this.interest(), service.trigger, this);
  }

  /** @internal */
  abstract run(readiness: number): void;

  /** The reactor that it lives on. */
  get reactor(): Reactor {
    return this.service.reactor;
  }
  /** Whether it is closed, by whichever side. */
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
  /** Whether {@link pause} holds its reading. */
  get paused(): boolean {
    return (this.flags & PAUSED) !== 0;
  }
  /** Bytes taken by write() that the kernel has not taken yet. */
  get queuedBytes(): number {
    return this.rare?.queue?.bytes ?? 0;
  }
  /** This end's address; null once closed, and for what is no socket. */
  get localAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.reactor.kernel.localAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }
  /** The peer's address; null once closed, when it is gone already, and for what is no socket. */
  get peerAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.reactor.kernel.peerAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }

  /** Reads no more until {@link resume}: the kernel's buffer fills, and then the peer must wait. */
  pause(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== 0) return;
    this.flags |= PAUSED;
    this.updateInterest();
  }
  /** Reads again. Idempotent. */
  resume(): void {
    if ((this.flags & CLOSED) !== 0 || (this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    this.updateInterest();
  }

  /**
   * Closes at once; what is queued is dropped (use {@link Connection.end} to send it first). The handler `close` is called in
   * a later turn. Idempotent.
   */
  close(): void {
    this.beforeClose();
    this.shut(null);
  }

  /** Closes with a reset (RST) instead of a FIN, by SO_LINGER 0: the peer learns that data may be lost. Idempotent. tcp(7). */
  reset(): void {
    if (this.closed) return;
    this.kernel.setOption(this.fd, 'lingerS', 0);
    this.shut(null);
  }

  /** @internal Sends what was held. */
  protected abstract beforeClose(): void;

  /** The connection keeps `run()` going (the default). */
  ref(): this {
    this.setReferenced(true);
    return this;
  }
  /** `run()` may end although this connection is open. */
  unref(): this {
    this.setReferenced(false);
    return this;
  }

  private setReferenced(referenced: boolean): void {
    const { registry } = this.reactor;
    const slot = registry.slotOf(this.fd, this);
    if (slot >= 0) registry.setReferenced(slot, referenced);
  }

  /**
   * TCP_NODELAY: small writes leave at once instead of waiting for an acknowledgement. Throws as {@link setOptions} does;
   * tcp(7).
   */
  noDelay(on = true): void {
    checkSwitch('on', on);
    this.setOptions({ noDelay: on });
  }
  /**
   * SO_KEEPALIVE; `idleS`: seconds of silence before the first probe, 1 to 32,767. Throws as {@link setOptions} does;
   * socket(7), tcp(7).
   */
  keepAlive(on = true, idleS?: number): void {
    checkSwitch('on', on);
    checkKeepAlive({ idleS });
    this.setOptions({ keepAlive: on && idleS !== undefined ? { idleS } : on });
  }
  /**
   * Sets options of the socket; all that are given, in their order. Throws ERR_ARGUMENT, ERR_CLOSED, ERR_UNSUPPORTED for
   * what this system or this kind of socket has not, a `SystemError`. setsockopt(2).
   */
  setOptions(options: StreamOptions): void {
    checkStreamOptions('options', options);
    if (this.closed) throw closedError();
    applyOptions(this.reactor.kernel, this.fd, options);
  }
  /**
   * What the kernel says of an option, a switch as 0 or 1. It doubles the sizes of buffers that were set (socket(7)). Throws
   * ERR_CLOSED, a `SystemError` (ENOPROTOOPT, ENOTSOCK). getsockopt(2).
   */
  option(name: Exclude<SocketOption, 'lingerS' | 'error'>): number {
    if (this.closed) throw closedError();
    const value = this.reactor.kernel.getOption(this.fd, name);
    if (value < 0) throw new SystemError('getsockopt', value, { fd: this.fd, hint: `The option is ${name}` });
    return value;
  }

  /** The end of a `using` block: {@link Connection.close}. */
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

  /** Gives the descriptor back as it was: deregistered, open, and without a call. For what could not be taken over. @internal */
  abandon(): void {
    this.reactor.registry.removeSource(this.fd, this);
    this.fd = -1;
    this.flags |= CLOSED;
  }

  /** One look of the idle scan. Returns how many there were since something was read or written. @internal */
  grow(): number {
    this.flags += AGE_ONE;
    return (this.flags & AGE_MASK) / AGE_ONE;
  }
  /** @internal */
  rejuvenate(): void {
    this.flags &= ~AGE_MASK;
  }

  /** @internal */
  protected get kernel(): Kernel {
    return this.service.kernel;
  }
  /** @internal */
  protected get self(): Connection<Context> {
    return this as unknown as Connection<Context>;
  }
  /** @internal */
  protected get failure(): Error | null {
    return this.rare === null ? null : this.rare.failure;
  }

  /** SO_ERROR as -errno, which this takes away from the socket; 0 if there is none. */
  /** @internal */
  protected pendingError(): number {
    return -Math.abs(this.kernel.getOption(this.fd, 'error'));
  }

  /** @internal */
  protected updateInterest(): void {
    if ((this.flags & CLOSED) !== 0) return;
    const { registry } = this.reactor;
    try {
      const slot = registry.slotOf(this.fd, this);
      if (slot < 0) throw explain(ENOENT, this.fd, registry.poller); // closed behind our back, and the number given anew
      registry.setInterest(slot, this.interest());
    } catch (error) {
      // The poller refuses (epoll_ctl(2): ENOMEM; ENOSPC for one that was parked), so nobody would tell of what comes next.
      this.shut(error as Error);
    }
  }

  private interest(): number {
    if ((this.flags & CONNECTING) !== 0) return WRITABLE;
    let interest = (this.flags & (PAUSED | READ_ENDED)) === 0 ? READABLE : NONE;
    if (this.queuedBytes > 0 && (this.flags & RETRYING) === 0) interest |= WRITABLE;
    // Who only writes still wants to hear that nobody reads. That is told with any interest, and a pipe is never urgent.
    return interest === NONE && (this.flags & WRITE_ONLY) !== 0 ? PRIORITY : interest;
  }

  /** @internal */
  protected failed(syscall: string, result: number): void {
    const { error, close } = this.service.handlers; // eslint-disable-line @typescript-eslint/unbound-method -- not called
    // Nobody would be told: to make the error would take as long as a system call.
    const unheard = error === undefined && close === undefined;
    this.shut(unheard ? null : (this.failure ?? this.systemError(syscall, result)));
  }

  /** @internal */
  protected systemError(syscall: string, result: number): SystemError {
    const { kernel } = this.reactor;
    if (this.kernel !== kernel) syscall = syscall === 'recv' ? 'read' : 'write'; // no socket
    // After a reset the kernel knows the peer no more: ENOTCONN, getpeername(2).
    const known = result === ECONNRESET ? null : this.peerAddress;
    const peer = known ?? this.service.target ?? null;
    return peerError(syscall, result, { fd: this.fd, ...whereOf(peer) });
  }

  /** The one way out: deregister, then close the fd, then call back in a later turn, when nobody is in the middle. @internal */
  protected shut(error: Error | null): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= CLOSED;
    if (error !== null) (this.rare ??= new Rare()).failure ??= error;
    const { fd } = this;
    this.dropStaged();
    const isOurs = this.reactor.registry.removeSource(fd, this);
    this.fd = -1;
    if (this.rare !== null) this.rare.queue = null;
    if (isOurs) this.kernel.close(fd);
    this.service.connectionShut?.(this.self);
    this.reactor.closing(this);
  }

  /** @internal */
  protected dropStaged(): void {
    const { rare } = this;
    if (rare === null || rare.stagedEnd === 0) return;
    this.service.staging.release();
    rare.stagedStart = rare.stagedEnd = 0;
  }
}

export function closedError(): UnderloopError {
  return new UnderloopError('ERR_CLOSED', 'the connection is closed; ask connection.closed before using it');
}

export function writeAfterEnd(): UnderloopError {
  return new UnderloopError(
    'ERR_WRITE_AFTER_END',
    'write() after end(): this half of the connection is closed',
  );
}
