// The sending half of a datagram socket: what a turn sends leaves together at its end; what the system refuses waits or is told.

import { SystemError, argumentError, checkInteger } from '../errors.js';
import { ADDRESS_BYTES, DATAGRAMS_MAX, ROW_NUMBERS } from '../kernel/datagram-memory.js';
import { EAGAIN, ECONNREFUSED, ENOBUFS, ENOMEM } from '../kernel/errno.js';
import type { SocketAddress } from '../kernel/kernel.js';
import { packAddress, unpackAddress } from '../kernel/packed-address.js';
import type { Reactor } from '../reactor/reactor.js';
import { whereOf } from './address.js';
import {
  DatagramEndpoint,
  FLUSH_QUEUED,
  NEED_DRAIN,
  RETRYING,
  closedError,
  type DatagramSetup,
} from './datagram-endpoint.js';
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

export abstract class DatagramSending<Context> extends DatagramEndpoint<Context> {
  /** @internal */ protected readonly staging: DatagramStaging;
  private readonly sendQueueBytesMax: number;
  // Sent in this turn and held until its end: rows that point into the shared memory.
  private readonly staged = new Int32Array(DATAGRAMS_MAX * ROW_NUMBERS);
  private stagedCount = 0;
  // The last address that send() was given as an object, and how it is packed.
  private lastTo: SocketAddress | null = null;
  private readonly lastPacked = new Uint8Array(ADDRESS_BYTES);

  /** @internal */
  constructor(reactor: Reactor, setup: DatagramSetup, handlers: DatagramHandlers<Context>) {
    super(reactor, setup, handlers);
    this.sendQueueBytesMax = setup.sendQueueBytesMax;
    this.staging = DatagramStaging.of(reactor.kernel.datagrams);
  }

  /** Datagrams taken by {@link send} that the system has not taken yet. */
  get queuedDatagrams(): number {
    return this.stagedCount + (this.queue?.length ?? 0);
  }
  /**
   * Sends one datagram: `bytes[start..end)` to `to`, or to the connected peer. It leaves at the turn's end together with the
   * turn's others, or at once outside of a handler; the bytes are the caller's again when this returns. False: it was not
   * taken, for the queue is full (`drain` will tell), and datagrams are for those who can do without one. What the system
   * refuses later goes to the handler `error`. A string is sent as UTF-8. Throws ERR_ARGUMENT, ERR_HOST_NAME, ERR_CLOSED.
   * sendmmsg(2), udp(7).
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

  /**
   * Connects to a peer: nobody else is heard from then on, `send()` needs no address, and ICMP errors are told. Throws
   * ERR_ARGUMENT, ERR_HOST_NAME, ERR_CLOSED, a `SystemError` (ENETUNREACH; ENOENT, ECONNREFUSED of a Unix peer that is not
   * there). connect(2).
   */
  connect(to: DatagramTarget): void {
    if (this.closed) throw closedError();
    const address = checkTarget('to', to);
    const result = this.kernel.connect(this.fd, address);
    if (result < 0) throw new SystemError('connect', result, { fd: this.fd, ...whereOf(address) });
    this.connected = true;
  }

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

  /** @internal */
  protected flushQueue(): void {
    const { queue } = this;
    if (queue === null || queue.length === 0) return;
    const count = Math.min(queue.length, DATAGRAMS_PER_ITEM_MAX);
    const done = this.transmit(queue.bytes, queue.table, queue.first, count);
    queue.drop(done);
    // Reported as writable, and yet nothing was taken: it would be reported in every turn.
    if (done === 0) this.retry();
    this.updateInterest(); // also when the bound ended it: setting the interest again rearms an edge
    if (queue.length > 0 || (this.flags & NEED_DRAIN) === 0) return;
    this.flags &= ~NEED_DRAIN;
    this.handlers.drain?.(this.self);
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
}
