// What a datagram socket is: its descriptor and state, its options and groups, its errors, and its end.

import { SystemError, UnderloopError, argumentError } from '../errors.js';
import type { Kernel, Membership, SocketAddress, SocketOption } from '../kernel/kernel.js';
import { NONE, READABLE, WRITABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import { whereOf } from './address.js';
import type { DatagramHandlers } from './datagram-handlers.js';
import type { DatagramQueue } from './datagram-queue.js';
import type { DatagramSocket } from './datagram-socket.js';
import { removeFile, type SocketFile } from './socket-file.js';

/** Errors that wait to be told; more are only counted. A peer must not make us keep an object for each datagram that fails. */
const ERRORS_MAX = 16;

export const PAUSED = 1;
export const CLOSED = 2;
export const FLUSH_QUEUED = 4; // the reactor will run us at the turn's end
export const DEFERRED = 8; // the reactor will run us in a later turn
export const CONTINUE = 16; // then: read on
export const RETRYING = 32; // a timer will try to send
export const RESTING = 64; // a timer will let us read again
export const NEED_DRAIN = 128;
const REFUSED = 256; // the poller has refused: a timer will ask it again

/** After an error that the next call would only repeat, a level trigger would report it for ever: so long it rests. */
export const REST_MS = 100;

interface Failure {
  readonly error: SystemError | UnderloopError;
  readonly to: SocketAddress | null;
}

/** What a {@link DatagramSocket} is made of; `datagram()` makes it. @internal */
export interface DatagramSetup {
  readonly fd: number;
  readonly address: SocketAddress;
  /** What its close removes. */
  readonly file: SocketFile | null;
  readonly connected: boolean;
  readonly trigger: number;
  readonly messageBytesMax: number;
  readonly sendQueueBytesMax: number;
}

/** The state that every datagram socket has, and all that neither sends nor receives. */
export abstract class DatagramEndpoint<Context> implements Source, Disposable {
  /** The descriptor; -1 once closed. */
  fd: number;
  /** The address bound, with the port that the system chose; a Unix socket without a name has the path ''. */
  readonly address: SocketAddress;
  /** Whatever the user wants to keep with the socket. */
  context: Context | undefined = undefined;
  /** Datagrams received whole. */
  received = 0;
  /** Datagrams received that were longer than `messageBytesMax`, and cut off. */
  truncated = 0;
  /** Datagrams that the system has taken. Nobody knows whether they arrive. */
  sent = 0;
  /** Datagrams taken by `send()` that the system refused, or that `close()` found unsent. */
  dropped = 0;
  /** System errors met, those of dropped datagrams included. */
  errors = 0;
  /** @internal */ protected flags = 0;
  /** @internal */ protected connected: boolean;
  // Made when first needed: most sockets never do.
  /** What the kernel did not take. @internal */ protected queue: DatagramQueue | null = null;
  /** Received, and not handled: a handler has paused, or thrown. @internal */
  protected untold: DatagramQueue | null = null;
  private failures: Failure[] | null = null;
  /** @internal */ protected slot = -1;
  private readonly file: SocketFile | null;

  /** @internal */
  constructor(
    /** The reactor that it lives on. */
    readonly reactor: Reactor,
    setup: DatagramSetup,
    /** Those that `datagram()` was given. */
    readonly handlers: DatagramHandlers<Context>,
  ) {
    this.fd = setup.fd;
    this.address = setup.address;
    this.file = setup.file;
    this.connected = setup.connected;
  }

  /** @internal */
  abstract run(readiness: number): void;
  /** @internal */
  abstract flushStaged(): void;

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return (this.flags & CLOSED) !== 0;
  }
  /** Whether {@link pause} holds its receiving. */
  get paused(): boolean {
    return (this.flags & PAUSED) !== 0;
  }
  /** The connected peer's address; null if there is none. getpeername(2). */
  get peerAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.kernel.peerAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }

  /** Reads no more until {@link resume}; the kernel's buffer fills, and then the kernel drops. */
  pause(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== 0) return;
    this.flags |= PAUSED;
    this.updateInterest();
  }
  /** Receives again; what was kept when a handler paused comes first. Idempotent. */
  resume(): void {
    if ((this.flags & CLOSED) !== 0 || (this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    this.updateInterest();
    if (this.untold !== null && this.untold.length > 0) this.goOn();
  }

  /**
   * Sends what was sent in this turn, then closes; what the system did not take is dropped. Removes the file of a Unix
   * socket, if it is still the one that this socket made. The handler `close` follows in a later turn. Idempotent.
   */
  close(): void {
    if (this.closed) return;
    this.flushStaged();
    this.flags |= CLOSED;
    this.dropped += this.queue?.length ?? 0;
    this.queue = this.untold = this.failures = null;
    const { fd } = this;
    const isOurs = this.reactor.registry.removeSource(fd, this);
    this.fd = this.slot = -1;
    removeFile(this.kernel, this.file); // before the descriptor: from then on another may put its own file there
    if (isOurs) this.kernel.close(fd);
    this.reactor.closing(this);
  }
  /** The end of a `using` block: {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
  /** @internal */
  dispose(): void {
    this.close();
  }

  /** The socket keeps `run()` going (the default). */
  ref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  /** `run()` may end although this socket is open. */
  unref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /**
   * Hears what is sent to a multicast group, a numeric address. `networkInterface`: a name, a number or a local IPv4 address;
   * '' for the system's choice. Throws ERR_ARGUMENT, ERR_CLOSED, a `SystemError` (EINVAL, ENODEV, EADDRINUSE). ip(7), ipv6(7).
   */
  joinGroup(group: string, networkInterface = ''): void {
    this.setMembership('join', group, networkInterface);
  }
  /** Hears it no more. Arguments and errors as those of {@link joinGroup}; EADDRNOTAVAIL if it had not joined. */
  leaveGroup(group: string, networkInterface = ''): void {
    this.setMembership('leave', group, networkInterface);
  }
  /** The interface that multicast leaves by; '' for the system's choice. Throws as {@link joinGroup} does. */
  setMulticastInterface(networkInterface: string): void {
    this.setMembership('outgoing', '', networkInterface);
  }
  /**
   * An option of the socket as the system has it, a switch as 0 or 1: Linux gives twice the buffer bytes that were asked for
   * (socket(7)). Throws ERR_CLOSED, a `SystemError`. getsockopt(2).
   */
  getOption(option: SocketOption): number {
    if (this.closed) throw closedError();
    const value = this.kernel.getOption(this.fd, option);
    if (value < 0)
      throw new SystemError('getsockopt', value, { fd: this.fd, hint: `The option is ${option}` });
    return value;
  }

  /** @internal */
  protected get kernel(): Kernel {
    return this.reactor.kernel;
  }
  /** @internal */
  protected get self(): DatagramSocket<Context> {
    return this as unknown as DatagramSocket<Context>;
  }

  /** No error ends a datagram socket. It is told in a later turn, when nobody is in the middle of a call. @internal */
  protected fail(error: SystemError | UnderloopError, to: SocketAddress | null): void {
    this.errors++;
    if (this.handlers.error === undefined) return;
    this.failures ??= [];
    if (this.failures.length < ERRORS_MAX) this.failures.push({ error, to });
    this.defer();
  }

  /** @internal */
  protected tellFailures(): void {
    const { failures } = this;
    if (failures === null) return;
    try {
      for (let next = failures.shift(); next !== undefined && !this.closed; next = failures.shift()) {
        this.handlers.error?.(this.self, next.error, next.to);
      }
    } finally {
      if (failures.length > 0) this.defer(); // the handler has thrown
    }
  }

  /** Reads on in a later turn. @internal */
  protected goOn(): void {
    this.flags |= CONTINUE;
    this.defer();
  }

  private defer(): void {
    if ((this.flags & (DEFERRED | CLOSED)) !== 0) return;
    this.flags |= DEFERRED;
    this.reactor.defer(this);
  }

  /** @internal */
  protected updateInterest(): void {
    const { registry } = this.reactor;
    if ((this.flags & CLOSED) !== 0 || registry.source(this.slot) !== this) return;
    let interest = (this.flags & (PAUSED | RESTING)) === 0 ? READABLE : NONE;
    const waits = this.queue !== null && this.queue.length > 0;
    if (waits && (this.flags & RETRYING) === 0) interest |= WRITABLE;
    try {
      registry.setInterest(this.slot, interest);
    } catch (error) {
      // The poller refuses (epoll_ctl(2): ENOMEM; ENOSPC to put back what was parked), and nobody would ask it again.
      if ((this.flags & REFUSED) !== 0) return;
      this.flags |= REFUSED;
      this.reactor
        .setTimer(REST_MS, () => {
          this.flags &= ~REFUSED;
          this.updateInterest();
        })
        .unref();
      this.fail(error as SystemError | UnderloopError, null);
    }
  }

  /** @internal */
  protected systemError(syscall: string, result: number, to: SocketAddress | null): SystemError {
    return new SystemError(syscall, result, { fd: this.fd, ...whereOf(to ?? this.peerAddress) });
  }

  private setMembership(membership: Membership, group: string, networkInterface: string): void {
    if (this.closed) throw closedError();
    const { family } = this.address;
    if (family === 'unix')
      throw argumentError('socket', 'an IPv4 or IPv6 socket, for multicast', 'a Unix socket');
    if (typeof group !== 'string') throw argumentError('group', 'a multicast address', group);
    if (typeof networkInterface !== 'string') {
      throw argumentError('networkInterface', 'a name, a number or an address as a string', networkInterface);
    }
    const result = this.kernel.setMembership(this.fd, membership, family, group, networkInterface);
    if (result < 0)
      throw new SystemError(`setsockopt ${membership} ${group}`.trimEnd(), result, { fd: this.fd });
  }
}

export function closedError(): UnderloopError {
  return new UnderloopError('ERR_CLOSED', 'the socket is closed; ask socket.closed before using it');
}
