// Reads a recording block by block, and holds each against its checksum. A cut end is no error; damage is.

import * as fs from 'node:fs';
import { UnderloopError } from '../errors.js';
import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  CHECKSUM_BYTES,
  FACTS_BYTES_MAX,
  HEADER_BYTES,
  MAGIC,
  VERSION,
  type Facts,
} from './format.js';
import { checksum } from './hash.js';

const { readSync, openSync, closeSync, fstatSync } = fs;

/** One block: its entries, and the number of the event before the first of them. */
export interface Block {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly events: number;
  readonly firstEvent: number;
}

/** A recording as a sequence of blocks; reads one at a time. */
export class Blocks implements Disposable {
  readonly facts: Facts;
  /** Bytes of the whole file. */
  readonly bytesTotal: number;
  /** The end of the last block is missing: the recorder was killed, or the file cut. Known when that end is reached. */
  truncated = false;
  private readonly fd: number;
  private position = 0;
  private sequence = 0;

  /** Throws ERR_RECORDING_FORMAT, _VERSION, _CORRUPT, or what the system says of a file that cannot be opened. */
  constructor(private readonly source: string | Uint8Array) {
    this.fd = typeof source === 'string' ? openSync(source, 'r') : -1;
    try {
      this.bytesTotal = typeof source === 'string' ? fstatSync(this.fd).size : source.length;
      this.facts = this.readHeader();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The next block; null at the end. Throws ERR_RECORDING_CORRUPT. */
  next(): Block | null {
    const at = this.position;
    const header = this.read(at, BLOCK_HEADER_BYTES);
    if (header.length < BLOCK_HEADER_BYTES) {
      this.truncated ||= header.length > 0;
      return null;
    }
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const payload = view.getUint32(8, true);
    if (view.getUint32(0, true) !== BLOCK_MAGIC || payload > BLOCK_BYTES_MAX) {
      throw corrupt(at, 'no block begins there');
    }
    const size = BLOCK_HEADER_BYTES + payload + CHECKSUM_BYTES;
    const bytes = this.read(at, size);
    if (bytes.length < size) {
      this.truncated = true;
      return null;
    }
    const end = BLOCK_HEADER_BYTES + payload;
    const sum = new DataView(bytes.buffer, bytes.byteOffset, size).getUint32(end, true);
    if (sum !== checksum(bytes, 0, end)) throw corrupt(at, 'the checksum of the block is wrong');
    if (view.getUint32(4, true) !== this.sequence) throw corrupt(at, 'a block is missing before it');
    this.sequence++;
    this.position += size;
    const [events, firstEvent] = [view.getUint32(12, true), view.getFloat64(16, true)];
    return { bytes, start: BLOCK_HEADER_BYTES, end, events, firstEvent };
  }

  /** Closes the file. Idempotent. */
  close(): void {
    if (this.fd >= 0 && this.position >= 0) closeSync(this.fd);
    this.position = -1;
  }
  [Symbol.dispose](): void {
    this.close();
  }

  private readHeader(): Facts {
    const header = this.read(0, HEADER_BYTES);
    const magic = String.fromCharCode(...header.subarray(0, MAGIC.length));
    if (magic !== MAGIC) {
      throw new UnderloopError(
        'ERR_RECORDING_FORMAT',
        `this is no recording of underloop: it begins with ${JSON.stringify(magic)}; make one with underloop record SCRIPT`,
      );
    }
    if (header.length < HEADER_BYTES) throw corrupt(header.length, 'the file ends within its header');
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const version = view.getUint32(8, true);
    if (version !== VERSION) {
      throw new UnderloopError(
        'ERR_RECORDING_VERSION',
        `this recording has version ${version} of the format, and this underloop replays version ${VERSION}: ` +
          'use the version that recorded it, or record anew',
      );
    }
    const length = view.getUint32(12, true);
    if (length > FACTS_BYTES_MAX) throw corrupt(12, `its facts cannot have ${length} bytes`);
    const facts = this.read(HEADER_BYTES, length);
    if (facts.length < length) throw corrupt(HEADER_BYTES + facts.length, 'the file ends within its header');
    if (checksum(facts, 0, length) !== view.getUint32(16, true)) {
      throw corrupt(HEADER_BYTES, 'the checksum of the header is wrong');
    }
    this.position = HEADER_BYTES + length;
    return JSON.parse(new TextDecoder().decode(facts)) as Facts;
  }

  /** Fewer bytes only at the end of the file. A copy: an entry may still be told when its block is over. */
  private read(position: number, length: number): Uint8Array {
    if (typeof this.source !== 'string') return this.source.slice(position, position + length);
    const bytes = new Uint8Array(Math.max(Math.min(length, this.bytesTotal - position), 0));
    length = bytes.length;
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, bytes, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }
}

export function corrupt(at: number, why: string): UnderloopError {
  return new UnderloopError('ERR_RECORDING_CORRUPT', `the recording is damaged at byte ${at}: ${why}`);
}

/** What can be said of a recording without decoding it. */
export interface Extent {
  readonly facts: Facts;
  readonly events: number;
  readonly bytes: number;
  readonly truncated: boolean;
}

/** Reads all blocks. Throws as {@link Blocks} does. */
export function extentOf(source: string | Uint8Array): Extent {
  const blocks = new Blocks(source);
  try {
    let events = 0;
    for (let block = blocks.next(); block !== null; block = blocks.next()) events += block.events;
    return { facts: blocks.facts, events, bytes: blocks.bytesTotal, truncated: blocks.truncated };
  } finally {
    blocks.close();
  }
}
