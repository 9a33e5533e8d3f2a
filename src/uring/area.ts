// The memory that JavaScript and the ring share: operations are staged in it without crossing into native code.

import { binding, type NativeRing } from '../binding.js';

// Kinds of operations; the numbers, and the layout below, are those of native/uring/completions.h.
export const NOTHING = 0;
/** Accepts until it is cancelled. */
export const ACCEPT = 1;
/** Receives into buffers of the pool, until it is cancelled or none is left. */
export const RECEIVE = 2;
/** Sends as much as goes at once. A row comes only when that was not all, or when asked to report. */
export const SEND = 3;
/** One row when the descriptor is writable. */
export const WHEN_WRITABLE = 4;
/** Cancels all operations on a descriptor. No row. */
export const CANCEL_ALL = 5;
/** Cancels the receive of this slot and generation; the row is the receive's. */
export const CANCEL_RECEIVE = 6;
/** No row. */
export const CLOSE = 7;

// A staged operation: kind, fd, slot, generation, start, length, report, spare.
const RECORD_STRIDE = 8;
const START = 4;
const LENGTH = 5;
const REPORT = 6;

/** A completion is four numbers: slot; kind and generation << 8; result, or -errno; flags. */
export const ROW_STRIDE = 4;
/** The operation goes on: more rows follow. */
export const MORE = 2;
const BUFFER_SHIFT = 16;

const RECORDS = 0;
const ROWS = 1;
const WAITS = 2;
const SEND_ROWS = 3;

/** Bytes copied for one send at most: with more, the copy no longer fits the processor's nearer caches. */
export const SEND_BYTES_MAX = 64 * 1024;
/** Copies for sends begin on a cache line. */
const ALIGNMENT = 64;

/** What this kernel's rings have, by trial. */
export interface RingCapabilities {
  readonly multishotAccept: boolean;
  readonly multishotReceive: boolean;
  /** SINGLE_ISSUER and DEFER_TASKRUN: completions are made when the ring is entered, and interrupt nothing. */
  readonly deferredTaskrun: boolean;
  /** SUBMIT_ALL: one bad operation does not hold up those behind it. */
  readonly submitAll: boolean;
  /** The ring's descriptor need not be looked up at each entry. */
  readonly registeredFd: boolean;
}

export function capabilitiesOf(found: NativeRing): RingCapabilities {
  const { multishotAccept, multishotReceive, deferred, submitAll, registeredFd } = found;
  return { multishotAccept, multishotReceive, deferredTaskrun: deferred, submitAll, registeredFd };
}

export class Area {
  readonly capabilities: RingCapabilities;
  /** The ring's descriptor, whose readability stands for rows. */
  readonly fd: number;
  readonly arena: Uint8Array;
  readonly rows: Int32Array;
  /** One view of each buffer of the pool, made once. */
  private readonly buffers: Uint8Array[];
  private records: Int32Array;
  private readonly counts: Int32Array;
  private readonly stagingStart: number;
  /** Copies of one wait stand in one half of the room, so that those of the last can still be looked up. */
  private readonly halfBytes: number;
  private readonly sendsMax: number;
  private sentAtWait = -1;
  private sends = 0;
  private filledAtWait = -1;
  private filled = 0;
  readonly stride: number;

  constructor(
    private readonly handle: number,
    bufferBytes: number,
  ) {
    const described = binding.uringDescribe(handle);
    this.fd = described.fd;
    this.capabilities = capabilitiesOf(described);
    this.arena = new Uint8Array(described.arena);
    this.rows = new Int32Array(described.rows);
    this.sendsMax = this.rows.length / ROW_STRIDE / 2; // the other half is for all else
    this.records = new Int32Array(described.records);
    this.counts = new Int32Array(described.counts);
    this.stride = described.stride;
    this.stagingStart = described.stagingStart;
    this.halfBytes = (this.arena.length - this.stagingStart) >>> 1;
    this.buffers = Array.from(
      { length: this.stagingStart / this.stride },
      (_, id) => new Uint8Array(described.arena, id * this.stride, bufferBytes),
    );
  }

  /** Counts the waits: what was staged before the last one has been submitted. */
  get wait(): number {
    return this.counts[WAITS];
  }
  get rowCount(): number {
    return this.counts[ROWS];
  }
  /** Rows of this wait that say how sends have ended. The reader sets it to 0. */
  get sendRows(): number {
    return this.counts[SEND_ROWS];
  }
  set sendRows(count: number) {
    this.counts[SEND_ROWS] = count;
  }

  bufferOf(flags: number): Uint8Array {
    return this.buffers[flags >>> BUFFER_SHIFT];
  }
  startOf(flags: number): number {
    return (flags >>> BUFFER_SHIFT) * this.stride;
  }

  /** Whether one more send may be staged. How they end is told by the next wait, in rows that are kept for it. */
  get maySend(): boolean {
    return this.sentAtWait !== this.wait || this.sends < this.sendsMax;
  }

  /** Stages an operation, which is submitted by the next wait. Returns its place, for the two calls below. */
  stage(
    kind: number,
    fd: number,
    slot: number,
    generation: number,
    start = 0,
    length = 0,
    report = 0,
  ): number {
    const at = this.counts[RECORDS] * RECORD_STRIDE;
    if (at === this.records.length) this.records = new Int32Array(binding.uringGrow(this.handle));
    const { records } = this;
    records[at] = kind;
    records[at + 1] = fd;
    records[at + 2] = slot;
    records[at + 3] = generation;
    records[at + START] = start;
    records[at + LENGTH] = length;
    records[at + REPORT] = report;
    this.counts[RECORDS]++;
    if (kind === SEND) {
      if (this.sentAtWait !== this.wait) this.sends = 0;
      this.sentAtWait = this.wait;
      this.sends++;
    }
    return at;
  }
  /** The send that was staged at this place sends something else. */
  restage(at: number, start: number, length: number): void {
    this.records[at + START] = start;
    this.records[at + LENGTH] = length;
  }
  report(at: number): void {
    this.records[at + REPORT] = 1;
  }
  /** What was staged at this place is not done. */
  takeBack(at: number): void {
    this.records[at] = NOTHING;
  }

  /** Room for a copy of `length` bytes, until the wait after the next; -1 when there is no more. */
  reserve(length: number): number {
    if (this.filledAtWait !== this.wait) {
      this.filledAtWait = this.wait;
      this.filled = 0;
    }
    if (length > this.halfBytes - this.filled) return -1;
    const at = this.stagingStart + (this.wait & 1) * this.halfBytes + this.filled;
    this.filled = (this.filled + length + ALIGNMENT - 1) & -ALIGNMENT;
    return at;
  }
  /** Lengthens the copy that was reserved last, if it ends at `end`. */
  extend(end: number, length: number): boolean {
    const last = this.stagingStart + (this.wait & 1) * this.halfBytes + this.filled;
    if (this.filledAtWait !== this.wait || ((end + ALIGNMENT - 1) & -ALIGNMENT) !== last) return false;
    if (length > this.halfBytes - this.filled) return false;
    this.filled = (this.filled + length + ALIGNMENT - 1) & -ALIGNMENT;
    return true;
  }
  copy(at: number, bytes: Uint8Array, start: number, end: number): void {
    this.arena.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
  }
}
