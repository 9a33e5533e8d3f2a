// Where records are put: blocks of memory, kept in a ring or written to a file.

import * as fs from 'node:fs';
import { BLOCK_HEADER_WORDS, BLOCK_MAGIC, HEADER_BYTES } from './format.js';

/** A piece of the trace under construction. `words` holds its header first, then records. */
export class Block {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  private readonly base: Float64Array;
  usedWords = BLOCK_HEADER_WORDS;
  records = 0;

  constructor(sizeBytes: number) {
    const memory = new ArrayBuffer(sizeBytes);
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.base = new Float64Array(memory, 16, 1);
  }

  begin(baseNs: number): void {
    this.usedWords = BLOCK_HEADER_WORDS;
    this.records = 0;
    this.base[0] = baseNs;
  }

  /** Completes the header. Returns the bytes that are used. */
  seal(sequence: number): Uint8Array {
    this.words[0] = BLOCK_MAGIC;
    this.words[1] = sequence;
    this.words[2] = (this.usedWords - BLOCK_HEADER_WORDS) * 4;
    this.words[3] = this.records;
    return this.bytes.subarray(0, this.usedWords * 4);
  }
}

/** Gives out blocks to fill, one after another. */
export interface Sink {
  /** The block that `full` is, if any, has been filled up: gives the next, which is empty. */
  next(full: Block | null): Block;
}

/** The newest blocks are kept; the oldest is overwritten. */
export class Ring implements Sink {
  private readonly blocks: Block[];
  private nextPlace = 0;
  /** Records overwritten. */
  lost = 0;

  constructor(count: number, blockBytes: number) {
    this.blocks = Array.from({ length: count }, () => new Block(blockBytes));
  }

  next(): Block {
    const block = this.blocks[this.nextPlace];
    this.nextPlace = (this.nextPlace + 1) % this.blocks.length;
    this.lost += block.records;
    return block;
  }

  /** Those with records in them, oldest first. */
  filled(): Block[] {
    const { blocks, nextPlace } = this;
    return [...blocks.slice(nextPlace), ...blocks.slice(0, nextPlace)].filter(({ records }) => records > 0);
  }
}

/** Blocks being written at the same time, beside the one being filled. */
const WRITES_MAX = 3;

/**
 * Full blocks go to the file through the runtime's thread pool, each to a place of its own, while the next is filled.
 * When the disk is so slow that none is free, the block is written at once and the program waits: nothing is dropped.
 */
export class FileSink implements Sink {
  private readonly free: Block[] = [];
  private readonly writing = new Map<Block, { data: Uint8Array; position: number }>();
  private made = 0;
  private position = HEADER_BYTES;
  private sequence = 0;
  private closing = false;
  /** Blocks for which the program had to wait. */
  syncWrites = 0;
  /** Why nothing is written any more, or null. */
  failure: Error | null = null;

  constructor(
    private readonly fd: number,
    private readonly blockBytes: number,
  ) {}

  writeHeader(header: Uint8Array): void {
    this.writeNow(header, 0);
  }

  /** What the file holds, or will hold in a moment. */
  get bytes(): number {
    return this.position;
  }

  next(full: Block | null): Block {
    if (full === null) return this.make();
    if (full.records === 0 || this.failure !== null || this.closing) return full;
    const data = full.seal(this.sequence++);
    const position = this.position;
    this.position += data.length;
    const next = this.free.pop() ?? (this.made <= WRITES_MAX ? this.make() : null);
    if (next === null) {
      this.syncWrites++;
      this.writeNow(data, position);
      return full;
    }
    this.writing.set(full, { data, position });
    this.write(full, data, position);
    return next;
  }

  /** Writes everything now. What is on its way is written again, to the same place: nobody waits for it at an exit. */
  flush(current: Block): Block {
    for (const { data, position } of this.writing.values()) this.writeNow(data, position);
    if (current.records > 0) {
      const data = current.seal(this.sequence++);
      this.writeNow(data, this.position);
      this.position += data.length;
    }
    return current;
  }

  close(): void {
    this.closing = true;
    if (this.writing.size === 0) fs.closeSync(this.fd);
  }

  private make(): Block {
    this.made++;
    return new Block(this.blockBytes);
  }

  private write(block: Block, data: Uint8Array, position: number): void {
    fs.write(this.fd, data, 0, data.length, position, (error, written) => {
      if (error === null && written < data.length) {
        this.write(block, data.subarray(written), position + written);
        return;
      }
      if (error !== null) this.failure ??= error;
      this.writing.delete(block);
      this.free.push(block);
      if (this.closing && this.writing.size === 0) fs.closeSync(this.fd);
    });
  }

  private writeNow(data: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < data.length;) {
        done += fs.writeSync(this.fd, data, done, data.length - done, position + done);
      }
    } catch (error) {
      this.failure ??= error as Error;
    }
  }
}
