// The seam between the probes and /proc: reads whole small files fast, and turns each failure into its reason.

import { closeSync, openSync, readSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import type { Reading } from './figure.js';
import { known, unavailable } from './figure.js';

/** Where probes read from. Tests give recorded texts; everything else uses {@link systemFiles}. */
export interface Files {
  /** The file's whole text; the path is its source. */
  text(path: string): Reading<string>;
  bytes(path: string): Reading<Uint8Array>;
  /** The names in a folder. */
  list(path: string): Reading<readonly string[]>;
  /** The size that the system states for a file or folder. */
  size(path: string): Reading<number>;
  /** What a symbolic link says. */
  link(path: string): Reading<string>;
}

/** The sentence for a failed read. */
export function failureReason(path: string, code: string, platform: string = process.platform): string {
  if (platform !== 'linux') return `${platform} has no ${path}: this figure is read on Linux only`;
  switch (code) {
    case 'ENOENT':
      return `${path} does not exist`;
    case 'ESRCH':
      return `${path}: the process or thread has ended`;
    case 'EACCES':
    case 'EPERM':
      return `no permission to read ${path} (it needs the same user or root, and the right to trace)`;
    default:
      return `${path} cannot be read (${code})`;
  }
}

function attempt<T>(path: string, read: () => T): Reading<T> {
  try {
    return known(read(), path);
  } catch (error) {
    return unavailable(failureReason(path, (error as NodeJS.ErrnoException).code ?? 'unknown error'));
  }
}

// Larger than any file that is read per thread, so that those take one read and one look for the end. Synchronous
// code alone uses it, so one is enough for a thread.
const scratch = Buffer.allocUnsafeSlow(64 * 1024);
// slabinfo, the longest, has some 30 KiB; a machine with hundreds of CPUs fills 1 MiB of zoneinfo.
const MAX_FILE_BYTES = 16 * 1024 * 1024;

// readFileSync would ask fstat first and allocate per file: twice the time over 20,000 files.
function readWhole(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    let used = readSync(fd, scratch, 0, scratch.length, null);
    if (used === 0) return Buffer.alloc(0);
    // The kernel may hand out a file in pieces of a page; only an empty read is its end.
    let buffer = scratch;
    while (used < MAX_FILE_BYTES) {
      if (used === buffer.length) {
        const larger = Buffer.allocUnsafeSlow(buffer.length * 4);
        buffer.copy(larger, 0, 0, used);
        buffer = larger;
      }
      const more = readSync(fd, buffer, used, buffer.length - used, null);
      if (more === 0) break;
      used += more;
    }
    return buffer.subarray(0, used);
  } finally {
    closeSync(fd);
  }
}

/** This machine's own files. */
export const systemFiles: Files = {
  text: (path) => attempt(path, () => readWhole(path).toString('utf8')),
  bytes: (path) => attempt(path, () => Uint8Array.from(readWhole(path))),
  list: (path) => attempt(path, () => readdirSync(path)),
  size: (path) => attempt(path, () => statSync(path).size),
  link: (path) => attempt(path, () => readlinkSync(path)),
};
