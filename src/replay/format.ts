// The layout of a recording: header, blocks, entries. docs/replay.md is its specification; here are its numbers.

import type { Terminal } from './terminals.js';

/** The first eight bytes of a file. */
export const MAGIC = 'ULREPLAY';
/** Readers take their own version only: an entry that one of them does not know would shift all that follow. */
export const VERSION = 1;
/** Magic, version, bytes of the facts that follow as JSON, their checksum. */
export const HEADER_BYTES = 20;
/** What a reader takes as facts at most: arguments and environment of a process have 128 KiB each for one text. */
export const FACTS_BYTES_MAX = 16 * 1024 * 1024;

/** Of the file: what was read and the environment may be secrets, so it is for its owner alone. */
export const FILE_MODE = 0o600;

/** 'ULRB', little-endian as everything here. */
export const BLOCK_MAGIC = 0x42524c55;
/** Magic, sequence, bytes of entries, events, the number of the event before the first (a double). */
export const BLOCK_HEADER_BYTES = 24;
/** Behind the entries of each block. */
export const CHECKSUM_BYTES = 4;
/** Bytes of entries in one block at most: what a reader must be ready to hold. A file that was read has 64 MiB at most. */
export const BLOCK_BYTES_MAX = 72 * 1024 * 1024;

/** UTF-8 bytes of one text at most; what is longer is cut, when it is recorded and when it is compared. */
export const TEXT_BYTES_MAX = 4096;
/** Texts that are named by a number; what comes later stands in full. */
export const TEXTS_MAX = 65_536;

/** Entry types: the first byte of an entry. New ones go to the end. */
export const OP = {
  // What the system said: arguments are compared, results are given.
  now: 1,
  recv: 2,
  send: 3,
  sendBytes: 4,
  pieces: 5,
  accept: 6,
  close: 7,
  read: 8,
  write: 9,
  call: 10,
  openPoller: 11,
  pollerAdd: 12,
  pollerModify: 13,
  pollerRemove: 14,
  wait: 15,
  pollerClose: 16,
  pollerWake: 17,
  receiveDatagrams: 18,
  sendDatagrams: 19,
  // What the reactor did: compared.
  reactor: 20,
  reactorOpened: 21,
  reactorClosed: 22,
  turnBegin: 23,
  item: 24,
  itemEnd: 25,
  stale: 26,
  timerSet: 27,
  timerCancelled: 28,
  queued: 29,
  resumed: 30,
  error: 31,
  turnEnd: 32,
  state: 33,
  // What the runtime said.
  date: 40,
  performanceNow: 41,
  random: 42,
  uuid: 43,
  timeout: 44,
  clearTimeout: 45,
  /** Of a call on a native thread: descriptors.ts. */
  outcome: 46,
  // What the host decided: given, in this order.
  host: 50,
  turn: 51,
  shared: 52,
  drain: 53,
  runEnded: 54,
  callback: 55,
  signal: 56,
  beforeExit: 57,
  exit: 58,
  /** The bound of bytes was reached: nothing was recorded from here on. */
  limit: 59,
  // Notes of the recorder, which are no events.
  uncovered: 60,
  modules: 61,
} as const;

/** What stands at the beginning of a recording. */
export interface Facts {
  /** The program, and what it was started with. */
  readonly script: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Modules that it got before its own. */
  readonly imports: readonly string[];
  /** Of the script's bytes, in hexadecimal digits: SHA-256. */
  readonly scriptHash: string;
  readonly pid: number;
  readonly ppid: number;
  /** `process.version` and `process.platform`. */
  readonly node: string;
  readonly platform: string;
  /** Of the package. */
  readonly version: string;
  readonly startedUnixMs: number;
  /** `performance.timeOrigin`. */
  readonly timeOriginMs: number;
  /** Of the kernel's read buffer: where bytes are put depends on it. */
  readonly bufferBytes: number;
  /** Of descriptors 0, 1 and 2. Missing in older recordings: none of them is known to be a terminal. */
  readonly terminals?: readonly Terminal[];
}

/** One module of the program. */
export interface ModuleHash {
  readonly path: string;
  /** SHA-256 of its bytes. */
  readonly hash: string;
}
