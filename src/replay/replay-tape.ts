// The tape that replays: what the program does is encoded as it was for the recording, and compared byte by byte.

import { corrupt, type Block, type Blocks } from './blocks.js';
import { Cursor } from './decode.js';
import { describeEntry, describeOwn } from './describe.js';
import { OP, type ModuleHash } from './format.js';
import { ENTRY_BYTES_MAX, Tape } from './tape.js';

/** Events before a difference that are told with it. */
const BEFORE_MAX = 8;

/** The first event that is not what was recorded. */
export interface Difference {
  /** Its number, counted from 1. */
  readonly event: number;
  readonly turn: number;
  /** What was being run: `readable of fd 7: data`; null between items. */
  readonly item: string | null;
  readonly recorded: string;
  readonly now: string;
  /** The events before it, the latest last. */
  readonly before: readonly string[];
}

/** How a replay ends. */
export interface ReplayEnds {
  /** The program did something else. Does not return: the program must not go on. */
  differs(difference: Difference): never;
  /** The recording is over, and the program is not. `limit`: the bound of bytes; `cut`: its end is missing. */
  over(why: 'limit' | 'cut'): never;
  /** The recording cannot be read on. */
  damaged(error: Error): never;
  /** The event was reached that was asked for. */
  arrived?(): void;
}

export class ReplayTape extends Tape {
  readonly replaying = true;
  /** What the recorder noted up to here. */
  readonly uncovered: { kind: string; where: string }[] = [];
  readonly modules: ModuleHash[] = [];
  /** Told at this event. */
  target = Infinity;
  /** The turn that runs, as the reactor has told it. */
  turn = 0;
  /** Puts the item that runs into words. */
  item: (() => string) | null = null;
  /** The runtime's part: it asks what comes next, and must not be asked whether it may. */
  private readonly log = new Cursor(new Uint8Array(0), 0, 0);
  private clockNs = 0;
  private readonly recentBytes = new Array<Uint8Array>(BEFORE_MAX).fill(new Uint8Array(0));
  private readonly recentAt = new Int32Array(BEFORE_MAX).fill(-1);
  private atEnd = false;

  constructor(
    private readonly blocks: Blocks,
    private readonly ends: ReplayEnds,
  ) {
    super(new Uint8Array(ENTRY_BYTES_MAX));
  }

  /** The type of the next entry; -1 at the end. */
  peek(): number {
    const { log } = this;
    for (;;) {
      while (log.at >= log.end) if (!this.load()) return -1;
      const op = log.bytes[log.at];
      if (op !== OP.uncovered && op !== OP.modules) return op;
      log.at++;
      try {
        const [first, second] = [log.text(), log.text()];
        if (op === OP.uncovered) this.uncovered.push({ kind: first, where: second });
        else this.modules.push({ path: first, hash: second });
      } catch {
        return this.ends.damaged(corrupt(log.at, 'a note is not complete'));
      }
    }
  }

  open(op: number): void {
    this.at = 0;
    this.bytes[this.at++] = op;
  }

  check(): void {
    const op = this.peek();
    if (op < 0) this.ends.over('cut');
    if (op === OP.limit) this.ends.over('limit');
    const { bytes, at, log } = this;
    const start = log.at;
    if (start + at > log.end) this.differ(start);
    const recorded = log.bytes;
    for (let i = 0; i < at; i++) if (recorded[start + i] !== bytes[i]) this.differ(start);
    this.remember(start);
    log.at = start + at;
  }

  close(): void {
    if (this.events >= this.target) this.ends.arrived?.();
  }

  /** An entry that is not the program's: its type is that of {@link peek}. */
  take(): void {
    this.remember(this.log.at);
    this.log.at++;
  }

  /** The entry just taken is not what the program is ready for. */
  untake(now: string): never {
    this.events--;
    return this.tell(this.recentAt[this.events % BEFORE_MAX], now);
  }

  private remember(start: number): void {
    const place = this.events++ % BEFORE_MAX;
    this.recentBytes[place] = this.log.bytes;
    this.recentAt[place] = start;
  }

  result(): number {
    try {
      return this.log.int();
    } catch (error) {
      return this.damaged(error);
    }
  }
  resultNumber(): number {
    try {
      return this.log.number();
    } catch (error) {
      return this.damaged(error);
    }
  }
  resultText(): string {
    try {
      return this.log.text();
    } catch (error) {
      return this.damaged(error);
    }
  }
  resultBytes(bytes: Uint8Array, start: number, count: number): void {
    const { log } = this;
    const from = log.at;
    try {
      log.skip(count);
    } catch (error) {
      this.damaged(error);
    }
    bytes.set(log.bytes.subarray(from, from + count), start);
  }

  clock(): number {
    const { log } = this;
    try {
      const delta = log.int();
      if (delta === 0) return (this.nowMs = log.double());
      const ns = (this.clockNs += delta - 1);
      const seconds = Math.floor(ns / 1e9);
      return (this.nowMs = seconds * 1e3 + (ns - seconds * 1e9) / 1e6);
    } catch (error) {
      return this.damaged(error);
    }
  }

  /** The program did not do what was recorded next: `now` says what it did instead. */
  missing(now: string): never {
    const op = this.peek();
    if (op < 0) return this.ends.over('cut');
    if (op === OP.limit) return this.ends.over('limit');
    return this.tell(this.log.at, now);
  }

  /** The last events, in words, the latest last. */
  recent(): string[] {
    const lines: string[] = [];
    for (let i = Math.max(this.events - BEFORE_MAX, 0); i < this.events; i++) {
      const at = this.recentAt[i % BEFORE_MAX];
      if (at >= 0) lines.push(`${i + 1} ${this.describe(this.recentBytes[i % BEFORE_MAX], at)}`);
    }
    return lines;
  }

  private load(): boolean {
    if (this.atEnd) return false;
    let block: Block | null = null;
    try {
      block = this.blocks.next();
    } catch (error) {
      this.ends.damaged(error as Error);
    }
    if (block === null) {
      this.atEnd = true;
      return false;
    }
    const { log } = this;
    log.bytes = block.bytes;
    log.at = block.start;
    log.end = block.end;
    return true;
  }

  private differ(start: number): never {
    return this.tell(start, describeOwn(new Cursor(this.bytes, 0, this.at), this.texts));
  }

  private tell(start: number, now: string): never {
    return this.ends.differs({
      event: this.events + 1,
      turn: this.turn,
      item: this.item?.() ?? null,
      recorded: this.describe(this.log.bytes, start),
      now,
      before: this.recent(),
    });
  }

  private describe(bytes: Uint8Array, at: number): string {
    return describeEntry(new Cursor(bytes, at, bytes.length), this.texts);
  }

  private damaged(error: unknown): never {
    const why = error instanceof Error ? error.message : String(error);
    return this.ends.damaged(corrupt(this.log.at, why));
  }
}
