// The tape: what a recording and a replay have in common. Both encode what the program does in the same way; the recording
// keeps it with the result, and the replay compares it with what was kept, and gives the result back.

import { TEXTS_MAX, TEXT_BYTES_MAX } from './format.js';
import { Lanes } from './hash.js';

const encoder = new TextEncoder();

/** Texts of an entry that are not cut: results, and arguments in JSON. At most so many, so that an entry has its room. */
export const ENTRY_BYTES_MAX = 32 * 1024;

const KIND_ZERO = 0;
const KIND_INFINITY = 1;
const KIND_INTEGER = 2;
const KIND_DOUBLE = 3;

/** For doubles: written and read byte by byte, whatever their place. */
export class DoubleBytes {
  private readonly double = new Float64Array(1);
  private readonly bytes = new Uint8Array(this.double.buffer);
  set(value: number, to: Uint8Array, at: number): void {
    this.double[0] = value;
    for (let i = 0; i < 8; i++) to[at + i] = this.bytes[i];
  }
  get(from: Uint8Array, at: number): number {
    for (let i = 0; i < 8; i++) this.bytes[i] = from[at + i];
    return this.double[0];
  }
}

/** The entry under construction. */
export abstract class Tape {
  /** Entries so far: the number of the one that is open, or was last. */
  events = 0;
  /** True: results come from a recording. */
  abstract readonly replaying: boolean;
  /** Nothing is recorded or compared while it is true: somebody looks at the program, and is no part of it. */
  aside = false;
  /** False from the end of the recording on: the program goes on as if nobody were there. */
  live = true;
  /** Every byte that the system has taken from the program. */
  readonly written = new Lanes();
  /** The reactor that the last entry was about: see {@link TapedObserver}. */
  reactor = -1;
  /** What {@link Tape.clock} gave last. */
  nowMs = 0;

  protected bytes: Uint8Array;
  protected at = 0;
  protected readonly doubles = new DoubleBytes();
  private readonly scratchText = new Uint8Array(TEXT_BYTES_MAX);
  private readonly textNumbers = new Map<string, number>();
  /** By number - 2: 0 says that a text follows and gets a number, 1 that one follows. */
  protected readonly texts: string[] = [];
  private readonly lanes = new Lanes();

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** An entry begins. `room`: bytes that it may have beside {@link ENTRY_BYTES_MAX}. */
  abstract open(op: number, room?: number): void;
  /** What was put so far is what the program did; what follows is what it got. */
  abstract check(): void;
  /** The entry is complete. */
  abstract close(): void;

  // Results: recorded as they are given, or replaced by what was recorded.
  abstract result(value: number): number;
  abstract resultNumber(value: number): number;
  abstract resultText(value: string): string;
  abstract resultBytes(bytes: Uint8Array, start: number, count: number): void;
  abstract clock(nowMs: number): number;

  /** An entry that is over when it is compared. */
  closeChecked(): void {
    this.check();
    this.close();
  }

  putInt(value: number): void {
    const { bytes } = this;
    let { at } = this;
    if (value >= -0x40000000 && value < 0x40000000) {
      let small = (value << 1) ^ (value >> 31);
      while (small >= 128) {
        bytes[at++] = (small & 127) | 128;
        small >>>= 7;
      }
      bytes[at++] = small;
    } else {
      // The same form, beyond what shifts can do.
      let large = value >= 0 ? value * 2 : value * -2 - 1;
      while (large >= 128) {
        bytes[at++] = (large % 128) | 128;
        large = Math.floor(large / 128);
      }
      bytes[at++] = large;
    }
    this.at = at;
  }

  putNumber(value: number): void {
    const { bytes } = this;
    if (value === 0) bytes[this.at++] = KIND_ZERO;
    else if (value === Infinity) bytes[this.at++] = KIND_INFINITY;
    else if ((value | 0) === value) {
      bytes[this.at++] = KIND_INTEGER;
      this.putInt(value);
    } else {
      bytes[this.at++] = KIND_DOUBLE;
      this.doubles.set(value, bytes, this.at);
      this.at += 8;
    }
  }

  putWord(word: number): void {
    const { bytes } = this;
    let { at } = this;
    bytes[at++] = word & 255;
    bytes[at++] = (word >>> 8) & 255;
    bytes[at++] = (word >>> 16) & 255;
    bytes[at++] = word >>> 24;
    this.at = at;
  }

  /** A text that comes again: names. */
  putName(text: string): void {
    const known = this.textNumbers.get(text);
    if (known !== undefined) {
      this.putInt(known);
      return;
    }
    if (this.texts.length < TEXTS_MAX) {
      this.textNumbers.set(text, this.texts.length + 2);
      this.texts.push(text);
      this.putInt(0);
    } else this.putInt(1);
    this.putText(text);
  }

  putText(text: string): void {
    const { written } = encoder.encodeInto(text, this.scratchText);
    this.putInt(written);
    this.bytes.set(this.scratchText.subarray(0, written), this.at);
    this.at += written;
  }

  /** What stands for bytes that the program sends. */
  putHash(bytes: Uint8Array, start: number, end: number): void {
    const { lanes } = this;
    lanes.reset();
    lanes.addBytes(bytes, start, end);
    this.putWord(lanes.a ^ lanes.b);
  }

  /** `count` of the bytes just told have been taken, by `fd`. */
  sent(fd: number, bytes: Uint8Array, start: number, count: number): void {
    if (count <= 0) return;
    const { written } = this;
    written.add(fd);
    written.add(count);
    written.addBytes(bytes, start, start + count);
  }
}
