// A listening TCP socket: accepts in bounded portions, and survives running out of descriptors.

import { SystemError, checkInteger, type UnderloopError } from '../errors.js';
import { EAGAIN, ECONNABORTED, EMFILE, ENFILE, EPERM } from '../kernel/errno.js';
import type { InternetAddress, SocketOption } from '../kernel/kernel.js';
import { NONE, READABLE } from '../poller/poller.js';
import type { Trigger } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import { checkAddress } from './address.js';
import {
  checkFlush,
  checkHandlers,
  checkObject,
  checkQueueBound,
  checkReactor,
  checkSwitch,
  connectionTrigger,
} from './checks.js';
import { Connection, WRITE_QUEUE_BYTES_MAX, type ConnectionHandlers, type Service } from './connection.js';
import { Staging, type Flush } from './staging.js';

/** Connections accepted per readiness: a flood of them gets no more before the connections that are there. */
const ACCEPTS_PER_ITEM_MAX = 64;

/** How long accepting rests when the process or the system is out of descriptors or memory. */
const ACCEPT_BACKOFF_MS = 100;

/** What the kernel queues of finished handshakes; it cuts it to net.core.somaxconn (listen(2)). */
const BACKLOG = 511;

export interface ListenOptions {
  /** A numeric address; 127.0.0.1 unless given. `0.0.0.0` or `::` must be asked for. */
  host?: string;
  /** 0, the default: the system chooses; `listener.address.port` tells. */
  port?: number;
  backlog?: number;
  /** Several sockets, of one or more processes, share the port: SO_REUSEPORT. */
  reusePort?: boolean;
  /** An IPv6 socket takes no IPv4 connections. */
  ipv6Only?: boolean;
  /** TCP_NODELAY on every accepted connection, inherited from the listening socket at no cost. */
  noDelay?: boolean;
  /** How connections wait: 'level' (the default) or 'edge'. */
  trigger?: Trigger;
  /** Bytes that each connection queues at most; 1 MiB unless given. */
  writeQueueBytesMax?: number;
  /** When small replies leave: see {@link Flush}. 'now' unless given. */
  flush?: Flush;
}

/** Handlers of a listener: those of its connections, and its own. */
export interface ListenerHandlers<Context = unknown> extends ConnectionHandlers<Context> {
  /**
   * accept(2) failed for a reason that concerns the listener (EMFILE, ...), and it goes on by itself after a pause; or
   * the poller had no room for one connection (ERR_FD_TOO_LARGE), which was turned away.
   */
  acceptError?(listener: Listener<Context>, error: SystemError | UnderloopError): void;
}

export class Listener<Context = unknown> implements Source, Service<Context>, Disposable {
  /** The descriptor; -1 once closed. */
  fd: number;
  /** The address bound, with the port that the system chose. */
  readonly address: InternetAddress;
  /** Connections open now. */
  connections = 0;
  /** Connections accepted since the start. */
  accepted = 0;
  /** Connections turned away because no descriptor was left. */
  refused = 0;
  /** @internal */ readonly trigger: number;
  /** @internal */ readonly writeQueueBytesMax: number;
  /** @internal */ readonly staging: Staging;
  /** @internal */ readonly holdsReplies: boolean;
  private slot: number;
  private reserveFd: number;
  private paused = false;
  private resting = false; // out of descriptors

  /** @internal Use {@link listen}. */
  constructor(
    readonly reactor: Reactor,
    fd: number,
    options: ListenOptions,
    readonly handlers: ListenerHandlers<Context>,
  ) {
    this.fd = fd;
    this.trigger = connectionTrigger(options.trigger, reactor.poller);
    this.writeQueueBytesMax = options.writeQueueBytesMax ?? WRITE_QUEUE_BYTES_MAX;
    this.staging = Staging.of(reactor.kernel.buffer);
    this.holdsReplies = options.flush === 'turn';
    const { kernel } = reactor;
    const address = kernel.localAddress(fd);
    if (typeof address === 'number') throw new SystemError('getsockname', address, { fd });
    this.address = address as InternetAddress;
    this.slot = reactor.registry.add(fd, READABLE, 0, this);
    this.reserveFd = kernel.openReserve();
  }

  get closed(): boolean {
    return this.fd < 0;
  }

  /** Accepts no more. Connections that were accepted go on. Idempotent. */
  close(): void {
    if (this.fd < 0) return;
    const { kernel } = this.reactor;
    const { fd } = this;
    this.reactor.registry.remove(this.slot);
    this.fd = this.slot = -1;
    kernel.close(fd);
    if (this.reserveFd >= 0) kernel.close(this.reserveFd);
    this.reserveFd = -1;
  }
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
  resume(): void {
    this.paused = false;
    this.updateInterest();
  }
  private updateInterest(): void {
    if (this.fd < 0) return;
    this.reactor.registry.setInterest(this.slot, this.paused || this.resting ? NONE : READABLE);
  }

  ref(): this {
    if (this.fd >= 0) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  unref(): this {
    if (this.fd >= 0) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /** @internal */
  run(): void {
    const { kernel } = this.reactor;
    // The listening socket is level-triggered: what the bound leaves is reported again next turn.
    for (let accepts = 0; accepts < ACCEPTS_PER_ITEM_MAX && this.fd >= 0 && !this.paused; accepts++) {
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
      connection = new Connection<Context>(this, fd, false);
    } catch (error) {
      // The poller has no room (select's FD_SETSIZE, the limit of epoll watches): refuse this one and stay alive. Nor
      // is it thrown, for then a peer could end a process that has no onError by connecting often enough.
      this.reactor.kernel.close(fd);
      this.refused++;
      this.handlers.acceptError?.(this, error as SystemError | UnderloopError);
      return;
    }
    this.accepted++;
    this.connections++;
    connection.opened();
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
    this.handlers.acceptError?.(
      this,
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
    const { kernel } = this.reactor;
    if (this.reserveFd < 0) return;
    kernel.close(this.reserveFd);
    for (let accepts = 0; accepts < ACCEPTS_PER_ITEM_MAX; accepts++) {
      const fd = kernel.accept(this.fd);
      if (fd < 0) break;
      kernel.close(fd);
      this.refused++;
    }
    this.reserveFd = kernel.openReserve();
  }

  private rest(): void {
    this.resting = true;
    this.updateInterest();
    this.reactor
      .setTimer(ACCEPT_BACKOFF_MS, () => {
        if (this.fd < 0) return;
        // Somebody else, another thread, may have been quicker to take the place.
        if (this.reserveFd < 0) this.reserveFd = this.reactor.kernel.openReserve();
        this.resting = false;
        this.updateInterest();
      })
      .unref();
  }

  /** @internal */
  connectionClosed(): void {
    this.connections--;
  }
}

/**
 * Listens on `host`:`port`. Throws at once: `ERR_ARGUMENT`, `ERR_HOST_NAME`, or a `SystemError` (EADDRINUSE, EACCES).
 */
export function listen<Context = unknown>(
  reactor: Reactor,
  options: ListenOptions,
  handlers: ListenerHandlers<Context>,
): Listener<Context> {
  checkReactor(reactor);
  checkObject('options', options);
  const address = checkAddress('options', options.host ?? '127.0.0.1', options.port ?? 0);
  const backlog = options.backlog ?? BACKLOG;
  checkInteger('options.backlog', backlog, 1, 65_535);
  for (const name of ['reusePort', 'ipv6Only', 'noDelay'] as const)
    checkSwitch(`options.${name}`, options[name]);
  checkQueueBound(options.writeQueueBytesMax);
  checkFlush(options.flush);
  checkHandlers(handlers);
  connectionTrigger(options.trigger, reactor.poller);

  const { kernel } = reactor;
  const fd = kernel.socket(address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  const where = { address: address.host, port: address.port };
  const must = (syscall: string, result: number, hint?: string): void => {
    if (result < 0) throw new SystemError(syscall, result, hint === undefined ? where : { ...where, hint });
  };
  const set = (option: SocketOption, value: boolean): void => {
    must('setsockopt', kernel.setOption(fd, option, value ? 1 : 0));
  };
  try {
    // Without it a restarted server waits for the old connections' TIME_WAIT (socket(7)).
    set('reuseAddress', true);
    if (options.reusePort === true) set('reusePort', true);
    if (address.family === 6 && options.ipv6Only !== undefined) set('ipv6Only', options.ipv6Only);
    if (options.noDelay === true) set('noDelay', true);
    must('bind', kernel.bind(fd, address), bindHint(address.port));
    must('listen', kernel.listen(fd, backlog));
    return new Listener(reactor, fd, options, handlers);
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
}

function bindHint(port: number): string {
  return port > 0 && port < 1024
    ? 'Ports below 1024 need privileges on most systems; choose a higher one'
    : 'Choose another port, or 0 to let the system choose';
}
