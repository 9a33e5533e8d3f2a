// How a trace is written: its header, the numbers of words, texts.

import { endianness } from 'node:os';
import { inspect } from 'node:util';
import type { InterestChange, ItemKind, TimeoutReason } from '../reactor/observer.js';
import {
  BLOCK_HEADER_BYTES,
  BYTE_ORDER,
  HEADER_BYTES,
  MAGIC,
  TEXT_BYTES_MAX,
  VERSION,
  type TraceHeader,
} from './format.js';

const encoder = new TextEncoder();

/** The first bytes of a trace, in the byte order of this machine. */
export function encodeHeader(header: Omit<TraceHeader, 'version' | 'littleEndian'>): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const little = endianness() === 'LE';
  bytes.set(encoder.encode(MAGIC));
  view.setUint32(8, BYTE_ORDER, little);
  view.setUint32(12, VERSION, little);
  view.setUint32(16, HEADER_BYTES, little);
  view.setUint32(20, header.pid, little);
  view.setFloat64(24, header.startedUnixMs, little);
  view.setFloat64(32, header.startedNs, little);
  view.setFloat64(40, header.lost, little);
  view.setUint32(48, header.ring ? 1 : 0, little);
  view.setUint32(52, BLOCK_HEADER_BYTES, little);
  return bytes;
}

// The words of the interfaces in the order of format.ts. Comparisons of pointers: cheaper than a look-up.
export function kindNumber(kind: ItemKind): number {
  switch (kind) {
    case 'readiness':
      return 1;
    case 'timer':
      return 0;
    case 'posted':
      return 2;
    case 'deferred':
      return 3;
    case 'closed':
      return 4;
    case 'flush':
      return 5;
  }
}
export function reasonNumber(reason: TimeoutReason): number {
  return reason === 'queued' ? 0 : reason === 'timer' ? 1 : reason === 'host' ? 2 : 3;
}
export function changeNumber(change: InterestChange): number {
  return change === 'add' ? 0 : change === 'modify' ? 1 : change === 'remove' ? 2 : 3;
}

/** A record with a text; returns its length in words. */
export function putText(
  words: Int32Array,
  at: number,
  type: number,
  deltaNs: number,
  id: number,
  text: string,
): number {
  const bytes = encode(text);
  const length = 4 + Math.ceil(bytes.length / 4);
  words[at] = type | (length << 8);
  words[at + 1] = deltaNs;
  words[at + 2] = id;
  putBytes(words, at + 3, bytes);
  return length;
}

/** The number of bytes, then the bytes, filled up to a whole word with zeros. */
export function putBytes(words: Int32Array, at: number, bytes: Uint8Array): void {
  words[at] = bytes.length;
  if (bytes.length === 0) return;
  words[at + Math.ceil(bytes.length / 4)] = 0;
  new Uint8Array(words.buffer, (at + 1) * 4, bytes.length).set(bytes);
}

/** UTF-8, cut to what a record can hold; a character is never cut in two. */
export function encode(text: string): Uint8Array {
  const bytes = new Uint8Array(TEXT_BYTES_MAX);
  const { written } = encoder.encodeInto(text, bytes);
  return bytes.subarray(0, written);
}

/** Arguments and results that are no numbers, in words: addresses, names of options. */
export function textOf(args: readonly unknown[], result: unknown): string {
  const words: string[] = [];
  for (const value of [...args, result]) {
    if (typeof value === 'string') words.push(value);
    else if (typeof value === 'object' && value !== null && 'host' in value && 'port' in value) {
      const host = String(value.host);
      words.push(`${host.includes(':') ? `[${host}]` : host}:${String(value.port)}`);
    } else if (value instanceof Int32Array) words.push(`[${value.subarray(0, 2).join(', ')}]`);
  }
  return words.join(' ');
}

/** A handler may throw anything, also what cannot be shown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : inspect(error, { depth: 0 });
  } catch {
    return '(an error that cannot be shown)';
  }
}
