// Bytes that the kernel has not taken yet: a bounded list of copies, made only when a write would block.

/**
 * Small writes are gathered in chunks of up to this: a million single bytes would otherwise be a million objects of a
 * hundred bytes each, and as many system calls. Larger chunks gain nothing, for each send takes as much as there is room.
 */
const CHUNK_BYTES = 16 * 1024;

export class WriteQueue {
  private readonly chunks: Uint8Array[] = [];
  /** Bytes of the first piece that have been sent. */
  offset = 0;
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

  /** What waits, oldest first; the first from {@link offset}, each to {@link endOf}. */
  get pieces(): readonly Uint8Array[] {
    return this.chunks;
  }
  /** Where the bytes of a piece end: the last one is not full. */
  endOf(index: number): number {
    return index === this.chunks.length - 1 ? this.filled : this.chunks[index].length;
  }

  /** How many of the first pieces go into one call that takes at most `piecesMax` of them and `bytesMax`, but one always. */
  gather(piecesMax: number, bytesMax: number): number {
    const most = Math.min(this.chunks.length, piecesMax);
    let bytes = -this.offset;
    for (let count = 0; count < most; count++) {
      bytes += this.endOf(count);
      if (bytes > bytesMax) return Math.max(count, 1);
    }
    return most;
  }

  /** `count` of the bytes, from the first on, have been sent. */
  consume(count: number): void {
    this.bytes -= count;
    this.offset += count;
    let done = 0;
    for (; done < this.chunks.length && this.offset >= this.endOf(done); done++)
      this.offset -= this.endOf(done);
    if (done === 0) return;
    this.chunks.splice(0, done);
    if (this.chunks.length === 0) this.filled = 0;
  }
}
