// Bytes that the kernel has not taken yet: a bounded list of copies, made only when a write would block.

/**
 * Small writes are gathered in chunks of up to this: a million single bytes would otherwise be a million objects of a
 * hundred bytes each, and as many system calls. Larger chunks gain nothing, for each send takes as much as there is room.
 */
const CHUNK_BYTES = 16 * 1024;

export class WriteQueue {
  private readonly chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that have been sent. */
  private offset = 0;
  /** Bytes of the last chunk that are filled. */
  private filled = 0;
  /** Bytes waiting. */
  bytes = 0;

  /** Copies: the caller's buffer is the caller's again as soon as write() returns. */
  push(bytes: Uint8Array, start: number, end: number): void {
    const last = this.chunks.at(-1);
    if (last !== undefined && this.filled < last.length) {
      const stop = Math.min(end, start + last.length - this.filled);
      last.set(bytes.subarray(start, stop), this.filled);
      this.filled += stop - start;
      this.bytes += stop - start;
      start = stop;
    }
    if (start === end) return;
    // As much again as is waiting: a queue of few bytes, such as before a connect has finished, stays small.
    const chunk = new Uint8Array(Math.max(end - start, Math.min(this.bytes, CHUNK_BYTES)));
    chunk.set(bytes.subarray(start, end));
    this.chunks.push(chunk);
    this.filled = end - start;
    this.bytes += end - start;
  }

  get first(): Uint8Array | undefined {
    return this.chunks[0];
  }
  get firstOffset(): number {
    return this.offset;
  }
  get firstEnd(): number {
    return this.chunks.length === 1 ? this.filled : (this.chunks[0]?.length ?? 0);
  }

  /** `count` bytes of the first chunk have been sent. */
  consume(count: number): void {
    this.offset += count;
    this.bytes -= count;
    if (this.offset === this.firstEnd) {
      this.chunks.shift();
      this.offset = 0;
    }
  }
}
