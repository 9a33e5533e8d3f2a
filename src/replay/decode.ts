// Reads entries: the forms of numbers and texts as tape.ts writes them.

import { DoubleBytes } from './tape.js';

const decoder = new TextDecoder();
const doubles = new DoubleBytes();

/** A place in the bytes of a block. What would go beyond `end` throws a RangeError: the entry is damaged. */
export class Cursor {
  constructor(
    public bytes: Uint8Array,
    public at: number,
    public end: number,
  ) {}

  byte(): number {
    if (this.at >= this.end) throw new RangeError('beyond the end');
    return this.bytes[this.at++];
  }

  int(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
      if (scale > 2 ** 56) throw new RangeError('a number is too long');
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  number(): number {
    switch (this.byte()) {
      case 0:
        return 0;
      case 1:
        return Infinity;
      case 2:
        return this.int();
      case 3:
        return this.double();
      default:
        throw new RangeError('an unknown form of number');
    }
  }

  double(): number {
    this.need(8);
    const value = doubles.get(this.bytes, this.at);
    this.at += 8;
    return value;
  }

  word(): number {
    this.need(4);
    const { bytes, at } = this;
    this.at += 4;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
  }

  text(): string {
    const length = this.int();
    this.need(length);
    const text = decoder.decode(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return text;
  }

  /** A name, by its number among `texts` or in full. */
  name(texts: readonly string[]): string {
    const number = this.int();
    if (number < 2) return this.text();
    return texts[number - 2] ?? `text ${number}`;
  }

  skip(count: number): void {
    this.need(count);
    this.at += count;
  }

  private need(count: number): void {
    if (!(count >= 0) || this.at + count > this.end) throw new RangeError('beyond the end');
  }
}
