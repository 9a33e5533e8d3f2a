// The memory that datagrams come into and go out of: one block per kernel, whose layout the addon knows too.

/** Datagrams that one call moves at most. Beyond some dozens a system call more is no longer noticed (bench/, part udp). */
export const DATAGRAMS_MAX = 64;
/** Numbers per row of a table. Received: start, length, 1 if it was cut off, real length. To send: see {@link OutgoingRow}. */
export const ROW_NUMBERS = 4;
/** Room of one packed address: see packed-address.ts. */
export const ADDRESS_BYTES = 128;

// The same numbers stand in native/datagram.h. Slots: 31 of the largest datagrams there are. Pages that no datagram
// reaches are never touched, and cost no memory.
const SLOTS_BYTES = 2 * 1024 * 1024;
/** Bytes, addresses included, that wait for the end of a turn, of all sockets together. */
const OUTGOING_BYTES = 512 * 1024;
const ADDRESSES_AT = DATAGRAMS_MAX * ROW_NUMBERS * 4;
const SLOTS_AT = ADDRESSES_AT + DATAGRAMS_MAX * ADDRESS_BYTES;
const OUTGOING_AT = SLOTS_AT + SLOTS_BYTES;
export const DATAGRAM_BLOCK_BYTES = OUTGOING_AT + OUTGOING_BYTES;

/** Views of the block. A row of {@link received} says where in {@link bytes} a datagram stands. */
export class DatagramMemory {
  readonly bytes: Uint8Array;
  readonly received: Int32Array;
  /** Where outgoing datagrams begin in {@link bytes}. */
  readonly outgoingStart = OUTGOING_AT;
  readonly outgoingEnd = DATAGRAM_BLOCK_BYTES;

  constructor(block: ArrayBuffer = new ArrayBuffer(DATAGRAM_BLOCK_BYTES)) {
    this.bytes = new Uint8Array(block);
    this.received = new Int32Array(block, 0, DATAGRAMS_MAX * ROW_NUMBERS);
  }
}

/** Where the packed address of the sender of datagram `i` stands. */
export function senderAt(i: number): number {
  return ADDRESSES_AT + i * ADDRESS_BYTES;
}

/**
 * The distance from one datagram's slot to the next. Slots that are a power of two apart would meet in the same few places of
 * the core's cache: hence one line more.
 */
export function slotBytes(bytesMax: number): number {
  return ((bytesMax + 63) & ~63) + 64;
}

/** Where datagram `i` is put when none may have more than `bytesMax`. */
export function slotAt(i: number, bytesMax: number): number {
  return SLOTS_AT + i * slotBytes(bytesMax);
}

/** How many datagrams of up to `bytesMax` one call can receive. */
export function batchMax(bytesMax: number): number {
  return Math.min(DATAGRAMS_MAX, Math.floor(SLOTS_BYTES / slotBytes(bytesMax)));
}
