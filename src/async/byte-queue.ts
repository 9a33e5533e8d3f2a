// Bytes that have come and that nobody has read yet: one piece of memory, so that a flood of single bytes stays cheap.

/** The first piece of memory; most messages fit. */
const FIRST_BYTES = 1024;

export class ByteQueue {
  // None while nothing is queued: an idle connection holds no memory.
  private memory: Buffer | null = null;
  private start = 0;
  private end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** Copies `bytes[start..end)` to the end. */
  push(bytes: Uint8Array, start: number, end: number): void {
    const memory = this.reserve(end - start);
    memory.set(bytes.subarray(start, end), this.end);
    this.end += end - start;
  }

  /** Takes the oldest `count` bytes out; they are the caller's own. */
  take(count: number): Buffer {
    const { memory, start } = this;
    if (memory === null || count === 0) return Buffer.alloc(0);
    this.start += count;
    if (this.start < this.end) return Buffer.from(memory.subarray(start, start + count));
    this.clear();
    const taken = memory.subarray(start, start + count);
    // All of it: given away without a copy, unless it would keep much memory alive for few bytes.
    return count * 2 >= memory.length ? taken : Buffer.from(taken);
  }

  skip(count: number): void {
    this.start += count;
    if (this.start === this.end) this.clear();
  }

  /** Where `delimiter` stands, counted from the oldest byte, at `from` at the earliest; -1 if nowhere. */
  indexOf(delimiter: Uint8Array, from: number): number {
    if (this.memory === null) return -1;
    const at = this.memory.subarray(this.start, this.end).indexOf(delimiter, from);
    return at;
  }

  clear(): void {
    this.memory = null;
    this.start = this.end = 0;
  }

  private reserve(count: number): Buffer {
    const { memory, length } = this;
    if (memory !== null && this.end + count <= memory.length) return memory;
    // Moved to the front, into twice the memory when it is more than half full: each byte is moved twice at most, on average.
    const needed = length + count;
    const bytes = Math.max(FIRST_BYTES, memory?.length ?? 0, needed);
    const room = Buffer.allocUnsafeSlow(length * 2 > bytes || needed > bytes ? bytes * 2 : bytes);
    if (memory !== null) memory.copy(room, 0, this.start, this.end);
    this.memory = room;
    this.start = 0;
    this.end = length;
    return room;
  }
}
