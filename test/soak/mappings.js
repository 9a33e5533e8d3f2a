// What a process's private pages are for, as far as /proc/PID/smaps tells from outside: malloc, files, the rest.

import { readFileSync } from 'node:fs';

/** glibc reserves so much, at a multiple of it, for each arena of a thread, and makes the part in use accessible. */
const ARENA_BYTES = 64 * 1024 * 1024;

const HEADER = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+\s*(.*)$/;
const ANONYMOUS = /^Anonymous:\s+(\d+) kB$/;

/** Ranges of the text of smaps, lowest first: name, rights, and pages that belong to no file. */
function parse(text) {
  const ranges = [];
  for (const line of text.split('\n')) {
    const header = HEADER.exec(line);
    if (header !== null) {
      const [start, end] = [parseInt(header[1], 16), parseInt(header[2], 16)];
      ranges.push({ start, end, rights: header[3], name: header[4], anonymousBytes: 0 });
    } else {
      const pages = ANONYMOUS.exec(line);
      if (pages !== null) ranges.at(-1).anonymousBytes = Number(pages[1]) * 1024;
    }
  }
  return ranges;
}

/** An arena is a range in use from a multiple of its size on, and behind it the rest of it, which nobody may touch. */
function isArena({ start, end, rights }, next) {
  if (rights !== 'rw-p' || start % ARENA_BYTES !== 0) return false;
  if (end === start + ARENA_BYTES) return true;
  return next?.rights === '---p' && next.start === end && next.end === start + ARENA_BYTES;
}

/**
 * Resident private pages by what they are for. `mallocBytes`: the heap of the main thread and the arenas of others; what
 * malloc took by mmap(2), 128 KiB or more at a time, is in `anonymousBytes`, as are V8's pages and threads' stacks.
 * @param {string} text of /proc/PID/smaps
 */
export function classesOf(text) {
  const ranges = parse(text);
  const classes = { mallocBytes: 0, stackBytes: 0, fileBytes: 0, anonymousBytes: 0, mappings: ranges.length };
  ranges.forEach((range, i) => {
    const { name, anonymousBytes } = range;
    const unnamed = name === '' || name.startsWith('[anon');
    if (name === '[heap]' || (unnamed && isArena(range, ranges[i + 1])))
      classes.mallocBytes += anonymousBytes;
    else if (name === '[stack]') classes.stackBytes += anonymousBytes;
    else if (unnamed) classes.anonymousBytes += anonymousBytes;
    else classes.fileBytes += anonymousBytes;
  });
  return classes;
}

/** Reads them of a living process. @param {number} pid */
export const mappingsOf = (pid) => classesOf(readFileSync(`/proc/${pid}/smaps`, 'latin1'));
