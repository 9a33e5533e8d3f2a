// UDP and Unix datagram sockets on the reactor: what each readiness does, and receiving many datagrams by one call.

import { ENOBUFS, ENOMEM, EAGAIN } from '../kernel/errno.js';
import { ROW_NUMBERS, batchMax, senderAt } from '../kernel/datagram-memory.js';
import { EDGE, ERROR, HANGUP, INVALID, READABLE, WRITABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import { FLUSH } from '../reactor/run-queue.js';
import {
  CLOSED,
  CONTINUE,
  DEFERRED,
  FLUSH_QUEUED,
  PAUSED,
  RESTING,
  REST_MS,
  type DatagramSetup,
} from './datagram-endpoint.js';
import type { DatagramHandlers } from './datagram-handlers.js';
import { DatagramQueue } from './datagram-queue.js';
import { DATAGRAMS_PER_ITEM_MAX, DatagramSending } from './datagram-sending.js';
import { Sender } from './sender.js';

export { DATAGRAMS_PER_ITEM_MAX };

/** A socket of whole messages, UDP or Unix, made by `datagram()`. No error ends it; {@link DatagramSocket.close} does. */
export class DatagramSocket<Context = unknown> extends DatagramSending<Context> {
  private readonly trigger: number;
  private readonly bytesMax: number;
  private readonly batch: number;
  private readonly sender: Sender;

  /** @internal Use {@link datagram}. */
  constructor(reactor: Reactor, setup: DatagramSetup, handlers: DatagramHandlers<Context>) {
    super(reactor, setup, handlers);
    this.trigger = setup.trigger;
    this.bytesMax = setup.messageBytesMax;
    this.batch = batchMax(this.bytesMax);
    this.sender = new Sender(reactor.kernel.datagrams.bytes);
    this.slot = reactor.registry.add(this.fd, READABLE, this.trigger, this); // last: nothing may throw behind it
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
}
