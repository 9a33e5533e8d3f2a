// Bytes that the kernel has not taken yet: a bounded list of copies, made only when a write would block.

export class WriteQueue {
  private readonly chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that have been sent. */
  private offset = 0;
  /** Bytes waiting. */
  bytes = 0;

  /** Copies: the caller's buffer is the caller's again as soon as write() returns. */
  push(bytes: Uint8Array, start: number, end: number): void {
    this.chunks.push(Uint8Array.prototype.slice.call(bytes, start, end));
    this.bytes += end - start;
  }

  get first(): Uint8Array | undefined {
    return this.chunks[0];
  }
  get firstOffset(): number {
    return this.offset;
  }

  /** `count` bytes of the first chunk have been sent. */
  consume(count: number): void {
    this.offset += count;
    this.bytes -= count;
    if (this.offset === this.chunks[0]?.length) {
      this.chunks.shift();
      this.offset = 0;
    }
  }
}
