// Reads a trace back, from bytes or from a file, block by block: bounded memory, and a clear error for what is none.

import * as fs from 'node:fs';
import { UnderloopError, argumentError } from '../errors.js';
import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  BYTE_ORDER,
  CHANGES,
  HEADER_BYTES,
  ITEM_KINDS,
  MAGIC,
  OVERFLOW_TEXT,
  REASONS,
  RECORD,
  TEXT_OVERFLOW,
  VERSION,
  type TraceEvent,
  type TraceFields,
  type TraceHeader,
} from './format.js';

/** Words of each record, the two that all begin with included. A text at the end makes it longer. */
const WORDS = new Map<number, number>([
  [RECORD.text, 4],
  [RECORD.time, 4],
  [RECORD.reactorOpened, 4],
  [RECORD.reactorClosed, 2],
  [RECORD.turnBegin, 3],
  [RECORD.turnEnd, 3],
  [RECORD.waitBegin, 4],
  [RECORD.waitEnd, 3],
  [RECORD.readiness, 6],
  [RECORD.batch, 7],
  [RECORD.itemBegin, 4],
  [RECORD.itemEnd, 2],
  [RECORD.stale, 4],
  [RECORD.interest, 5],
  [RECORD.timerSet, 6],
  [RECORD.timerCancelled, 3],
  [RECORD.queued, 3],
  [RECORD.resumed, 2],
  [RECORD.error, 3],
  [RECORD.call, 6],
  [RECORD.drainBegin, 2],
  [RECORD.drainEnd, 2],
  [RECORD.mark, 3],
]);

/** Where the bytes come from: at most `length` of them from `offset`, fewer at the end. */
interface Bytes {
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * A trace being read. Iterate it once: the events come in the order in which they happened. Afterwards {@link truncated}
 * says whether its end was missing, as after SIGKILL; all whole records before that were given.
 */
export class TraceReader implements Iterable<TraceEvent> {
  /** Who recorded it, and when. */
  readonly header: TraceHeader;
  /** The last block or record is not complete. Known when all has been read. */
  truncated = false;
  private readonly texts = new Map<number, string>();
  private lastNs = -Infinity;

  /** @internal */
  constructor(private readonly source: Bytes) {
    this.header = readHeader(source.read(0, HEADER_BYTES));
  }

  /** The events, oldest first. Throws `ERR_TRACE_CORRUPT`. */
  *[Symbol.iterator](): Generator<TraceEvent, void, undefined> {
    try {
      for (let offset = HEADER_BYTES; ;) {
        const head = this.source.read(offset, BLOCK_HEADER_BYTES);
        if (head.length === 0) return;
        const view = viewOf(head);
        const little = this.header.littleEndian;
        // A hole: a block behind it was written, this one was still on its way when the process was killed.
        if (head.length < BLOCK_HEADER_BYTES || head.every((byte) => byte === 0)) {
          this.truncated = true;
          return;
        }
        if (view.getUint32(0, little) !== BLOCK_MAGIC) throw corrupt(offset, 'no block begins here');
        const bytes = view.getUint32(8, little);
        if (bytes % 4 !== 0 || bytes > BLOCK_BYTES_MAX) {
          throw corrupt(offset + 8, `a block of ${String(bytes)} bytes`);
        }
        const baseNs = view.getFloat64(16, little);
        if (!Number.isFinite(baseNs)) throw corrupt(offset + 16, 'a time that is none');
        offset += BLOCK_HEADER_BYTES;
        const records = this.source.read(offset, bytes);
        yield* this.block(records, offset, baseNs, records.length < bytes);
        if (records.length < bytes) {
          this.truncated = true;
          return;
        }
        offset += bytes;
      }
    } finally {
      this.source.close();
    }
  }

  private *block(
    bytes: Uint8Array,
    offset: number,
    baseNs: number,
    cut: boolean,
  ): Generator<TraceEvent, void, undefined> {
    const view = viewOf(bytes);
    const little = this.header.littleEndian;
    for (let at = 0; at < bytes.length;) {
      if (cut && at + 8 > bytes.length) return;
      const first = view.getUint32(at, little);
      const type = first & 0xff;
      const length = ((first >> 8) & 0xff) * 4;
      const where = offset + at;
      const least = WORDS.get(type);
      if (least === undefined) throw corrupt(where, `a record of the unknown type ${String(type)}`);
      if (length < least * 4) throw corrupt(where, `a record of ${String(length)} bytes, too short`);
      if (at + length > bytes.length) {
        if (cut) return;
        throw corrupt(where, 'a record that is longer than its block');
      }
      const record = new Record(view, at, length, little, where);
      if (type === RECORD.time) {
        baseNs = record.double(2);
        if (!Number.isFinite(baseNs)) throw corrupt(where, 'a time that is none');
      } else if (type === RECORD.text) {
        this.texts.set(record.word(2), record.inline(3));
      } else {
        const timeNs = baseNs + record.unsigned(1);
        if (timeNs < this.lastNs) throw corrupt(where, 'a time before that of the record before it');
        this.lastNs = timeNs;
        yield { timeNs, ...this.decode(type, first >>> 16, record) };
      }
      at += length;
    }
  }

  private decode(type: number, detail: number, record: Record): TraceFields {
    const text = (id: number): string => {
      if (id === 0) return '';
      const found = id === TEXT_OVERFLOW ? OVERFLOW_TEXT : this.texts.get(id);
      if (found === undefined) throw corrupt(record.where, `the unknown text ${String(id)}`);
      return found;
    };
    const kind = () => oneOf(ITEM_KINDS, detail & 0xf, record);
    switch (type) {
      case RECORD.reactorOpened:
        return {
          type: 'reactorOpened',
          kernel: text(record.word(2)),
          poller: text(detail),
          pollerFd: record.word(3),
        };
      case RECORD.reactorClosed:
        return { type: 'reactorClosed' };
      case RECORD.drainBegin:
        return { type: 'drainBegin' };
      case RECORD.drainEnd:
        return { type: 'drainEnd' };
      case RECORD.turnBegin:
        return { type: 'turnBegin', turn: record.unsigned(2) };
      case RECORD.turnEnd:
        return { type: 'turnEnd', turn: record.unsigned(2) };
      case RECORD.waitBegin:
        return { type: 'waitBegin', timeoutMs: record.double(2), reason: oneOf(REASONS, detail, record) };
      case RECORD.waitEnd:
        return { type: 'waitEnd', events: record.word(2) };
      case RECORD.readiness:
        return {
          type: 'readiness',
          fd: record.word(2),
          readiness: detail,
          slot: record.word(3),
          generation: record.word(4),
          raw: record.unsigned(5),
        };
      case RECORD.batch:
        return {
          type: 'batch',
          timers: record.word(2),
          readinesses: record.word(3),
          posted: record.word(4),
          deferred: record.word(5),
          closed: record.word(6),
        };
      case RECORD.itemBegin: {
        const timer = (detail & 0xf) === 0 ? record.word(4) : -1;
        const [fd, name] = [record.word(2), text(record.word(3))];
        return { type: 'itemBegin', kind: kind(), name, fd, readiness: detail >> 4, timer };
      }
      case RECORD.itemEnd:
        return { type: 'itemEnd', kind: kind() };
      case RECORD.stale:
        return { type: 'stale', slot: record.word(2), generation: record.word(3), readiness: detail };
      case RECORD.interest:
        return {
          type: 'interest',
          change: oneOf(CHANGES, detail & 0xf, record),
          fd: record.word(2),
          interest: detail >> 4,
          slot: record.word(3),
          generation: record.word(4),
        };
      case RECORD.timerSet:
        return {
          type: 'timerSet',
          timer: record.word(2),
          deadlineMs: record.double(4),
          name: text(record.word(3)),
        };
      case RECORD.timerCancelled:
        return { type: 'timerCancelled', timer: record.word(2) };
      case RECORD.queued:
        return { type: 'queued', kind: kind(), name: text(record.word(2)) };
      case RECORD.resumed:
        return { type: 'resumed', name: text(detail) };
      case RECORD.error:
        return { type: 'error', kind: kind(), message: text(record.word(2)) };
      case RECORD.call:
        return {
          type: 'call',
          name: text(detail),
          result: record.word(2),
          fd: record.word(3),
          a: record.word(4),
          b: record.word(5),
          text: record.length > 24 ? record.inline(6) : '',
        };
      default:
        return { type: 'mark', text: record.inline(2) };
    }
  }
}

/** Access to one record's words. Reading beyond its end is a fault of the file. */
class Record {
  constructor(
    private readonly view: DataView,
    private readonly at: number,
    readonly length: number,
    private readonly little: boolean,
    readonly where: number,
  ) {}

  word(index: number): number {
    return this.view.getInt32(this.place(index, 4), this.little);
  }
  unsigned(index: number): number {
    return this.view.getUint32(this.place(index, 4), this.little);
  }
  double(index: number): number {
    return this.view.getFloat64(this.place(index, 8), this.little);
  }
  /** The text that ends the record. */
  inline(index: number): string {
    const bytes = this.unsigned(index);
    const start = this.place(index + 1, bytes);
    try {
      return decoder.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, bytes));
    } catch {
      throw corrupt(this.where, 'a text that is not UTF-8');
    }
  }

  private place(index: number, bytes: number): number {
    if (index * 4 + bytes > this.length) throw corrupt(this.where, 'a record that ends too early');
    return this.at + index * 4;
  }
}

function oneOf<T>(words: readonly T[], number: number, record: Record): T {
  const found = words[number];
  if (found === undefined) throw corrupt(record.where, `the unknown kind ${String(number)}`);
  return found;
}

function readHeader(bytes: Uint8Array): TraceHeader {
  const view = viewOf(bytes);
  const magic = Buffer.from(bytes.subarray(0, MAGIC.length)).toString('latin1');
  if (magic !== MAGIC) {
    throw new UnderloopError('ERR_TRACE_FORMAT', 'this is no trace of underloop: it does not begin like one');
  }
  if (bytes.length < HEADER_BYTES) throw corrupt(bytes.length, 'the header is cut off');
  const littleEndian = view.getUint32(8, true) === BYTE_ORDER;
  if (!littleEndian && view.getUint32(8, false) !== BYTE_ORDER) throw corrupt(8, 'no byte order is told');
  const version = view.getUint32(12, littleEndian);
  if (version !== VERSION) {
    throw new UnderloopError(
      'ERR_TRACE_VERSION',
      `the trace has version ${String(version)} of the format; this underloop reads version ${String(VERSION)}. ` +
        'Read it with the release that recorded it',
    );
  }
  if (view.getUint32(16, littleEndian) !== HEADER_BYTES) throw corrupt(16, 'a header of another length');
  return {
    version,
    littleEndian,
    pid: view.getUint32(20, littleEndian),
    startedUnixMs: view.getFloat64(24, littleEndian),
    startedNs: view.getFloat64(32, littleEndian),
    lost: view.getFloat64(40, littleEndian),
    ring: (view.getUint32(48, littleEndian) & 1) !== 0,
  };
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function corrupt(offset: number, what: string): UnderloopError {
  return new UnderloopError(
    'ERR_TRACE_CORRUPT',
    `the trace is damaged at byte ${String(offset)}: ${what}. What stands before it can be read`,
  );
}

class FileBytes implements Bytes {
  private open = true;
  constructor(private readonly fd: number) {}
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = fs.readSync(this.fd, bytes, done, length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }
  close(): void {
    if (this.open) fs.closeSync(this.fd);
    this.open = false;
  }
}

/**
 * Opens a trace: its bytes, or the name of a file. Throws `ERR_TRACE_FORMAT` for what is no trace, `ERR_TRACE_VERSION`
 * for one of another version; while it is iterated, `ERR_TRACE_CORRUPT`. A file stays open until the iteration ends.
 */
export function readTrace(source: string | Uint8Array): TraceReader {
  if (source instanceof Uint8Array) {
    return new TraceReader({
      read: (offset, length) => source.subarray(offset, offset + length),
      close: () => undefined,
    });
  }
  if (typeof source !== 'string')
    throw argumentError('source', 'a file name or the bytes of a trace', source);
  const file = new FileBytes(fs.openSync(source, 'r'));
  try {
    return new TraceReader(file);
  } catch (error) {
    file.close();
    throw error;
  }
}
