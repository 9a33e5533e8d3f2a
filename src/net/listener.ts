// A listening socket, of TCP or Unix: accepts in bounded portions, and survives running out of descriptors.

import { SystemError, type UnderloopError } from '../errors.js';
import { EAGAIN, ECONNABORTED, EMFILE, ENFILE, EPERM } from '../kernel/errno.js';
import type { InternetAddress, Kernel, SocketAddress, UnixAddress } from '../kernel/kernel.js';
import { NONE, READABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import { checkObject, checkReactor, connectionTrigger } from './checks.js';
import { Connection } from './connection.js';
import { IdleScan } from './idle.js';
import {
  checkListen,
  type ListenOptions,
  type ListenerCounters,
  type ListenerHandlers,
} from './listen-options.js';
import { checkPlace, openListening, type Listening } from './listening.js';
import { Reserve } from './reserve.js';
import { WRITE_QUEUE_BYTES_MAX, type Service } from './service.js';
import { removeFile } from './socket-file.js';
import { Staging } from './staging.js';

export type { ListenOptions, ListenerCounters, ListenerHandlers };

/** Connections accepted per readiness: a flood of them gets no more before the connections that are there. */
export const ACCEPTS_PER_ITEM_MAX = 64;

/** How long accepting rests when the process or the system is out of descriptors or memory. */
export const ACCEPT_BACKOFF_MS = 100;

/**
 * A socket that accepts connections, made by {@link listen}. `Address`: what {@link Listener.address} is, TCP's unless a
 * path or a descriptor was listened on.
 */
export class Listener<Context = unknown, Address extends SocketAddress = InternetAddress>
  implements Source, Service<Context>, Disposable
{
  /** The descriptor; -1 once closed. */
  fd: number;
  /** The address bound, with the port that the system chose. */
  readonly address: Address;
  /** Connections open now. */
  connections = 0;
  /** Connections accepted since the start. */
  accepted = 0;
  /** Connections turned away because no descriptor was left. */
  refused = 0;
  /** @internal */ timedOut = 0;
  /** @internal */ readonly kernel: Kernel;
  /** @internal */ readonly trigger: number;
  /** @internal */ readonly writeQueueBytesMax: number;
  /** @internal */ readonly staging: Staging;
  /** @internal */ readonly holdsReplies: boolean;
  private readonly connectionsMax: number;
  /** What is accepted has sent something, most likely. */
  private readonly readsAtOnce: boolean;
  private readonly idle: IdleScan | null;
  // Of connections that have closed: those that are open know their own.
  private bytesReadBefore = 0;
  private bytesWrittenBefore = 0;
  private acceptErrors = 0;
  private slot: number;
  private readonly reserve: Reserve;
  private paused = false;
  private resting = false; // out of descriptors
  private retrying = false; // the poller has refused: a timer will ask it again

  /** @internal Use {@link listen}. */
  constructor(
    /** The reactor that it lives on. */
    readonly reactor: Reactor,
    private readonly listening: Listening,
    options: ListenOptions,
    /** Those that {@link listen} was given. */
    readonly handlers: ListenerHandlers<Context>,
  ) {
    const { fd, address } = listening;
    this.fd = fd;
    this.kernel = reactor.kernel;
    this.trigger = connectionTrigger(options.trigger, reactor.poller);
    this.writeQueueBytesMax = options.writeQueueBytesMax ?? WRITE_QUEUE_BYTES_MAX;
    this.staging = Staging.of(reactor.kernel.buffer);
    this.holdsReplies = options.flush === 'turn';
    this.connectionsMax = options.connectionsMax ?? Infinity;
    this.readsAtOnce = options.deferAcceptS !== undefined;
    this.idle =
      options.idleTimeoutMs === undefined ? null : new IdleScan(this, reactor, options.idleTimeoutMs);
    this.address = address as Address;
    this.slot = reactor.registry.add(fd, READABLE, 0, this);
    this.reserve = new Reserve(this.kernel);
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.fd < 0;
  }

  /** What it has seen. Asks each open connection for its bytes, so that they need not be counted twice. */
  counters(): ListenerCounters {
    let { bytesReadBefore: bytesRead, bytesWrittenBefore: bytesWritten } = this;
    const { registry } = this.reactor;
    for (const slot of registry.slots()) {
      const source = registry.source(slot);
      if (!(source instanceof Connection) || source.service !== this) continue;
      bytesRead += source.bytesRead;
      bytesWritten += source.bytesWritten;
    }
    const { connections, accepted, refused, timedOut, acceptErrors } = this;
    return { connections, accepted, refused, bytesRead, bytesWritten, timedOut, acceptErrors };
  }

  /**
   * Accepts no more. Connections that were accepted go on. Removes the file of a Unix socket, if it is still the one that
   * this listener made. Idempotent.
   */
  close(): void {
    if (this.fd < 0) return;
    const { kernel } = this;
    const { fd, listening } = this;
    // Before the descriptor: from then on another process may put its own file there.
    removeFile(kernel, listening.file);
    const isOurs = this.reactor.registry.removeSource(fd, this);
    this.fd = this.slot = -1;
    if (isOurs) kernel.close(fd);
    this.reserve.close();
  }
  /** The end of a `using` block: {@link Listener.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
  /** @internal */
  dispose(): void {
    this.close();
  }

  /** Accepts no more until {@link resume}: clients wait in the kernel's queue, which `backlog` bounds. Idempotent. */
  pause(): void {
    this.paused = true;
    this.updateInterest();
  }
  /** Accepts again. Idempotent. */
  resume(): void {
    this.paused = false;
    this.updateInterest();
  }
  private updateInterest(): void {
    const { registry } = this.reactor;
    if (this.fd < 0 || registry.source(this.slot) !== this) return;
    try {
      registry.setInterest(this.slot, this.paused || this.resting || this.full ? NONE : READABLE);
    } catch (error) {
      // The poller refuses (epoll_ctl(2): ENOMEM; ENOSPC to put back what was parked), and nobody would ask it again.
      if (this.retrying) return;
      this.retrying = true;
      this.reactor
        .setTimer(ACCEPT_BACKOFF_MS, () => {
          this.retrying = false;
          this.updateInterest();
        })
        .unref();
      this.acceptErrors++;
      this.handlers.acceptError?.(this.self, error as SystemError | UnderloopError);
    }
  }

  private get full(): boolean {
    return this.connections >= this.connectionsMax;
  }

  /** The listener keeps `run()` going (the default). */
  ref(): this {
    if (this.fd >= 0) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  /** `run()` may end although this listener is open. */
  unref(): this {
    if (this.fd >= 0) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /** @internal */
  run(): void {
    const { kernel } = this;
    // The listening socket is level-triggered: what the bound leaves is reported again next turn.
    for (
      let accepts = 0;
      accepts < ACCEPTS_PER_ITEM_MAX && this.fd >= 0 && !this.paused && !this.full;
      accepts++
    ) {
      const fd = kernel.accept(this.fd);
      if (fd < 0) {
        if (fd === EAGAIN) return;
        if (this.outOfResources(fd)) return;
        continue; // this one connection has failed; accept(2) lists the errors that mean "try again"
      }
      this.accept(fd);
    }
  }

  /** @internal */
  handlerFor(): unknown {
    return this.handlers.open; // eslint-disable-line @typescript-eslint/unbound-method -- told, not called from there
  }

  private accept(fd: number): void {
    let connection: Connection<Context>;
    try {
      connection = new Connection<Context>(this, fd, 0);
    } catch (error) {
      // The poller has no room (select's FD_SETSIZE, the limit of epoll watches): refuse this one and stay alive. Nor
      // is it thrown, for then a peer could end a process that has no onError by connecting often enough.
      this.kernel.close(fd);
      this.refused++;
      this.acceptErrors++;
      this.handlers.acceptError?.(this.self, error as SystemError | UnderloopError);
      return;
    }
    this.accepted++;
    this.connections++;
    this.idle?.arm();
    if (this.full) this.updateInterest();
    connection.opened();
    // It is registered already: had it sent nothing, it would be reported when it does.
    if (this.readsAtOnce) connection.run(READABLE);
  }

  /**
   * EMFILE, ENFILE and the like leave the connection in the kernel's queue: a level trigger would report it for ever.
   * A reserve descriptor is given up to accept those that wait and turn them away, so that their clients learn at once;
   * then we rest. So we do after any error that we do not know, for it would be reported for ever as well.
   */
  private outOfResources(result: number): boolean {
    if (result === ECONNABORTED || result === EPERM) return false;
    if (result === EMFILE || result === ENFILE) this.turnAway();
    this.rest();
    this.acceptErrors++;
    this.handlers.acceptError?.(
      this.self,
      new SystemError('accept', result, {
        fd: this.fd,
        hint:
          result === EMFILE
            ? `Raise the limit of open files (ulimit -n); accepting rests for ${String(ACCEPT_BACKOFF_MS)} ms`
            : `Accepting rests for ${String(ACCEPT_BACKOFF_MS)} ms`,
      }),
    );
    return true;
  }

  private turnAway(): void {
    this.refused += this.reserve.turnAway(this.fd, ACCEPTS_PER_ITEM_MAX);
  }

  private rest(): void {
    this.resting = true;
    this.updateInterest();
    this.reactor
      .setTimer(ACCEPT_BACKOFF_MS, () => {
        if (this.fd < 0) return;
        this.reserve.renew();
        this.resting = false;
        this.updateInterest();
      })
      .unref();
  }

  /** @internal */
  connectionShut({ bytesRead, bytesWritten }: Connection<Context>): void {
    this.bytesReadBefore += bytesRead;
    this.bytesWrittenBefore += bytesWritten;
  }

  /** @internal */
  connectionClosed(): void {
    const wasFull = this.full;
    this.connections--;
    if (wasFull) this.updateInterest();
  }

  private get self(): this {
    return this;
  }
}

/**
 * Listens on `host`:`port`, or at `path`, or on a descriptor that listens already. Throws at once: `ERR_ARGUMENT`,
 * `ERR_HOST_NAME`, `ERR_UNSUPPORTED`, `ERR_FD_REFUSED`, or a `SystemError` (EADDRINUSE, EACCES, EMFILE). socket(2), bind(2),
 * listen(2).
 */
export function listen<Context = unknown>(
  reactor: Reactor,
  options: ListenOptions & { path: string },
  handlers: ListenerHandlers<Context>,
): Listener<Context, UnixAddress>;
export function listen<Context = unknown>(
  reactor: Reactor,
  options: ListenOptions & { fd: number },
  handlers: ListenerHandlers<Context>,
): Listener<Context, SocketAddress>;
export function listen<Context = unknown>(
  reactor: Reactor,
  options: ListenOptions,
  handlers: ListenerHandlers<Context>,
): Listener<Context>;
export function listen<Context = unknown>(
  reactor: Reactor,
  options: ListenOptions,
  handlers: ListenerHandlers<Context>,
): Listener<Context, SocketAddress> {
  checkReactor(reactor);
  checkObject('options', options);
  const place = checkPlace(options);
  checkListen(options, handlers);
  connectionTrigger(options.trigger, reactor.poller);
  const listening = openListening(reactor.kernel, place, options);
  try {
    return new Listener<Context, SocketAddress>(reactor, listening, options, handlers);
  } catch (error) {
    listening.undo();
    throw error;
  }
}
