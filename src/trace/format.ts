// The layout of a trace: header, blocks, records. docs/trace.md is its specification; here are its numbers.

import type { InterestChange, ItemKind, TimeoutReason } from '../reactor/observer.js';

/** The first eight bytes of a file. */
export const MAGIC = 'ULTRACE\n';
export const VERSION = 1;
/** Written in the byte order of the machine that recorded: a reader learns the order from it. */
export const BYTE_ORDER = 0x01020304;
export const HEADER_BYTES = 64;

/** 'ULBK' in the byte order of a little-endian machine. */
export const BLOCK_MAGIC = 0x4b424c55;
export const BLOCK_HEADER_BYTES = 24;
export const BLOCK_HEADER_WORDS = BLOCK_HEADER_BYTES / 4;
/** Bytes of records in one block at most: what a reader must be ready to hold. */
export const BLOCK_BYTES_MAX = 1024 * 1024;

/** A record's length stands in 8 bits of its first word, counted in words of 4 bytes. */
export const RECORD_WORDS_MAX = 255;
/** UTF-8 bytes of one text: a string record has four words before it, a call seven. */
export const TEXT_BYTES_MAX = (RECORD_WORDS_MAX - 8) * 4;
/** Texts are named by 16 bits. 0 is the empty one; the last stands for all that find no place. */
export const TEXTS_MAX = 65_535;
export const TEXT_EMPTY = 0;
export const TEXT_OVERFLOW = TEXTS_MAX;
export const OVERFLOW_TEXT = '(more texts than a trace can name)';

/** Nanoseconds that a record's time may lie after its block's base. Beyond, a `time` record moves the base. */
export const DELTA_NS_MAX = 0x7fffffff;

/** Record types: the lowest byte of a record's first word. */
export const RECORD = {
  text: 1,
  time: 2,
  reactorOpened: 3,
  reactorClosed: 4,
  turnBegin: 5,
  turnEnd: 6,
  waitBegin: 7,
  waitEnd: 8,
  readiness: 9,
  batch: 10,
  itemBegin: 11,
  itemEnd: 12,
  stale: 13,
  interest: 14,
  timerSet: 15,
  timerCancelled: 16,
  queued: 17,
  resumed: 18,
  error: 19,
  call: 20,
  drainBegin: 21,
  drainEnd: 22,
  mark: 23,
} as const;

/** The numbers of these words are their places here. New ones go to the end. */
export const ITEM_KINDS: readonly ItemKind[] = [
  'timer',
  'readiness',
  'posted',
  'deferred',
  'closed',
  'flush',
];
export const REASONS: readonly TimeoutReason[] = ['queued', 'timer', 'host', 'idle'];
export const CHANGES: readonly InterestChange[] = ['add', 'modify', 'remove', 'park'];

/** What stands at the beginning of a trace. */
export interface TraceHeader {
  /** Of the format. */
  readonly version: number;
  /** The byte order of the machine that recorded. */
  readonly littleEndian: boolean;
  /** The process that recorded. */
  readonly pid: number;
  /** Time of day when the recorder was made, in milliseconds since 1970... */
  readonly startedUnixMs: number;
  /** ...and the same moment on the clock of the records. */
  readonly startedNs: number;
  /** Records that the ring has overwritten. */
  readonly lost: number;
  /** Kept in a ring, so that its beginning may be missing; else streamed to a file. */
  readonly ring: boolean;
}

/** When something happened. */
export interface TraceTime {
  /** On the reactor's monotonic clock, and never less than that of the event before. */
  readonly timeNs: number;
}

/** One thing that happened. */
export type TraceEvent = TraceTime & TraceFields;

export type TraceFields =
  | { readonly type: 'reactorOpened'; kernel: string; poller: string; pollerFd: number }
  | { readonly type: 'reactorClosed' | 'drainBegin' | 'drainEnd' }
  | { readonly type: 'turnBegin' | 'turnEnd'; turn: number }
  | { readonly type: 'waitBegin'; timeoutMs: number; reason: TimeoutReason }
  | { readonly type: 'waitEnd'; events: number }
  | {
      readonly type: 'readiness';
      fd: number;
      readiness: number;
      slot: number;
      generation: number;
      raw: number;
    }
  | {
      readonly type: 'batch';
      timers: number;
      readinesses: number;
      posted: number;
      deferred: number;
      closed: number;
    }
  | {
      readonly type: 'itemBegin';
      kind: ItemKind;
      name: string;
      fd: number;
      readiness: number;
      /** Of a timer: which, as in `timerSet`; else -1. */
      timer: number;
    }
  | { readonly type: 'itemEnd'; kind: ItemKind }
  | { readonly type: 'stale'; slot: number; generation: number; readiness: number }
  | {
      readonly type: 'interest';
      change: InterestChange;
      fd: number;
      interest: number;
      slot: number;
      generation: number;
    }
  | { readonly type: 'timerSet'; timer: number; deadlineMs: number; name: string }
  | { readonly type: 'timerCancelled'; timer: number }
  | { readonly type: 'queued'; kind: ItemKind; name: string }
  | { readonly type: 'resumed'; name: string }
  | { readonly type: 'error'; kind: ItemKind; message: string }
  | {
      readonly type: 'call';
      name: string;
      /** -errno on failure; 0 where the result is no number: then `text` has it. */
      result: number;
      fd: number;
      a: number;
      b: number;
      /** Arguments and results that are no numbers; else empty. */
      text: string;
    }
  | { readonly type: 'mark'; text: string };
