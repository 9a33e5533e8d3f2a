// The machine's page size and clock tick, from the auxiliary vector: what turns the kernel's counts into bytes and ns.

import type { Figure } from './figure.js';
import { isKnown, known, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';

const AT_PAGESZ = 6n;
const AT_CLKTCK = 17n;

/** One entry of /proc/self/auxv: pairs of machine words, 64 bits wide on every system that this package runs on. */
export function parseAuxiliaryVector(bytes: Uint8Array): Map<bigint, bigint> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const entries = new Map<bigint, bigint>();
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    entries.set(view.getBigUint64(at, littleEndian), view.getBigUint64(at + 8, littleEndian));
  }
  return entries;
}

function entry(files: Files, key: bigint, name: string): Figure {
  const bytes = files.bytes('/proc/self/auxv');
  if (!isKnown(bytes)) return bytes;
  const value = parseAuxiliaryVector(bytes.value).get(key);
  return value === undefined
    ? unavailable(`/proc/self/auxv has no ${name}`)
    : known(Number(value), `/proc/self/auxv ${name}`);
}

// They never change while a process lives; a fixture has its own.
const cache = new WeakMap<Files, Map<bigint, Figure>>();

function cached(files: Files, key: bigint, name: string): Figure {
  let entries = cache.get(files);
  if (entries === undefined) cache.set(files, (entries = new Map<bigint, Figure>()));
  let figure = entries.get(key);
  if (figure === undefined) entries.set(key, (figure = entry(files, key, name)));
  return figure;
}

export function pageBytes(files: Files = systemFiles): Figure {
  return cached(files, AT_PAGESZ, 'AT_PAGESZ');
}

/** Ticks per second of the times in /proc/PID/stat: 100 nearly everywhere, so a tick is 10 ms. */
export function clockTicksPerSecond(files: Files = systemFiles): Figure {
  return cached(files, AT_CLKTCK, 'AT_CLKTCK');
}
