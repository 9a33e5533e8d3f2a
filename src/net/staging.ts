// Where reads go in the kernel's buffer, so that small replies cut from it may stay there until the turn's end.

/**
 * When small writes of the reactor's own buffer leave. `now`: in the call of write(). `turn`: at the end of the turn, after
 * everything that was ready has been read, which costs the server less when many connections are busy. In exchange, the
 * bytes given to write() must stay as they are until the turn is over.
 */
export type Flush = 'now' | 'turn';

/** Bytes asked for by one read. Larger reads no longer gain: the copy dominates. */
export const READ_BYTES_MAX = 64 * 1024;

/** A larger write is sent at once: waiting would save it little, and it would push the reads out of the core's cache. */
export const STAGED_WRITE_BYTES_MAX = 4096;

/** Reads begin on a cache line. */
const ALIGNMENT = 64;

/**
 * One per kernel, shared by its reactors. Reads are placed behind what is held; as long as nothing is held, all of them
 * go to the same place. When the room is used up, reads go to a place of their own, whose bytes cannot be held: writes of
 * them are sent at once. That bounds what a turn holds back.
 */
export class Staging {
  private at = 0;
  private holders = 0;
  /** Development: how far reads went that could not be poisoned yet. */
  private unpoisonedEnd = 0;
  /** Writes that begin below it may be held. */
  readonly limit: number;
  private readonly overflow: number;

  private constructor(private readonly buffer: Uint8Array) {
    this.overflow = Math.max(buffer.length - READ_BYTES_MAX, 0);
    this.limit = Math.max(this.overflow - READ_BYTES_MAX, 0);
  }

  private static readonly all = new WeakMap<Uint8Array, Staging>();
  static of(buffer: Uint8Array): Staging {
    let staging = Staging.all.get(buffer);
    if (staging === undefined) Staging.all.set(buffer, (staging = new Staging(buffer)));
    return staging;
  }

  /** Where the next read goes. */
  get place(): number {
    return this.at < this.limit ? this.at : this.overflow;
  }

  /** One more connection holds bytes, up to `end`. */
  hold(end: number): void {
    this.holders++;
    this.extend(end);
  }
  /** A holder holds up to `end` now. */
  extend(end: number): void {
    this.at = Math.max(this.at, (end + ALIGNMENT - 1) & -ALIGNMENT);
  }
  /** A holder's bytes are sent or dropped. When it was the last, reads begin at the front again. */
  release(): void {
    this.holders--;
    if (this.holders === 0) this.at = 0;
  }

  /** Development: `data` has returned, and what it was given is made useless; later, if some of it is held. */
  poisonRead(start: number, end: number): void {
    if (this.place === start) this.buffer.fill(0xdb, start, end);
    else this.unpoisonedEnd = Math.max(this.unpoisonedEnd, end);
  }
  /** Development: at the turn's end, when nothing is held any more. */
  poison(): void {
    if (this.holders > 0) return;
    this.buffer.fill(0xdb, 0, this.unpoisonedEnd);
    this.unpoisonedEnd = 0;
  }
}
