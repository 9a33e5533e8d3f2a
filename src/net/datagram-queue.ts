// Datagrams that wait, in one growing block of bytes with a table of rows: those the kernel does not take, those not told yet.

import { ADDRESS_BYTES, ROW_NUMBERS } from '../kernel/datagram-memory.js';

const BYTES_MIN = 4096;
const ROWS_MIN = 16;

/** First in, first out; bounded by bytes. Rows are as Kernel.sendDatagrams takes them: from `first`, {@link length} of them. */
export class DatagramQueue {
  bytes = new Uint8Array(BYTES_MIN);
  table = new Int32Array(ROWS_MIN * ROW_NUMBERS);
  /** The row of the oldest one. */
  first = 0;
  private end = 0; // the row behind the newest one
  private bytesEnd = 0;

  constructor(private readonly bytesMax: number) {}

  get length(): number {
    return this.end - this.first;
  }
  /** Bytes of all that waits, addresses included. */
  get used(): number {
    return this.bytesEnd - this.bytesStart;
  }
  private get bytesStart(): number {
    if (this.length === 0) return this.bytesEnd;
    const row = this.first * ROW_NUMBERS;
    return this.table[row] < 0 ? this.table[row + 1] : this.table[row];
  }

  /** Copies one datagram. `addressAt`: where in `from` its packed address stands, -1 for none. False: there is no room. */
  push(from: Uint8Array, addressAt: number, start: number, end: number, note = 0): boolean {
    const size = end - start + (addressAt < 0 ? 0 : ADDRESS_BYTES);
    if (this.used + size > this.bytesMax) return false;
    this.makeRoom(size);
    const row = this.end++ * ROW_NUMBERS;
    this.table[row] = -1;
    if (addressAt >= 0) {
      this.table[row] = this.bytesEnd;
      this.bytes.set(from.subarray(addressAt, addressAt + ADDRESS_BYTES), this.bytesEnd);
      this.bytesEnd += ADDRESS_BYTES;
    }
    this.bytes.set(from.subarray(start, end), this.bytesEnd);
    this.table[row + 1] = this.bytesEnd;
    this.bytesEnd += end - start;
    this.table[row + 2] = this.bytesEnd;
    this.table[row + 3] = note;
    return true;
  }

  /** The oldest `count` have gone. */
  drop(count: number): void {
    this.first += count;
    if (this.first === this.end) this.first = this.end = this.bytesEnd = 0;
  }

  clear(): void {
    this.drop(this.length);
  }

  private makeRoom(size: number): void {
    if (this.bytesEnd + size > this.bytes.length || (this.end + 1) * ROW_NUMBERS > this.table.length) {
      this.moveToFront();
    }
    if (this.bytesEnd + size > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(2 * this.bytes.length, this.bytesEnd + size));
      bigger.set(this.bytes);
      this.bytes = bigger;
    }
    if ((this.end + 1) * ROW_NUMBERS > this.table.length) {
      const bigger = new Int32Array(2 * this.table.length);
      bigger.set(this.table);
      this.table = bigger;
    }
  }

  private moveToFront(): void {
    const { bytesStart: by, first } = this;
    this.bytes.copyWithin(0, by, this.bytesEnd);
    this.table.copyWithin(0, first * ROW_NUMBERS, this.end * ROW_NUMBERS);
    this.bytesEnd -= by;
    this.end -= first;
    this.first = 0;
    for (let row = 0; row < this.end * ROW_NUMBERS; row += ROW_NUMBERS) {
      if (this.table[row] >= 0) this.table[row] -= by;
      this.table[row + 1] -= by;
      this.table[row + 2] -= by;
    }
  }
}
