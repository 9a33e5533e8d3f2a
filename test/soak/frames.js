// Numbered frames of known content: what one end writes, the other checks byte by byte.

import { Random } from '../../dist/load/random.js';
import { PAYLOAD_BYTES_MAX, mix } from './plan.js';

// A frame: connection, sequence number, payload length, check; 32 bits each, little-endian. Then the payload: a piece of
// the pattern, from a place that the check names.
export const HEADER_BYTES = 16;
/** The pattern is the same in every run: a fault shows in any. */
export const PATTERN_SEED = 0x736f616b;
/** The first frame of whoever opens a connection tells its number; it has this sequence number, and no payload. */
const HELLO = 0xffffffff;
/** A prime: the pieces of two connections do not keep step. */
const PATTERN_BYTES = 65_537;

/** The bytes that all payloads are pieces of. @param {number} seed */
export function makePattern(seed) {
  const random = new Random(seed);
  const pattern = Buffer.alloc(PATTERN_BYTES + PAYLOAD_BYTES_MAX);
  for (let i = 0; i < PATTERN_BYTES; i++) pattern[i] = random.next() * 256;
  pattern.copyWithin(PATTERN_BYTES, 0, PAYLOAD_BYTES_MAX);
  return pattern;
}

const checkOf = (number, sequence, length) => mix(mix(number, sequence), length);

/** Writes a frame to the start of `target`. Returns its length. */
export function writeFrame(pattern, target, number, sequence, length) {
  const check = checkOf(number, sequence, length);
  target.writeUInt32LE(number, 0);
  target.writeUInt32LE(sequence, 4);
  target.writeUInt32LE(length, 8);
  target.writeUInt32LE(check, 12);
  const from = check % PATTERN_BYTES;
  if (length > 0) pattern.copy(target, HEADER_BYTES, from, from + length);
  return HEADER_BYTES + length;
}

/** The first frame of whoever opens. @param {number} number */
export function helloFrame(number) {
  const frame = Buffer.allocUnsafe(HEADER_BYTES);
  writeFrame(Buffer.alloc(0), frame, number, HELLO, 0);
  return frame;
}

/** Takes a stream in pieces of any size and checks that it is the frames 0, 1, 2, ... of one connection. */
export class FrameReader {
  /** Frames received whole. */
  frames = 0;
  bytes = 0;
  /** What is wrong with the stream, or null. Nothing more is checked after. @type {string | null} */
  fault = null;
  /** The connection's number; -1 until a hello has told it. */
  number;
  #pattern;
  #header = Buffer.alloc(HEADER_BYTES);
  #headerFill = 0;
  #payloadFrom = 0;
  #payloadLeft = 0;

  /** @param {Buffer} pattern @param {number} number -1: the stream begins with a hello */
  constructor(pattern, number) {
    this.#pattern = pattern;
    this.number = number;
  }

  /** Whether the stream may end here: between two frames. */
  get whole() {
    return this.#headerFill === 0 && this.#payloadLeft === 0;
  }

  feed(buffer, start, end) {
    this.bytes += end - start;
    let at = start;
    while (at < end && this.fault === null) {
      if (this.#payloadLeft > 0) {
        const length = Math.min(this.#payloadLeft, end - at);
        const from = this.#payloadFrom;
        if (this.#pattern.compare(buffer, at, at + length, from, from + length) !== 0) {
          this.fault = `the payload of frame ${this.frames} is not what was sent`;
          return;
        }
        this.#payloadFrom += length;
        this.#payloadLeft -= length;
        at += length;
        if (this.#payloadLeft === 0) this.frames++;
      } else {
        while (at < end && this.#headerFill < HEADER_BYTES) this.#header[this.#headerFill++] = buffer[at++];
        if (this.#headerFill === HEADER_BYTES) this.#takeHeader();
      }
    }
  }

  #takeHeader() {
    const header = this.#header;
    const number = header.readUInt32LE(0);
    const sequence = header.readUInt32LE(4);
    const length = header.readUInt32LE(8);
    this.#headerFill = 0;
    if (header.readUInt32LE(12) !== checkOf(number, sequence, length) || length > PAYLOAD_BYTES_MAX) {
      this.fault = `what should be the header of frame ${this.frames} is none`;
    } else if (this.number === -1 && sequence === HELLO) {
      this.number = number;
    } else if (number !== this.number) {
      this.fault = `frame ${sequence} of connection ${number} arrived on connection ${this.number}`;
    } else if (sequence !== this.frames) {
      this.fault = `frame ${sequence} arrived in place of frame ${this.frames}`;
    } else {
      this.#payloadFrom = header.readUInt32LE(12) % PATTERN_BYTES;
      this.#payloadLeft = length;
      if (length === 0) this.frames++;
    }
  }
}
