// UDP and Unix datagram sockets on the reactor: many datagrams by one call in, and many by one call out at the turn's end.

import { SystemError, UnderloopError, argumentError, checkInteger } from '../errors.js';
import { EAGAIN, ECONNREFUSED, ENOBUFS, ENOMEM } from '../kernel/errno.js';
import { ADDRESS_BYTES, DATAGRAMS_MAX, ROW_NUMBERS, batchMax, senderAt } from '../kernel/datagram-memory.js';
import type { Kernel, Membership, SocketAddress, SocketOption } from '../kernel/kernel.js';
import { packAddress, unpackAddress } from '../kernel/packed-address.js';
import { EDGE, ERROR, HANGUP, INVALID, NONE, READABLE, WRITABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { FLUSH, type Source } from '../reactor/run-queue.js';
import { whereOf } from './address.js';
import { checkTarget, type DatagramHandlers, type DatagramTarget } from './datagram-handlers.js';
import { DatagramQueue } from './datagram-queue.js';
import { DatagramStaging } from './datagram-staging.js';
import { Sender } from './sender.js';

/**
 * Datagrams that one item hands to `message`. A flooding peer gets no more before timers and neighbours have their turn: at some
 * microseconds each, this is well below a millisecond; and it is as many as one system call brings.
 */
export const DATAGRAMS_PER_ITEM_MAX = DATAGRAMS_MAX;

/** One datagram has no more bytes, whatever the socket: two of them fit where a turn's datagrams wait. */
export const DATAGRAM_BYTES_MAX = 128 * 1024;

/** When the system has no room, and no readiness will tell that it has: how long until the next attempt. */
const RETRY_MS = 2;

/** After an error that the next call would only repeat, a level trigger would report it for ever: so long it rests. */
const REST_MS = 100;

/** Errors that wait to be told; more are only counted. A peer must not make us keep an object for each datagram that fails. */
const ERRORS_MAX = 16;

const PAUSED = 1;
const CLOSED = 2;
const FLUSH_QUEUED = 4; // the reactor will run us at the turn's end
const DEFERRED = 8; // the reactor will run us in a later turn
const CONTINUE = 16; // then: read on
const RETRYING = 32; // a timer will try to send
const RESTING = 64; // a timer will let us read again
const NEED_DRAIN = 128;

interface Failure {
  readonly error: SystemError;
  readonly to: SocketAddress | null;
}

/** What a {@link DatagramSocket} is made of; `datagram()` makes it. @internal */
export interface DatagramSetup {
  readonly fd: number;
  readonly address: SocketAddress;
  readonly connected: boolean;
  readonly trigger: number;
  readonly messageBytesMax: number;
  readonly sendQueueBytesMax: number;
}

export class DatagramSocket<Context = unknown> implements Source, Disposable {
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
  /** Datagrams taken by {@link send} that the system refused, or that close() found unsent. */
  dropped = 0;
  /** System errors met, those of dropped datagrams included. */
  errors = 0;
  private slot: number;
  private flags = 0;
  private connected: boolean;
  private readonly trigger: number;
  private readonly bytesMax: number;
  private readonly batch: number;
  private readonly sendQueueBytesMax: number;
  private readonly staging: DatagramStaging;
  private readonly sender: Sender;
  // Sent in this turn and held until its end: rows that point into the shared memory.
  private readonly staged = new Int32Array(DATAGRAMS_MAX * ROW_NUMBERS);
  private stagedCount = 0;
  // Made when first needed: most sockets never do.
  private queue: DatagramQueue | null = null; // what the kernel did not take
  private untold: DatagramQueue | null = null; // received, and not handled: a handler has paused, or thrown
  private failures: Failure[] | null = null;
  // The last address that send() was given as an object, and how it is packed.
  private lastTo: SocketAddress | null = null;
  private readonly lastPacked = new Uint8Array(ADDRESS_BYTES);

  /** @internal Use {@link datagram}. */
  constructor(
    readonly reactor: Reactor,
    setup: DatagramSetup,
    readonly handlers: DatagramHandlers<Context>,
  ) {
    this.fd = setup.fd;
    this.address = setup.address;
    this.connected = setup.connected;
    this.trigger = setup.trigger;
    this.bytesMax = setup.messageBytesMax;
    this.batch = batchMax(this.bytesMax);
    this.sendQueueBytesMax = setup.sendQueueBytesMax;
    const { datagrams } = reactor.kernel;
    this.staging = DatagramStaging.of(datagrams);
    this.sender = new Sender(datagrams.bytes);
    this.slot = reactor.registry.add(this.fd, READABLE, this.trigger, this);
  }

  get closed(): boolean {
    return (this.flags & CLOSED) !== 0;
  }
  get paused(): boolean {
    return (this.flags & PAUSED) !== 0;
  }
  /** Datagrams taken by {@link send} that the system has not taken yet. */
  get queuedDatagrams(): number {
    return this.stagedCount + (this.queue?.length ?? 0);
  }
  /** The connected peer's address; null if there is none. */
  get peerAddress(): SocketAddress | null {
    const address = this.fd < 0 ? -1 : this.kernel.peerAddress(this.fd);
    return typeof address === 'number' ? null : address;
  }

  /**
   * Sends one datagram: `bytes[start..end)` to `to`, or to the connected peer. It leaves at the turn's end together with the
   * turn's others, or at once outside of a handler; the bytes are the caller's again when this returns. False: it was not
   * taken, for the queue is full (`drain` will tell), and datagrams are for those who can do without one. What the system
   * refuses later goes to the handler `error`. Throws ERR_ARGUMENT, ERR_HOST_NAME, ERR_CLOSED.
   */
  send(bytes: Uint8Array | string, to?: DatagramTarget | Sender | null, start = 0, end?: number): boolean {
    if (this.closed) throw closedError();
    if (typeof bytes === 'string') bytes = Buffer.from(bytes, 'utf8');
    else if (!(bytes instanceof Uint8Array)) throw argumentError('bytes', 'a Uint8Array or a string', bytes);
    const stop = end ?? bytes.length;
    checkInteger('start', start, 0, bytes.length);
    checkInteger('end', stop, start, bytes.length);
    const length = stop - start;
    if (length > DATAGRAM_BYTES_MAX) {
      throw argumentError('bytes', `of at most ${String(DATAGRAM_BYTES_MAX)} bytes, for a datagram`, bytes);
    }
    const memory = this.staging.memory.bytes;
    const at = this.staging.place(length);
    const addressed = this.putAddress(to ?? null, memory, at);
    const from = addressed ? at + ADDRESS_BYTES : at;
    if (bytes === memory) memory.copyWithin(from, start, stop);
    else memory.set(length === bytes.length ? bytes : bytes.subarray(start, stop), from);

    if (this.queue !== null && this.queue.length > 0) {
      return this.enqueue(memory, addressed ? at : -1, from, from + length); // behind those that wait
    }
    const row = this.stagedCount * ROW_NUMBERS;
    this.staged[row] = addressed ? at : -1;
    this.staged[row + 1] = from;
    this.staged[row + 2] = from + length;
    this.staging.hold(this, from + length, this.stagedCount === 0);
    this.stagedCount++;
    if (this.stagedCount === DATAGRAMS_MAX || !this.reactor.dispatching) this.flushStaged();
    else if ((this.flags & FLUSH_QUEUED) === 0) {
      this.flags |= FLUSH_QUEUED;
      this.reactor.flushAtEnd(this);
    }
    return true;
  }

  /** Connects to a peer: nobody else is heard from then on, `send()` needs no address, and ICMP errors are told. */
  connect(to: DatagramTarget): void {
    if (this.closed) throw closedError();
    const address = checkTarget('to', to);
    const result = this.kernel.connect(this.fd, address);
    if (result < 0) throw new SystemError('connect', result, { fd: this.fd, ...whereOf(address) });
    this.connected = true;
  }

  /** Reads no more until {@link resume}; the kernel's buffer fills, and then the kernel drops. */
  pause(): void {
    if ((this.flags & (CLOSED | PAUSED)) !== 0) return;
    this.flags |= PAUSED;
    this.updateInterest();
  }
  resume(): void {
    if ((this.flags & CLOSED) !== 0 || (this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    this.updateInterest();
    if (this.untold !== null && this.untold.length > 0) this.goOn();
  }

  /** Sends what was sent in this turn, then closes; what the system did not take is dropped. `close` follows. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.flushStaged();
    this.flags |= CLOSED;
    this.dropped += this.queue?.length ?? 0;
    this.queue = this.untold = this.failures = null;
    const { fd } = this;
    this.reactor.registry.remove(this.slot);
    this.fd = this.slot = -1;
    this.kernel.close(fd);
    this.reactor.closing(this);
  }
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

  /** Hears what is sent to a multicast group. `networkInterface`: a name, a number or a local IPv4 address; ip(7), ipv6(7). */
  joinGroup(group: string, networkInterface = ''): void {
    this.setMembership('join', group, networkInterface);
  }
  leaveGroup(group: string, networkInterface = ''): void {
    this.setMembership('leave', group, networkInterface);
  }
  /** The interface that multicast leaves by; '' for the system's choice. */
  setMulticastInterface(networkInterface: string): void {
    this.setMembership('outgoing', '', networkInterface);
  }
  /** An option of the socket as the system has it: Linux gives twice the buffer bytes that were asked for (socket(7)). */
  getOption(option: SocketOption): number {
    if (this.closed) throw closedError();
    const value = this.kernel.getOption(this.fd, option);
    if (value < 0) throw new SystemError('getsockopt', value, { fd: this.fd });
    return value;
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

  private ready(readiness: number): void {
    if (readiness === FLUSH) {
      this.flags &= ~FLUSH_QUEUED;
      this.flushStaged();
      return;
    }
    if (readiness === 0) {
      // Queued before close(), or by it: of the two the one that comes last tells of the end.
      const deferred = (this.flags & DEFERRED) !== 0;
      const goesOn = (this.flags & CONTINUE) !== 0;
      this.flags &= ~(DEFERRED | CONTINUE);
      if (this.closed) {
        if (!deferred) this.handlers.close?.(this);
        return;
      }
      this.tellFailures();
      if (!goesOn || (this.flags & (CLOSED | PAUSED | RESTING)) !== 0) return;
    } else {
      if ((readiness & WRITABLE) !== 0) this.flushQueue();
      if ((this.flags & CLOSED) !== 0 || (readiness & ~WRITABLE) === 0) return;
      if ((this.flags & (PAUSED | RESTING)) !== 0) {
        this.takeError(readiness);
        return;
      }
    }
    this.receive();
  }

  /** @internal */
  handlerFor(readiness: number): unknown {
    // Told, and never called from there.
    /* eslint-disable @typescript-eslint/unbound-method */
    if (this.closed) return this.handlers.close;
    return (readiness & WRITABLE) !== 0 ? this.handlers.drain : this.handlers.message;
    /* eslint-enable @typescript-eslint/unbound-method */
  }

  private get kernel(): Kernel {
    return this.reactor.kernel;
  }

  // ---- Receiving ------------------------------------------------------------------------------------------

  private receive(): void {
    const { staging } = this;
    // A handler of another socket runs a second reactor's turn, and that one has come here: its datagrams would be lost.
    if (staging.receiving) {
      this.goOn();
      return;
    }
    staging.receiving = true;
    try {
      let left = DATAGRAMS_PER_ITEM_MAX - this.tellUntold();
      while (left > 0) {
        if ((this.flags & (CLOSED | PAUSED | RESTING)) !== 0) return;
        const wanted = Math.min(left, this.batch);
        const count = this.kernel.receiveDatagrams(this.fd, wanted, this.bytesMax);
        if (count === EAGAIN) return;
        if (count < 0) this.receiveFailed(count);
        else this.tellReceived(count);
        // Level: what is left is reported again next turn, after the neighbours. Edge: it is not, so read on until there is
        // nothing; a call that brought fewer than wanted has met the end, unless it met an error of the connected peer there.
        if ((this.trigger & EDGE) === 0 || (count >= 0 && count < wanted && !this.connected)) return;
        left -= Math.max(count, 1);
      }
      if ((this.flags & (CLOSED | PAUSED | RESTING)) === 0) this.goOn();
    } finally {
      staging.receiving = false;
    }
  }

  /** Hands out a batch. When a handler pauses or throws, what is behind its datagram is kept for later: it was taken already. */
  private tellReceived(count: number): void {
    const { received, bytes } = this.staging.memory;
    let i = 0;
    try {
      for (; i < count && (this.flags & (CLOSED | PAUSED)) === 0; i++) {
        const row = i * ROW_NUMBERS;
        const start = received[row];
        const end = start + received[row + 1];
        this.tell(bytes, senderAt(i), start, end, received[row + 2] === 0 ? 0 : received[row + 3]);
      }
    } catch (error) {
      i++;
      throw error;
    } finally {
      if (i < count && (this.flags & CLOSED) === 0) this.keep(i, count);
    }
  }

  private keep(from: number, to: number): void {
    const { received, bytes } = this.staging.memory;
    this.untold ??= new DatagramQueue(Infinity); // one batch at most: nothing is read while something is untold
    for (let i = from; i < to; i++) {
      const row = i * ROW_NUMBERS;
      const start = received[row];
      const realBytes = received[row + 2] === 0 ? 0 : received[row + 3];
      this.untold.push(bytes, senderAt(i), start, start + received[row + 1], realBytes);
    }
    if ((this.flags & PAUSED) === 0) this.goOn();
  }

  /** Datagrams that an earlier item has left. Returns how many it handed out. */
  private tellUntold(): number {
    const { untold } = this;
    let told = 0;
    if (untold === null) return told;
    try {
      while (untold.length > 0 && (this.flags & (CLOSED | PAUSED)) === 0) {
        const row = untold.first * ROW_NUMBERS;
        const { table, bytes } = untold;
        const [addressAt, start, end, realBytes] = [
          table[row],
          table[row + 1],
          table[row + 2],
          table[row + 3],
        ];
        untold.drop(1); // first: a handler that throws has had its datagram
        told++;
        this.tell(bytes, addressAt, start, end, realBytes);
      }
    } finally {
      if (untold.length > 0 && (this.flags & (CLOSED | PAUSED)) === 0) this.goOn();
    }
    return told;
  }

  /** `realBytes`: 0, or how long the datagram was before it was cut off. */
  private tell(bytes: Uint8Array, senderAt: number, start: number, end: number, realBytes: number): void {
    const { handlers, sender } = this;
    sender.point(bytes, senderAt);
    try {
      if (realBytes === 0) {
        this.received++;
        handlers.message?.(this, bytes, start, end, sender);
      } else {
        this.truncated++;
        handlers.truncated?.(this, bytes, start, end, sender, realBytes);
      }
    } finally {
      if (this.reactor.development) bytes.fill(0xdb, start, end);
    }
  }

  private receiveFailed(result: number): void {
    this.fail(this.systemError('recvmsg', result, null), null);
    // On a connected socket the error was an answer to something sent, and is taken away with this; any other may stay.
    if (this.connected && result !== ENOMEM && result !== ENOBUFS) return;
    this.rest();
  }

  /** An error or hang-up while we do not read: a level trigger would report it for ever. */
  private takeError(readiness: number): void {
    if ((readiness & (ERROR | HANGUP | INVALID)) === 0) return;
    const error = -Math.abs(this.kernel.getOption(this.fd, 'error'));
    if (error !== 0) this.fail(this.systemError('recvmsg', error, null), null);
    else this.rest();
  }

  private rest(): void {
    if ((this.flags & (RESTING | CLOSED)) !== 0) return;
    this.flags |= RESTING;
    this.updateInterest();
    this.reactor
      .setTimer(REST_MS, () => {
        this.flags &= ~RESTING;
        this.updateInterest();
        if (this.untold !== null && this.untold.length > 0) this.goOn();
      })
      .unref();
  }

  // ---- Sending --------------------------------------------------------------------------------------------

  /** Packs the address to `at` and says whether there is one; else the connected peer is meant. */
  private putAddress(to: DatagramTarget | Sender | null, memory: Uint8Array, at: number): boolean {
    if (to === null) {
      if (!this.connected) throw argumentError('to', 'an address, for the socket is not connected', to);
      return false;
    }
    if (to instanceof Sender) {
      if (!to.named)
        throw argumentError('to', 'a sender that has a name: this one cannot be answered', to.address);
      if (to.bytes === memory) memory.copyWithin(at, to.at, to.at + ADDRESS_BYTES);
      else memory.set(to.bytes.subarray(to.at, to.at + ADDRESS_BYTES), at);
      return true;
    }
    const { lastTo, lastPacked } = this;
    if (typeof to !== 'object')
      throw argumentError('to', 'an address { host, port } or { path }, or a sender', to);
    if (lastTo === null || lastTo.host !== to.host || lastTo.port !== to.port || lastTo.path !== to.path) {
      this.lastTo = null;
      const address = checkTarget('to', to);
      if (!packAddress(address, lastPacked, 0)) {
        throw argumentError(
          'to',
          'an address that this system has: its interface, the length of its name',
          to,
        );
      }
      this.lastTo = address;
    }
    memory.set(lastPacked, at);
    return true;
  }

  /** @internal */
  flushStaged(): void {
    const { stagedCount: count, staged } = this;
    if (count === 0) return;
    const memory = this.staging.memory.bytes;
    const gone = this.transmit(memory, staged, 0, count);
    for (let row = gone * ROW_NUMBERS; row < count * ROW_NUMBERS; row += ROW_NUMBERS) {
      this.enqueue(memory, staged[row], staged[row + 1], staged[row + 2], true);
    }
    this.stagedCount = 0;
    this.staging.release(this);
  }

  private flushQueue(): void {
    const { queue } = this;
    if (queue === null || queue.length === 0) return;
    const count = Math.min(queue.length, DATAGRAMS_PER_ITEM_MAX);
    queue.drop(this.transmit(queue.bytes, queue.table, queue.first, count));
    this.updateInterest(); // also when the bound ended it: setting the interest again rearms an edge
    if (queue.length > 0 || (this.flags & NEED_DRAIN) === 0) return;
    this.flags &= ~NEED_DRAIN;
    this.handlers.drain?.(this);
  }

  /**
   * Sends rows until the system takes no more now; returns how many are done with, sent or refused. One that is refused
   * (EMSGSIZE, EACCES, ENOENT, ...) concerns nobody behind it.
   */
  private transmit(bytes: Uint8Array, table: Int32Array, first: number, count: number): number {
    let done = 0;
    let answered = -1; // the row at which an earlier datagram's error was told
    while (done < count) {
      const result = this.kernel.sendDatagrams(this.fd, bytes, table, first + done, count - done);
      if (result > 0) {
        this.sent += result;
        done += result;
        continue;
      }
      if (result === EAGAIN) {
        // Readiness tells when our own buffer has room. Of a receiver's full queue (unix(7)) it does so to the connected alone.
        if (this.address.family === 'unix' && !this.connected) this.retry();
        return done;
      }
      if (result === ENOBUFS || result === ENOMEM || result === 0) {
        this.retry();
        return done;
      }
      // The answer to something sent before (ICMP), told by this call, which has sent nothing: the same again.
      if (this.connected && this.address.family !== 'unix' && result === ECONNREFUSED && answered !== done) {
        answered = done;
        this.fail(this.systemError('sendmsg', result, null), null);
        continue;
      }
      const addressAt = table[(first + done) * ROW_NUMBERS];
      const to = addressAt < 0 ? null : unpackAddress(bytes, addressAt);
      this.dropped++;
      this.fail(this.systemError('sendmsg', result, to), to);
      done++;
    }
    return done;
  }

  /** Behind what waits already. `taken`: send() has said so; then what finds no room counts as dropped. */
  private enqueue(bytes: Uint8Array, addressAt: number, start: number, end: number, taken = false): boolean {
    this.queue ??= new DatagramQueue(this.sendQueueBytesMax);
    const wasEmpty = this.queue.length === 0;
    this.flags |= NEED_DRAIN;
    const room = this.queue.push(bytes, addressAt, start, end);
    if (!room && taken) this.dropped++;
    if (room && wasEmpty) this.updateInterest();
    return room;
  }

  private retry(): void {
    if ((this.flags & RETRYING) !== 0) return;
    this.flags |= RETRYING;
    const timer = this.reactor.setTimer(RETRY_MS, () => {
      this.flags &= ~RETRYING;
      if (!this.closed) this.flushQueue();
    });
    timer.unref();
  }

  // ---- Errors, interest -----------------------------------------------------------------------------------

  /** No error ends a datagram socket. It is told in a later turn, when nobody is in the middle of a call. */
  private fail(error: SystemError, to: SocketAddress | null): void {
    this.errors++;
    if (this.handlers.error === undefined) return;
    this.failures ??= [];
    if (this.failures.length < ERRORS_MAX) this.failures.push({ error, to });
    this.defer();
  }

  private tellFailures(): void {
    const { failures } = this;
    if (failures === null) return;
    try {
      for (let next = failures.shift(); next !== undefined && !this.closed; next = failures.shift()) {
        this.handlers.error?.(this, next.error, next.to);
      }
    } finally {
      if (failures.length > 0) this.defer(); // the handler has thrown
    }
  }

  /** Reads on in a later turn. */
  private goOn(): void {
    this.flags |= CONTINUE;
    this.defer();
  }

  private defer(): void {
    if ((this.flags & (DEFERRED | CLOSED)) !== 0) return;
    this.flags |= DEFERRED;
    this.reactor.defer(this);
  }

  private updateInterest(): void {
    if ((this.flags & CLOSED) !== 0) return;
    let interest = (this.flags & (PAUSED | RESTING)) === 0 ? READABLE : NONE;
    const waits = this.queue !== null && this.queue.length > 0;
    if (waits && (this.flags & RETRYING) === 0) interest |= WRITABLE;
    this.reactor.registry.setInterest(this.slot, interest);
  }

  private systemError(syscall: string, result: number, to: SocketAddress | null): SystemError {
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

function closedError(): UnderloopError {
  return new UnderloopError('ERR_CLOSED', 'the socket is closed; ask socket.closed before using it');
}
