// Two running 32-bit hashes over bytes and numbers: cheap enough for every byte that a program sends.

/** Not against an adversary: against a program that does something else. Two lanes, together 64 bits. */
export class Lanes {
  a = 0x2c9277b5;
  b = 0x7f4a7c15;

  reset(): void {
    this.a = 0x2c9277b5;
    this.b = 0x7f4a7c15;
  }

  /** A number of 32 bits. */
  add(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x9e3779b1);
    this.a ^= this.a >>> 15;
    this.b = Math.imul((this.b + word) | 0, 0x85ebca6b);
    this.b ^= this.b >>> 13;
  }

  addBytes(bytes: Uint8Array, start: number, end: number): void {
    let { a, b } = this;
    let i = start;
    for (; i + 4 <= end; i += 4) {
      const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
      a = Math.imul(a ^ word, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul((b + word) | 0, 0x85ebca6b);
      b ^= b >>> 13;
    }
    for (; i < end; i++) {
      a = Math.imul(a ^ (bytes[i] | 0x100), 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul((b + bytes[i] + 0x100) | 0, 0x85ebca6b);
      b ^= b >>> 13;
    }
    this.a = a;
    this.b = b;
  }

  /** The first lane, as a number of at least 0. */
  get value(): number {
    return this.a >>> 0;
  }
}

/** Checksum of a block or a header. */
export function checksum(bytes: Uint8Array, start: number, end: number): number {
  const lanes = new Lanes();
  lanes.addBytes(bytes, start, end);
  return (lanes.a ^ lanes.b) >>> 0;
}
