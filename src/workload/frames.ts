// The workload's wire protocol: what requests and replies look like, and parsers that take them in pieces. docs/workload.md
// is its specification; native/blocking/frames.h says the same in C++.

/** Bytes of a request before its payload, the length field included. */
export const REQUEST_HEADER_BYTES = 16;
/** Bytes of a reply before its payload, the length field included. */
export const REPLY_HEADER_BYTES = 64;
/** Bytes of an upstream request, and of the reply that repeats it. */
export const UPSTREAM_FRAME_BYTES = 8;

/** A payload may have as many bytes: bounds what one connection makes a server hold. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024;
/** A minute: bounds how long one request may keep the reactor from everybody else. */
export const CPU_US_MAX = 60_000_000;
/** Ten minutes: bounds how long a request may stand open. */
export const WAIT_MS_MAX = 600_000;

export const STATUS_OK = 0;
export const STATUS_TOO_SHORT = 1;
export const STATUS_TOO_LONG = 2;
export const STATUS_CPU_TOO_LARGE = 3;
export const STATUS_WAIT_TOO_LARGE = 4;
export const STATUS_UPSTREAM_FAILED = 5;

/** Payload of a reply with this status, in ASCII. Those after status 1 to 4 close the connection. */
export const STATUS_REASONS: readonly string[] = [
  '',
  'frame too short: 12 bytes of header and the payload must follow the length',
  'frame too long: a payload has at most 1048576 bytes',
  'cpuUs too large: at most 60000000',
  'waitMs too large: at most 600000',
  'the upstream failed: it refused, closed or broke the connection',
];

const FIELD_BYTES = 4;
/** What a request's length field counts at least: id, cpuUs, waitMs. */
const REQUEST_BODY_BYTES_MIN = REQUEST_HEADER_BYTES - FIELD_BYTES;
const REPLY_BODY_BYTES_MIN = REPLY_HEADER_BYTES - FIELD_BYTES;
/** Room for a whole header, so that only payloads make a parser's buffer grow. */
const PENDING_BYTES_MIN = 64;
const TWO_TO_32 = 2 ** 32;

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}
export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
/** As a number: exact up to 2^53, which is 104 days of nanoseconds since the start of the machine. */
export function readUint64(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 4) * TWO_TO_32 + readUint32(bytes, at);
}
export function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, value % TWO_TO_32);
  writeUint32(bytes, at + 4, value / TWO_TO_32);
}

/**
 * Writes a request into `target` at `at` and returns its bytes: REQUEST_HEADER_BYTES and those of the payload. Checks
 * nothing, so that a test can send what is wrong.
 */
export function encodeRequest(
  target: Uint8Array,
  at: number,
  id: number,
  cpuUs: number,
  waitMs: number,
  payload?: Uint8Array,
): number {
  const payloadBytes = payload === undefined ? 0 : payload.length;
  writeUint32(target, at, REQUEST_BODY_BYTES_MIN + payloadBytes);
  writeUint32(target, at + 4, id);
  writeUint32(target, at + 8, cpuUs);
  writeUint32(target, at + 12, waitMs);
  if (payload !== undefined) target.set(payload, at + REQUEST_HEADER_BYTES);
  return REQUEST_HEADER_BYTES + payloadBytes;
}

/** A server's own account of one request. Times are CLOCK_MONOTONIC nanoseconds; 0: there was none. */
export interface Stamps {
  /** The OS id of the thread that served it. */
  thread: number;
  receivedNs: number;
  waitStartedNs: number;
  waitEndedNs: number;
  sentNs: number;
  /** What the thread's CPU clock counted while it worked on this request. */
  cpuNs: number;
  /** How long the thread was runnable but did not run, over this request; 0 where the system does not say. */
  runDelayNs: number;
}

/** Writes a reply's header, for a payload of `payloadBytes` that follows. Returns REPLY_HEADER_BYTES. */
export function encodeReplyHeader(
  target: Uint8Array,
  at: number,
  id: number,
  status: number,
  payloadBytes: number,
  stamps: Stamps,
): number {
  writeUint32(target, at, REPLY_BODY_BYTES_MIN + payloadBytes);
  writeUint32(target, at + 4, id);
  writeUint32(target, at + 8, status);
  writeUint32(target, at + 12, stamps.thread);
  writeUint64(target, at + 16, stamps.receivedNs);
  writeUint64(target, at + 24, stamps.waitStartedNs);
  writeUint64(target, at + 32, stamps.waitEndedNs);
  writeUint64(target, at + 40, stamps.sentNs);
  writeUint64(target, at + 48, stamps.cpuNs);
  writeUint64(target, at + 56, stamps.runDelayNs);
  return REPLY_HEADER_BYTES;
}

export function encodeUpstream(target: Uint8Array, at: number, id: number, waitMs: number): number {
  writeUint32(target, at, id);
  writeUint32(target, at + 4, waitMs);
  return UPSTREAM_FRAME_BYTES;
}

/**
 * Cuts a stream into frames. `feed()` lends it bytes; then call `next()` until it returns false, before those bytes
 * change. What is left of a frame is kept, at most one frame, so a parser's memory is bounded by the longest frame.
 *
 *     parser.feed(buffer, start, end);
 *     while (parser.next()) use(parser.id, parser.bytes, parser.payloadStart, parser.end);
 */
abstract class FrameParser {
  /** The frame that next() has found is `bytes[start..end)`; valid until the next call of next() or feed(). */
  bytes: Uint8Array = EMPTY;
  start = 0;
  end = 0;
  private window: Uint8Array = EMPTY;
  private at = 0;
  private limit = 0;
  private pending: Uint8Array | null = null;
  private pendingBytes = 0;
  private broken = false;

  /**
   * Bytes that the frame at `at` has as far as the first `have` of them tell: complete if that is no more than `have`.
   * Negative: the frame is bad.
   */
  protected abstract measure(bytes: Uint8Array, at: number, have: number): number;
  protected abstract bad(bytes: Uint8Array, at: number, have: number, measured: number): void;

  /** Lends `bytes[start..end)` until next() has returned false. */
  feed(bytes: Uint8Array, start: number, end: number): void {
    this.window = bytes;
    this.at = start;
    this.limit = end;
  }

  /** Whether a frame was found. A bad one is found once, with its error set; after it nothing is. */
  next(): boolean {
    if (this.broken) return false;
    if (this.pendingBytes > 0) return this.nextPending();
    const have = this.limit - this.at;
    if (have > 0) {
      const size = this.measure(this.window, this.at, have);
      if (size < 0) return this.fail(this.window, this.at, have, size);
      if (size <= have) {
        this.bytes = this.window;
        this.start = this.at;
        this.at += size;
        this.end = this.at;
        return true;
      }
      this.keep(have);
    }
    this.release();
    return false;
  }

  /** Whether the stream, should it end now, ends within a frame. */
  get partial(): boolean {
    return this.pendingBytes > 0;
  }
  /** The bytes held of a frame that is not complete. */
  protected get held(): Uint8Array {
    return (this.pending ?? EMPTY).subarray(0, this.pendingBytes);
  }

  private nextPending(): boolean {
    for (;;) {
      const pending = this.pending as Uint8Array;
      const size = this.measure(pending, 0, this.pendingBytes);
      if (size < 0) return this.fail(pending, 0, this.pendingBytes, size);
      if (size <= this.pendingBytes) {
        this.bytes = pending;
        this.start = 0;
        this.end = size;
        this.pending = null; // the frame's from now on
        this.pendingBytes = 0;
        return true;
      }
      const count = Math.min(size - this.pendingBytes, this.limit - this.at);
      if (count === 0) {
        this.release();
        return false;
      }
      this.keep(count);
    }
  }

  private keep(count: number): void {
    const needed = this.pendingBytes + count;
    if (this.pending === null || this.pending.length < needed) {
      // Grows with what has come, not with what a length field promises.
      const grown = new Uint8Array(Math.max(needed, PENDING_BYTES_MIN, 2 * this.pendingBytes));
      if (this.pending !== null) grown.set(this.pending.subarray(0, this.pendingBytes));
      this.pending = grown;
    }
    this.pending.set(this.window.subarray(this.at, this.at + count), this.pendingBytes);
    this.pendingBytes = needed;
    this.at += count;
  }

  private fail(bytes: Uint8Array, at: number, have: number, measured: number): true {
    this.broken = true;
    this.bytes = bytes;
    this.start = at;
    this.end = at + have;
    this.bad(bytes, at, have, measured);
    return true;
  }

  private release(): void {
    this.window = EMPTY;
    this.at = this.limit = 0;
  }
}

const EMPTY = new Uint8Array(0);

/** Finds requests, and refuses bad ones as early as their bytes allow. */
export class RequestParser extends FrameParser {
  /** STATUS_OK, or what is wrong with the request that next() has found. */
  status = STATUS_OK;

  get id(): number {
    return this.end - this.start < 8 ? 0 : readUint32(this.bytes, this.start + 4);
  }
  get cpuUs(): number {
    return readUint32(this.bytes, this.start + 8);
  }
  get waitMs(): number {
    return readUint32(this.bytes, this.start + 12);
  }
  get payloadStart(): number {
    return this.start + REQUEST_HEADER_BYTES;
  }

  /** The id of the request that is not complete; 0 if that has not come yet. */
  get partialId(): number {
    const { held } = this;
    return held.length < 8 ? 0 : readUint32(held, 4);
  }

  protected override measure(bytes: Uint8Array, at: number, have: number): number {
    if (have < 4) return 4;
    const bodyBytes = readUint32(bytes, at);
    if (bodyBytes < 4) return -STATUS_TOO_SHORT;
    if (have < 8) return 8; // the id is wanted for the refusal
    if (bodyBytes < REQUEST_BODY_BYTES_MIN) return -STATUS_TOO_SHORT;
    if (bodyBytes > REQUEST_BODY_BYTES_MIN + PAYLOAD_BYTES_MAX) return -STATUS_TOO_LONG;
    if (have < 12) return 12;
    if (readUint32(bytes, at + 8) > CPU_US_MAX) return -STATUS_CPU_TOO_LARGE;
    if (have < 16) return 16;
    if (readUint32(bytes, at + 12) > WAIT_MS_MAX) return -STATUS_WAIT_TOO_LARGE;
    return FIELD_BYTES + bodyBytes;
  }

  protected override bad(bytes: Uint8Array, at: number, have: number, measured: number): void {
    this.status = -measured;
    // A body of less than an id says nothing, though bytes may follow it.
    if (readUint32(bytes, at) < 4) this.end = at + Math.min(have, 4);
  }
}

/** Finds replies. A stream that cannot be a server's is an `error`. */
export class ReplyParser extends FrameParser implements Stamps {
  error: string | null = null;

  get id(): number {
    return readUint32(this.bytes, this.start + 4);
  }
  get status(): number {
    return readUint32(this.bytes, this.start + 8);
  }
  get thread(): number {
    return readUint32(this.bytes, this.start + 12);
  }
  get receivedNs(): number {
    return readUint64(this.bytes, this.start + 16);
  }
  get waitStartedNs(): number {
    return readUint64(this.bytes, this.start + 24);
  }
  get waitEndedNs(): number {
    return readUint64(this.bytes, this.start + 32);
  }
  get sentNs(): number {
    return readUint64(this.bytes, this.start + 40);
  }
  get cpuNs(): number {
    return readUint64(this.bytes, this.start + 48);
  }
  get runDelayNs(): number {
    return readUint64(this.bytes, this.start + 56);
  }
  /** The payload is `bytes[payloadStart..end)`. */
  get payloadStart(): number {
    return this.start + REPLY_HEADER_BYTES;
  }

  protected override measure(bytes: Uint8Array, at: number, have: number): number {
    if (have < 4) return 4;
    const bodyBytes = readUint32(bytes, at);
    if (bodyBytes < REPLY_BODY_BYTES_MIN || bodyBytes > REPLY_BODY_BYTES_MIN + PAYLOAD_BYTES_MAX) return -1;
    return FIELD_BYTES + bodyBytes;
  }

  protected override bad(bytes: Uint8Array, at: number): void {
    const least = String(REPLY_BODY_BYTES_MIN);
    const most = String(REPLY_BODY_BYTES_MIN + PAYLOAD_BYTES_MAX);
    this.error = `a reply's length must be ${least} to ${most} bytes; got ${String(readUint32(bytes, at))}`;
  }
}

/** Finds the 8-byte frames between a server and the upstream, in both directions. */
export class UpstreamParser extends FrameParser {
  get id(): number {
    return readUint32(this.bytes, this.start);
  }
  get waitMs(): number {
    return readUint32(this.bytes, this.start + 4);
  }

  protected override measure(): number {
    return UPSTREAM_FRAME_BYTES;
  }
  protected override bad(): void {
    // Any eight bytes are a frame; what they say is for the caller to judge.
  }
}
