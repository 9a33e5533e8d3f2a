// The tape that records: entries are put into a block of memory, and whole blocks go to a file.

import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  CHECKSUM_BYTES,
  HEADER_BYTES,
  MAGIC,
  OP,
  VERSION,
  type Facts,
  type ModuleHash,
} from './format.js';
import { checksum } from './hash.js';
import { ENTRY_BYTES_MAX, Tape } from './tape.js';

/** Holds the largest entry (a read of 64 KiB) four times: what is left free at the end of a block is little. */
const BLOCK_BYTES = 512 * 1024;
/** A batch of datagrams is larger than that: 64 of the largest. Such an entry gets a block of its own. */
const ROOM_MIN = BLOCK_BYTES - BLOCK_HEADER_BYTES - CHECKSUM_BYTES - ENTRY_BYTES_MAX;
/** What a call may have read beside that, for a reader to take the block. */
const ROOM_MAX = BLOCK_BYTES_MAX - ENTRY_BYTES_MAX;
/** What the program did is in the file after this time at most, while it is busy; before each long wait at once. */
const FLUSH_MS = 250;
const LONG_WAIT_MS = 10;

/** Where blocks go: a file, or memory. Throws when they cannot. */
export type Store = (bytes: Uint8Array) => void;

/** The runtime's own, before anybody put something in their place: the recording's clock is not the program's. */
const realNow = performance.now.bind(performance);

/** What stands at the beginning of a file. */
export function encodeHeader(facts: Facts): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(facts));
  const bytes = new Uint8Array(HEADER_BYTES + json.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, json.length, true);
  bytes.set(json, HEADER_BYTES);
  view.setUint32(16, checksum(bytes, HEADER_BYTES, bytes.length), true);
  return bytes;
}

export interface RecordOptions {
  /** The recording ends, and the program goes on, before it would be larger than this. */
  readonly bytesMax: number;
  /**
   * Called when that has happened, when one call has read more than a block takes, or when the store has failed.
   * `events`: those that are recorded.
   */
  readonly onEnd?: (why: 'limit' | 'entry' | Error, events: number) => void;
}

export class RecordTape extends Tape {
  readonly replaying = false;
  /** Bytes of the recording. */
  bytesTotal = 0;
  private sequence = 0;
  /** Number of the event before the first of this block. */
  private firstEvent = 0;
  private room: number;
  private clockNs = 0;
  private flushedMs = realNow();
  private view: DataView;
  private ended = false;

  constructor(
    facts: Facts,
    private readonly store: Store,
    private readonly options: RecordOptions,
  ) {
    super(new Uint8Array(BLOCK_BYTES));
    this.view = new DataView(this.bytes.buffer);
    this.room = ROOM_MIN;
    this.at = BLOCK_HEADER_BYTES;
    this.put(encodeHeader(facts));
  }

  open(op: number, room = 0): void {
    if (this.at + room + ENTRY_BYTES_MAX + CHECKSUM_BYTES > this.bytes.length) this.makeRoom(room);
    this.events++;
    this.bytes[this.at++] = op;
  }
  check(): void {
    // What the program does is what is recorded.
  }
  close(): void {
    // An entry says itself where it ends.
  }

  result(value: number): number {
    this.putInt(value);
    return value;
  }
  resultNumber(value: number): number {
    this.putNumber(value);
    return value;
  }
  resultText(value: string): string {
    this.putText(value);
    return value;
  }
  resultBytes(bytes: Uint8Array, start: number, count: number): void {
    if (!this.live) return; // it has ended with this entry, for which there may be no room
    this.bytes.set(bytes.subarray(start, start + count), this.at);
    this.at += count;
  }

  /** Nanoseconds since the last reading; or the double itself, where those do not give it back exactly. */
  clock(nowMs: number): number {
    const ns = Math.round(nowMs * 1e6);
    const seconds = Math.floor(ns / 1e9);
    const delta = ns - this.clockNs;
    if (delta >= 0 && seconds * 1e3 + (ns - seconds * 1e9) / 1e6 === nowMs) {
      this.putInt(delta + 1);
      this.clockNs = ns;
    } else {
      this.putInt(0);
      this.doubles.set(nowMs, this.bytes, this.at);
      this.at += 8;
    }
    return (this.nowMs = nowMs);
  }

  /** The reactor is about to wait: what was recorded goes to the file when that may last. */
  beforeWait(timeoutMs: number): void {
    if (timeoutMs > LONG_WAIT_MS || realNow() - this.flushedMs > FLUSH_MS) this.flush();
  }

  /** An input that no replay can give again, and where the program asked for it. */
  noteUncovered(kind: string, where: string): void {
    if (!this.live) return;
    this.note(OP.uncovered);
    this.putText(kind);
    this.putText(where);
  }

  noteModules(modules: readonly ModuleHash[]): void {
    for (const { path, hash } of modules) {
      if (!this.live) return;
      this.note(OP.modules);
      this.putText(path);
      this.putText(hash);
    }
  }

  private note(op: number): void {
    this.open(op);
    this.events--;
  }

  /** Writes what there is as a block. */
  flush(): void {
    const payload = this.at - BLOCK_HEADER_BYTES;
    this.flushedMs = realNow();
    if (payload === 0 || this.ended) return;
    const { view, bytes, options } = this;
    const total = this.bytesTotal + this.at + CHECKSUM_BYTES;
    view.setUint32(0, BLOCK_MAGIC, true);
    view.setUint32(4, this.sequence++, true);
    view.setUint32(8, payload, true);
    view.setUint32(12, this.events - this.firstEvent, true);
    view.setFloat64(16, this.firstEvent, true);
    view.setUint32(this.at, checksum(bytes, 0, this.at), true);
    this.put(bytes.subarray(0, this.at + CHECKSUM_BYTES));
    this.at = BLOCK_HEADER_BYTES;
    this.firstEvent = this.events;
    if (this.live && total >= options.bytesMax - this.bytes.length) this.end('limit');
  }

  /** Nothing is recorded from here on. */
  private end(why: 'limit' | 'entry' | Error): void {
    this.live = false;
    if (typeof why === 'string') {
      this.bytes[this.at++] = OP.limit;
      this.events++;
      this.flush();
    }
    this.ended = true;
    this.options.onEnd?.(why, this.firstEvent);
  }

  private makeRoom(room: number): void {
    this.flush();
    if (room > ROOM_MAX && this.live) this.end('entry');
    if (room <= this.room || !this.live) return;
    this.room = room;
    this.bytes = new Uint8Array(BLOCK_HEADER_BYTES + room + ENTRY_BYTES_MAX + CHECKSUM_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }

  private put(bytes: Uint8Array): void {
    try {
      this.store(bytes);
      this.bytesTotal += bytes.length;
    } catch (error) {
      if (this.live) this.end(error as Error);
    }
  }
}
