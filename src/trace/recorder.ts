// The recorder: an observer that keeps what it hears as binary records, in a ring in memory or streamed to a file.

import * as fs from 'node:fs';
import { UnderloopError, argumentError, checkInteger, checkObject } from '../errors.js';
import type { InterestChange, ItemKind, ObservedReactor, TimeoutReason } from '../reactor/observer.js';
import { SilentObserver } from '../reactor/observer.js';
import type { Task } from '../reactor/run-queue.js';
import type { Timer } from '../reactor/timer-heap.js';
import {
  changeNumber,
  encode,
  encodeHeader,
  kindNumber,
  messageOf,
  putBytes,
  putText,
  reasonNumber,
  textOf,
} from './encode.js';
import { Block, FileSink, Ring, type Sink } from './blocks.js';
import { DELTA_NS_MAX, RECORD, RECORD_WORDS_MAX, TEXTS_MAX, TEXT_EMPTY, TEXT_OVERFLOW } from './format.js';

/** What a ring takes unless told otherwise, and at least: four blocks that hold the largest record each. */
const RING_BYTES = 4 * 1024 * 1024;
const RING_BYTES_MIN = 16 * 1024;
/** The ring forgets a block at a time: an eighth of it, or this much. */
const RING_BLOCK_BYTES_MAX = 64 * 1024;
/** A write of this size costs a few microseconds of waking a thread, once in about 2,500 messages. */
const FILE_BLOCK_BYTES = 256 * 1024;
/** What the program did is on the disk after this time at most, while it is busy; at once when it falls idle. */
const FLUSH_MS = 250;
/** A wait that may last longer than this is a time to write. */
const LONG_WAIT_MS = 10;

/** Options of a recorder with a ring in memory. */
export interface RecorderOptions {
  /** Bytes of records kept in memory, 16 KiB to 1 GiB; the oldest are overwritten. 4 MiB unless given. */
  ringBytes?: number;
  /** Read the clock after each system call, and not only between items: about 50 ns more for each call. */
  callTimes?: boolean;
}

/** Options of {@link Recorder.toFile}. */
export interface FileRecorderOptions {
  /** Read the clock after each system call, too: about 50 ns more for each call. */
  callTimes?: boolean;
}

/**
 * Records one reactor: `new Reactor({ observer: new Recorder() })`. The clock is read where a turn begins, where its wait
 * ends and where an item ends, and for what is called outside of items; what lies between has the time before it.
 */
export class Recorder extends SilentObserver implements Disposable {
  private readonly ring: Ring | null;
  private readonly file: FileSink | null;
  private readonly sink: Sink;
  private readonly callTimes: boolean;
  private startedUnixMs = Date.now();
  private startedNs: number;
  private readonly ids = new Map<string, number>();
  private readonly texts: string[] = [];

  private block: Block;
  private words: Int32Array;
  private at = 0;
  private end = 0;
  private baseNs = 0;
  private deltaNs = 0;
  private blockBeganNs = 0;

  /** Adds up to the reactor's clock: its own is a native call that makes a heap number, and this is the same clock. */
  private clock: { now(): number } = performance;
  private offsetMs = 0;
  private reactor: ObservedReactor | null = null;
  private readonly double = new Float64Array(1);
  private readonly doubleWords = new Int32Array(this.double.buffer);
  private readonly recvId: number;
  private readonly sendId: number;
  private inItem = false;
  private plainType: unknown = null;
  private plainName = 0;
  private ended = 0; // the last turn whose end was recorded
  private closed = false;
  // Of the program, since the last write and in this turn: when it falls idle, what it did goes to the file.
  private readonly hostName: number;
  private unwritten = false;
  private ranInTurn = false;

  /** Throws `ERR_ARGUMENT`. For a file: {@link Recorder.toFile}. */
  constructor(options: RecorderOptions = {}, /** @internal */ file: FileSink | null = null) {
    super();
    checkObject('options', options);
    const { ringBytes = RING_BYTES, callTimes = false } = options;
    checkInteger('options.ringBytes', ringBytes, RING_BYTES_MIN, 2 ** 30);
    if (typeof callTimes !== 'boolean') throw argumentError('options.callTimes', 'true or false', callTimes);
    this.callTimes = callTimes;
    const blockBytes = Math.min(RING_BLOCK_BYTES_MAX, Math.floor(ringBytes / 64) * 8);
    this.file = file;
    this.ring = file === null ? new Ring(Math.floor(ringBytes / blockBytes), blockBytes) : null;
    this.sink = (file ?? this.ring) as Sink;
    this.startedNs = this.blockBeganNs = performance.now() * 1e6;
    file?.writeHeader(this.header());
    this.block = this.sink.next(null);
    this.words = this.block.words;
    this.baseNs = this.startedNs;
    this.enter(this.block);
    this.recvId = this.text('recv');
    this.sendId = this.text('send');
    this.hostName = this.text('HostSource');
  }

  /**
   * Streams to `path`, which is made or emptied. Everything is on the disk after {@link close}, or when the process
   * exits; after SIGKILL, all but about the last quarter of a second. Throws the system's error when it cannot be opened.
   */
  static toFile(path: string, options: FileRecorderOptions = {}): Recorder {
    if (typeof path !== 'string' || path === '') throw argumentError('path', 'the name of a file', path);
    checkObject('options', options);
    const recorder = new Recorder(options, new FileSink(fs.openSync(path, 'w'), FILE_BLOCK_BYTES));
    process.once('exit', recorder.flush);
    return recorder;
  }

  /** Records that the ring has overwritten. */
  get lost(): number {
    return this.ring?.lost ?? 0;
  }
  /** Blocks for which the program had to wait, since the disk was slower than the trace. */
  get syncWrites(): number {
    return this.file?.syncWrites ?? 0;
  }
  /** Bytes in the file. */
  get bytesWritten(): number {
    return this.file?.bytes ?? 0;
  }
  /** Why nothing is written any more (a full disk), or null. */
  get failure(): Error | null {
    return this.file?.failure ?? null;
  }

  /** The ring as a trace, complete in itself: for {@link readTrace}, or to be written to a file. */
  toBytes(): Uint8Array {
    if (this.ring === null)
      throw new UnderloopError('ERR_UNSUPPORTED', 'this recorder writes to a file: read that');
    this.leave();
    const parts = [this.header()];
    let sequence = 0;
    // The texts come first, whatever of the ring has been overwritten.
    const named = new Block(FILE_BLOCK_BYTES);
    const blocks = this.ring.filled();
    named.begin(this.startedNs);
    this.texts.forEach((text, i) => {
      if (named.usedWords + RECORD_WORDS_MAX > named.words.length) {
        parts.push(named.seal(sequence++).slice());
        named.begin(this.startedNs);
      }
      named.usedWords += putText(named.words, named.usedWords, RECORD.text, 0, i + 1, text);
      named.records++;
    });
    parts.push(named.seal(sequence++));
    for (const block of blocks) parts.push(block.seal(sequence++));
    return Buffer.concat(parts);
  }

  /** A line of the program's own in the trace. */
  mark(text: string): void {
    if (typeof text !== 'string') throw argumentError('text', 'a string', text);
    this.readClock();
    this.putInline(RECORD.mark, 0, text);
  }

  /** Writes everything to the file now, and waits for that. Nothing for a ring. */
  readonly flush = (): void => {
    if (this.file === null || this.closed) return;
    this.leave();
    this.enter(this.file.flush(this.block));
  };

  /** Writes the rest and closes the file; nothing is recorded any more. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.flush();
    this.closed = true;
    process.removeListener('exit', this.flush);
    this.file?.close();
  }
  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  // ---- What the reactor says ------------------------------------------------------------------------------

  override reactorOpened(reactor: ObservedReactor): void {
    if (this.reactor !== null) {
      throw new UnderloopError('ERR_BUSY', 'a recorder records one reactor; make another for the second');
    }
    this.reactor = reactor;
    const { kernel, poller } = reactor;
    if (kernel.name === 'native') this.offsetMs = kernel.now() - performance.now();
    else this.clock = kernel;
    this.startedUnixMs = Date.now();
    this.startedNs = (this.clock.now() + this.offsetMs) * 1e6;
    this.file?.writeHeader(this.header());
    this.rebase(this.startedNs);
    const kind = this.text(poller.kind);
    const name = this.text(kernel.name);
    const at = this.put(RECORD.reactorOpened, 4, kind);
    this.words[at + 2] = name;
    this.words[at + 3] = poller.fd;
  }
  override reactorClosed(): void {
    this.readClock();
    this.put(RECORD.reactorClosed, 2, 0);
    this.flush();
  }

  override turnBegin(turn: number, nowMs: number): void {
    this.setTime(nowMs);
    this.putOne(RECORD.turnBegin, 0, turn);
  }
  override turnEnd(turn: number): void {
    if (turn === this.ended) return;
    this.ended = turn;
    this.putOne(RECORD.turnEnd, 0, turn);
  }
  override waitBegin(timeoutMs: number, reason: TimeoutReason): void {
    const at = this.put(RECORD.waitBegin, 4, reasonNumber(reason));
    this.putDouble(at + 2, timeoutMs);
    if (this.file !== null) this.writeIfIdle(timeoutMs);
  }
  override waitEnd(events: number): void {
    this.readClock();
    this.putOne(RECORD.waitEnd, 0, events);
  }
  override readiness(fd: number, readiness: number, slot: number, generation: number, raw: number): void {
    const at = this.put(RECORD.readiness, 6, readiness);
    const { words } = this;
    words[at + 2] = fd;
    words[at + 3] = slot;
    words[at + 4] = generation;
    words[at + 5] = raw;
  }
  override batch(timers: number, ready: number, posted: number, deferred: number, closed: number): void {
    const at = this.put(RECORD.batch, 7, 0);
    const { words } = this;
    words[at + 2] = timers;
    words[at + 3] = ready;
    words[at + 4] = posted;
    words[at + 5] = deferred;
    words[at + 6] = closed;
  }
  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    const name = this.nameOf(item);
    if (name !== this.hostName) this.ranInTurn = true;
    this.inItem = true;
    const number = kindNumber(kind);
    const isTimer = number === 0;
    // What a flush is run with is no readiness.
    const at = this.put(RECORD.itemBegin, isTimer ? 5 : 4, number | ((readiness & 0xfff) << 4));
    const { words } = this;
    words[at + 2] = fd;
    words[at + 3] = name;
    if (isTimer) words[at + 4] = (item as Timer).sequence;
  }
  override itemEnd(kind: ItemKind): void {
    this.readClock();
    this.inItem = false;
    this.put(RECORD.itemEnd, 2, kindNumber(kind));
  }
  override drainBegin(): void {
    this.put(RECORD.drainBegin, 2, 0);
  }
  override drainEnd(): void {
    this.readClock();
    this.put(RECORD.drainEnd, 2, 0);
  }
  override stale(slot: number, generation: number, readiness: number): void {
    const at = this.put(RECORD.stale, 4, readiness);
    this.words[at + 2] = slot;
    this.words[at + 3] = generation;
  }
  override interest(
    change: InterestChange,
    fd: number,
    bits: number,
    slot: number,
    generation: number,
  ): void {
    const at = this.put(RECORD.interest, 5, changeNumber(change) | ((bits & 0xfff) << 4));
    const { words } = this;
    words[at + 2] = fd;
    words[at + 3] = slot;
    words[at + 4] = generation;
  }
  override timerSet(timer: Timer): void {
    const name = this.nameOf(timer);
    if (!this.inItem) this.readClock();
    const at = this.put(RECORD.timerSet, 6, 0);
    this.words[at + 2] = timer.sequence;
    this.words[at + 3] = name;
    this.putDouble(at + 4, timer.deadlineMs);
  }
  override timerCancelled(timer: Timer): void {
    this.putOne(RECORD.timerCancelled, 0, timer.sequence);
  }
  override queued(kind: ItemKind, task: Task): void {
    const name = this.nameOf(task);
    this.putOne(RECORD.queued, kindNumber(kind), name);
  }
  override resumed(what: string): void {
    this.put(RECORD.resumed, 2, this.text(what));
  }
  override error(error: unknown, kind: ItemKind): void {
    const message = this.text(messageOf(error));
    this.putOne(RECORD.error, kindNumber(kind), message);
  }
  override call(
    name: string,
    args: readonly unknown[],
    result: unknown,
    fd: number,
    a: number,
    b: number,
  ): void {
    if (this.callTimes || !this.inItem) this.readClock();
    let id = this.recvId;
    let text = '';
    if (name !== 'recv') {
      if (name === 'send') id = this.sendId;
      else {
        id = this.text(name);
        text = textOf(args, result);
      }
    }
    const at = text === '' ? this.put(RECORD.call, 6, id) : this.putInline(RECORD.call, id, text, 6);
    const { words } = this;
    words[at + 2] = typeof result === 'number' ? result : 0;
    words[at + 3] = fd;
    words[at + 4] = a;
    words[at + 5] = b;
  }

  // ---- Records --------------------------------------------------------------------------------------------

  /** Room for a record of `length` words, whose first two are written. Returns where it is, in {@link words}. */
  private put(type: number, length: number, detail: number): number {
    if (this.at + length > this.end) this.advance();
    const { at, words } = this;
    this.at = at + length;
    this.block.records++;
    words[at] = type | (length << 8) | (detail << 16);
    words[at + 1] = this.deltaNs;
    return at;
  }

  /** A record of one field. Not `words[put()]`: that would look up the words before put() has gone on to another block. */
  private putOne(type: number, detail: number, field: number): void {
    const at = this.put(type, 3, detail);
    this.words[at + 2] = field;
  }

  /** A record of `fields` words that ends in a text: its length in bytes, then the bytes. */
  private putInline(type: number, detail: number, text: string, fields = 2): number {
    const bytes = encode(text);
    const length = fields + 1 + Math.ceil(bytes.length / 4);
    const at = this.put(type, length, detail);
    putBytes(this.words, at + fields, bytes);
    return at;
  }

  private putDouble(at: number, value: number): void {
    this.double[0] = value;
    this.words[at] = this.doubleWords[0];
    this.words[at + 1] = this.doubleWords[1];
  }

  private readClock(): void {
    this.setTime(this.clock.now() + this.offsetMs);
  }

  /** Times never go back: two readings of one clock on two ways may differ by a rounding. */
  private setTime(ms: number): void {
    const delta = ms * 1e6 - this.baseNs;
    if (delta > this.deltaNs) {
      if (delta < DELTA_NS_MAX) this.deltaNs = Math.trunc(delta + 0.5);
      else this.rebase(ms * 1e6);
    }
  }

  private rebase(ns: number): void {
    this.baseNs = ns;
    this.deltaNs = 0;
    const at = this.put(RECORD.time, 4, 0);
    this.putDouble(at + 2, ns);
  }

  /** The block is full, or old: the next one. */
  private advance(): void {
    this.leave();
    this.baseNs += this.deltaNs;
    this.deltaNs = 0;
    this.blockBeganNs = this.baseNs;
    this.enter(this.sink.next(this.block));
  }

  private leave(): void {
    this.block.usedWords = this.at;
  }

  private enter(block: Block): void {
    block.begin(this.baseNs);
    this.block = block;
    this.words = block.words;
    this.at = block.usedWords;
    this.end = block.words.length;
  }

  private writeIfIdle(timeoutMs: number): void {
    const idle = !this.ranInTurn && timeoutMs > LONG_WAIT_MS;
    this.unwritten ||= this.ranInTurn;
    this.ranInTurn = false;
    if (!this.unwritten) return;
    const ageNs = this.baseNs + this.deltaNs - this.blockBeganNs;
    if (!idle && ageNs < FLUSH_MS * 1e6) return;
    this.unwritten = false;
    this.advance();
  }

  /** The number of a text; the first time, the file is told it. */
  private text(text: string): number {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    if (text === '') return TEXT_EMPTY;
    if (this.ids.size + 1 >= TEXTS_MAX) return TEXT_OVERFLOW;
    const id = this.ids.size + 1;
    this.ids.set(text, id);
    if (this.ring !== null) this.texts.push(text);
    else {
      if (this.at + RECORD_WORDS_MAX > this.end) this.advance();
      this.at += putText(this.words, this.at, RECORD.text, this.deltaNs, id, text);
      this.block.records++;
    }
    return id;
  }

  /** A function's name, what an object calls itself, or else the name of its class. */
  private nameOf(item: Task | Timer): number {
    if (typeof item === 'function') return this.text(item.name);
    const type = item.constructor;
    if (type === this.plainType) return this.plainName;
    const { name } = item;
    if (typeof name === 'string') return this.text(name);
    this.plainType = type;
    this.plainName = this.text(typeof type === 'function' ? type.name : '');
    return this.plainName;
  }

  private header(): Uint8Array {
    const { startedUnixMs, startedNs, lost, ring } = this;
    return encodeHeader({ startedUnixMs, startedNs, lost, ring: ring !== null, pid: process.pid });
  }
}
