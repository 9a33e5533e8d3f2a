// The file of a recording: taken by one recorder alone, written without half a block at its end, and how far it reaches.

import * as fs from 'node:fs';
import { constants } from 'node:os';
import { binding } from '../binding.js';
import { UnderloopError, busy } from '../errors.js';
import { extentOf, type Extent } from './blocks.js';
import { FILE_MODE } from './format.js';
import type { Store } from './record-tape.js';

// The runtime's own, whatever the recorded program puts in their place.
const { closeSync, fchmodSync, fstatSync, ftruncateSync, openSync, statSync, writeSync } = fs;
const { O_CREAT, O_WRONLY } = fs.constants;

/**
 * Opens `file` for one recorder alone, and empties it. Before the program starts, so that what cannot be written is told here.
 * The lock goes with the last copy of the descriptor: a recorder that was killed leaves a file that the next one takes.
 * Throws ERR_BUSY, or what the system says.
 */
export function takeFile(file: string): number {
  const fd = openSync(file, O_WRONLY | O_CREAT, FILE_MODE);
  try {
    if (!fstatSync(fd).isFile()) return fd;
    // Another refusal: a file system without locks, where whoever records takes care.
    if (binding.lockFile(fd) === -constants.errno.EWOULDBLOCK) {
      throw busy(
        `another recording is being written to ${file}: wait for its end, or name another file with --output`,
      );
    }
    fchmodSync(fd, FILE_MODE); // one that was there may be open to all
    ftruncateSync(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Appends to a descriptor. Throws what the system says: what is in the file then are whole blocks. */
export function fileStore(fd: number): Store {
  let length = 0;
  return (bytes) => {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done);
    } catch (error) {
      cut(fd, length);
      throw error;
    }
    length += bytes.length;
  };
}

function cut(fd: number, length: number): void {
  try {
    ftruncateSync(fd, length);
  } catch {
    // It is no file (/dev/full). A reader takes half a block as a cut end.
  }
}

export type Reach = Omit<Extent, 'facts'>;

/** How far the recording in `file` goes. A file without even a header, for want of room, has no events. */
export function reachOf(file: string): Reach {
  try {
    return extentOf(file);
  } catch (error) {
    if (!(error instanceof UnderloopError)) throw error;
    return { events: 0, bytes: statSync(file).size, truncated: true };
  }
}
