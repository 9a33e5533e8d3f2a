// The workload's handler in TypeScript: reads requests, burns, waits on the upstream, replies; on the reactor or on node:net.
// native/blocking/session.cc is its twin; a test drives both with the same frames and compares every byte.

import { Buffer } from 'node:buffer';
import { binding } from '../binding.js';
import {
  PAYLOAD_BYTES_MAX,
  REPLY_HEADER_BYTES,
  RequestParser,
  STATUS_OK,
  STATUS_REASONS,
  STATUS_TOO_SHORT,
  STATUS_UPSTREAM_FAILED,
  encodeReplyHeader,
  type Stamps,
} from './frames.js';

/** Requests of one connection that wait on the upstream at a time; beyond, its client waits. */
export const IN_FLIGHT_MAX = 1024;
/** Payload bytes that they hold at a time; beyond, its client waits. */
export const IN_FLIGHT_BYTES_MAX = 1024 * 1024;
/** Reply bytes that a client may leave unread before nothing more is read from it. */
export const UNREAD_BYTES_MAX = 64 * 1024;
/** What one connection must be able to queue, so that no reply to what was read under the bounds above is ever cut. */
export const WRITE_QUEUE_BYTES = 8 * 1024 * 1024;

/**
 * A refused client that goes on sending is read for as long and as far before its connection is closed, because close()
 * with unread bytes sends a reset, which may overtake the reply that says why (RFC 1122, 4.2.2.13).
 */
const LINGER_MS = 1000;
const LINGER_BYTES_MAX = 4 * 1024 * 1024;

/** Replies that go out in one write at most. */
const REPLIES_BYTES = 64 * 1024;
/** With less room behind what was read, replies are put together elsewhere. */
const TAIL_BYTES_MIN = 8 * 1024;

/** What a session needs of its client's connection. A `Connection` of ours is one. */
export interface Wire {
  readonly closed: boolean;
  readonly queuedBytes: number;
  /** Takes all of `bytes[start..end)`, sent or copied, and returns how many bytes that was. */
  write(bytes: Uint8Array, start: number, end: number): number;
  pause(): void;
  resume(): void;
  /** Ends our half after what is queued. */
  end(): void;
  close(): void;
}

/** What a handler needs of the place where it runs. */
export interface Ground {
  /** Calls `callback` in `delayMs`; returns what cancels it. Does not keep the server alive. */
  later(delayMs: number, callback: () => void): () => void;
}

/** One request that waits, and how to go on with it. */
export interface Waiter {
  /** Called once, when the upstream has answered or has failed; never from within {@link UpstreamCalls.call}. */
  waitEnded(ok: boolean): void;
}

/** The handler's way to the upstream. */
export interface UpstreamCalls {
  /** The call itself waits, with the thread: see {@link Work}. */
  readonly blocks?: boolean;
  /** False: it cannot even be asked. */
  call(waiter: Waiter, waitMs: number): boolean;
}

/** What a server counts of its workload; connections are the model's to count. */
export class WorkloadCounters {
  /** Requests that were answered as asked. */
  served = 0;
  /** Bad frames and failed upstream calls. */
  errors = 0;
}

export interface HandlerOptions {
  /** Ends each connection after so many requests; 0: never. */
  requestsPerConnection: number;
  /** Where it counts; counters of its own unless given. */
  counters?: WorkloadCounters;
}

/** What all connections of one server share: its upstream, counters, and the place where replies are put together. */
export class Handler {
  readonly counters: WorkloadCounters;
  readonly thread = binding.threadId();
  readonly replies = new Replies();

  constructor(
    readonly ground: Ground,
    readonly upstream: UpstreamCalls,
    readonly options: HandlerOptions,
  ) {
    this.counters = options.counters ?? new WorkloadCounters();
  }

  /** One client. Made when it first says something: an idle connection has none. */
  session(wire: Wire): Session {
    return new Session(this, wire);
  }
}

const READING = 0;
const FINISHING = 1; // takes no more requests; ends when those it has are answered
const DISCARDING = 2; // our half has ended; what still comes is thrown away

/** One client's conversation. */
export class Session {
  private readonly parser = new RequestParser();
  private state = READING;
  private taken = 0;
  private inFlight = 0;
  private inFlightBytes = 0;
  private held = false;
  private receivedNs = 0;
  private refusal = STATUS_OK;
  private refusedId = 0;
  private discarded = 0;
  private stopLinger: (() => void) | null = null;

  constructor(
    private readonly handler: Handler,
    private readonly wire: Wire,
  ) {}

  /**
   * Bytes have come: `bytes[start..end)`. `tailFree` says that what stands behind them may be written to meanwhile, as
   * in the reactor's own buffer.
   */
  received(bytes: Uint8Array, start: number, end: number, tailFree: boolean): void {
    if (this.state !== READING) {
      this.discarded += end - start;
      if (this.discarded > LINGER_BYTES_MAX) this.wire.close();
      return;
    }
    this.receivedNs = binding.monotonicNs();
    const { parser } = this;
    const { replies } = this.handler;
    replies.open(this.wire, bytes, tailFree ? end : bytes.length);
    parser.feed(bytes, start, end);
    while (parser.next()) {
      if (parser.status !== STATUS_OK) {
        this.refuse(parser.status, parser.id);
        break;
      }
      this.answer();
      if (++this.taken === this.handler.options.requestsPerConnection) {
        this.state = FINISHING;
        break;
      }
    }
    replies.flush();
    this.settle();
  }

  /** The client has ended its half. What it has asked is answered still. */
  ended(): void {
    if (this.state === READING) {
      if (this.parser.partial) {
        this.receivedNs = binding.monotonicNs();
        this.refuse(STATUS_TOO_SHORT, this.parser.partialId);
      }
      this.state = FINISHING;
    }
    this.settle();
  }

  /** The client has read what was queued for it. */
  drained(): void {
    this.settle();
  }

  closed(): void {
    this.stopLinger?.();
  }

  private answer(): void {
    const { parser } = this;
    const { id, cpuUs, waitMs } = parser;
    // A request that asks for neither work nor a wait is not accounted: that would take longer than its answer.
    if (cpuUs === 0 && waitMs === 0) {
      this.reply(id, STATUS_OK, parser.bytes, parser.payloadStart, parser.end, this.receivedNs, null);
      return;
    }
    this.handler.replies.flush(); // what is done must not wait for what is slow
    const work = new Work(this, id, cpuUs, this.receivedNs);
    work.begin();
    if (waitMs === 0) {
      burn(cpuUs);
      work.pause();
      this.reply(id, STATUS_OK, parser.bytes, parser.payloadStart, parser.end, work.receivedNs, work);
      return;
    }
    work.payload = parser.bytes.slice(parser.payloadStart, parser.end);
    this.inFlight++;
    this.inFlightBytes += work.payload.length;
    burn(cpuUs >>> 1);
    work.waitStartedNs = binding.monotonicNs();
    const { upstream } = this.handler;
    // The wait is accounted by its own stamps. A call that blocks must not be counted twice, as run delay as well.
    if (upstream.blocks === true) work.pause();
    const asked = upstream.call(work, waitMs);
    if (upstream.blocks !== true) work.pause();
    if (!asked) this.waitOver(work, false);
  }

  /** The upstream has answered, or failed, for a request that came earlier. @internal */
  answerLate(work: Work, ok: boolean): void {
    if (this.wire.closed) return;
    const { replies } = this.handler;
    replies.open(this.wire, null, 0);
    this.waitOver(work, ok);
    replies.flush();
    this.settle();
  }

  private waitOver(work: Work, ok: boolean): void {
    this.inFlight--;
    this.inFlightBytes -= work.payload.length;
    work.waitEndedNs = binding.monotonicNs();
    work.begin();
    if (ok) burn(work.cpuUs - (work.cpuUs >>> 1));
    work.pause();
    const { payload, receivedNs } = work;
    if (ok) this.reply(work.id, STATUS_OK, payload, 0, payload.length, receivedNs, work);
    else this.replyReason(work.id, STATUS_UPSTREAM_FAILED, receivedNs, work);
  }

  private gone(): boolean {
    return this.wire.closed;
  }

  private refuse(status: number, id: number): void {
    this.refusal = status;
    this.refusedId = id;
    this.state = FINISHING;
  }

  private reply(
    id: number,
    status: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    receivedNs: number,
    work: Work | null,
  ): void {
    const { counters, replies, thread } = this.handler;
    if (status === STATUS_OK) counters.served++;
    else counters.errors++;
    stamps.thread = thread;
    stamps.receivedNs = receivedNs;
    stamps.waitStartedNs = work === null ? 0 : work.waitStartedNs;
    stamps.waitEndedNs = work === null ? 0 : work.waitEndedNs;
    stamps.cpuNs = work === null ? 0 : work.cpuNs;
    stamps.runDelayNs = work === null ? 0 : work.runDelayNs;
    stamps.sentNs = binding.monotonicNs();
    replies.add(id, status, bytes, start, end);
  }

  private replyReason(id: number, status: number, receivedNs: number, work: Work | null): void {
    const reason = reasonBytes[status];
    this.reply(id, status, reason, 0, reason.length, receivedNs, work);
  }

  /** After anything has changed: ends when there is nothing left to answer, and reads only what it may hold. */
  private settle(): void {
    const { wire } = this;
    if (this.gone()) return;
    if (this.state === FINISHING && this.inFlight === 0) {
      this.state = DISCARDING;
      // The refusal is the last reply: those to earlier requests went before it, as they do on a blocking thread.
      if (this.refusal !== STATUS_OK) {
        this.handler.replies.open(wire, null, 0);
        this.replyReason(this.refusedId, this.refusal, this.receivedNs, null);
        this.handler.replies.flush();
        if (this.gone()) return;
      }
      wire.end();
      // Ending may have closed it, if the client had ended its half before.
      if (!this.gone()) this.stopLinger = this.handler.ground.later(LINGER_MS, () => wire.close());
    }
    const hold =
      this.state === READING &&
      (this.inFlight >= IN_FLIGHT_MAX ||
        this.inFlightBytes >= IN_FLIGHT_BYTES_MAX ||
        wire.queuedBytes > UNREAD_BYTES_MAX);
    if (hold === this.held) return;
    this.held = hold;
    if (hold) wire.pause();
    else wire.resume();
  }
}

/** One request that is worked on: what it has taken so far, over the pieces of time in which the thread was its own. */
class Work implements Waiter {
  payload: Uint8Array = EMPTY;
  waitStartedNs = 0;
  waitEndedNs = 0;
  cpuNs = 0;
  runDelayNs = 0;

  constructor(
    private readonly session: Session,
    readonly id: number,
    readonly cpuUs: number,
    readonly receivedNs: number,
  ) {}

  begin(): void {
    this.runDelayNs -= binding.runDelayNs();
    this.cpuNs -= binding.threadCpuNs();
  }
  pause(): void {
    this.cpuNs += binding.threadCpuNs();
    this.runDelayNs += binding.runDelayNs();
  }

  waitEnded(ok: boolean): void {
    this.session.answerLate(this, ok);
  }
}

const EMPTY = new Uint8Array(0);
const reasonBytes = STATUS_REASONS.map((reason) => Buffer.from(reason, 'ascii'));
/** Filled anew for each reply. */
const stamps: Stamps = {
  thread: 0,
  receivedNs: 0,
  waitStartedNs: 0,
  waitEndedNs: 0,
  sentNs: 0,
  cpuNs: 0,
  runDelayNs: 0,
};

/** Works until the thread's CPU clock has moved on, not the wall's: being preempted is not work. */
function burn(cpuUs: number): void {
  if (cpuUs === 0) return;
  const untilNs = binding.threadCpuNs() + cpuUs * 1000;
  while (binding.threadCpuNs() < untilNs);
}

/** Gathers the replies to what came in one read, so that they go out in one write. */
class Replies {
  private readonly own = new Uint8Array(REPLIES_BYTES);
  private wire: Wire | null = null;
  private bytes: Uint8Array = this.own;
  private first = 0;
  private used = 0;

  /** Replies to `wire` follow. Those of the reactor's buffer that are free are used, for they are sent at less cost. */
  open(wire: Wire, buffer: Uint8Array | null, freeFrom: number): void {
    this.wire = wire;
    const useTail = buffer !== null && buffer.length - freeFrom >= TAIL_BYTES_MIN;
    this.bytes = useTail ? buffer : this.own;
    this.first = this.used = useTail ? freeFrom : 0;
  }

  /** Adds the reply that the stamps are set for. */
  add(id: number, status: number, bytes: Uint8Array, start: number, end: number): void {
    const payloadBytes = end - start;
    const size = REPLY_HEADER_BYTES + payloadBytes;
    if (this.used + size > this.bytes.length) this.flush();
    if (this.used + size > this.bytes.length) {
      const large = new Uint8Array(REPLY_HEADER_BYTES + Math.min(payloadBytes, PAYLOAD_BYTES_MAX));
      encodeReplyHeader(large, 0, id, status, payloadBytes, stamps);
      large.set(bytes.subarray(start, end), REPLY_HEADER_BYTES);
      this.write(large, 0, large.length);
      return;
    }
    const at = this.used + encodeReplyHeader(this.bytes, this.used, id, status, payloadBytes, stamps);
    if (bytes === this.bytes) bytes.copyWithin(at, start, end);
    else if (payloadBytes > 0) this.bytes.set(bytes.subarray(start, end), at);
    this.used = at + payloadBytes;
  }

  flush(): void {
    if (this.used === this.first) return;
    const end = this.used;
    this.used = this.first;
    this.write(this.bytes, this.first, end);
  }

  private write(bytes: Uint8Array, start: number, end: number): void {
    const wire = this.wire as Wire;
    // A stream with a piece missing is of no use to anybody.
    if (!wire.closed && wire.write(bytes, start, end) < end - start) wire.close();
  }
}
