// How long a thread has been ready to run and had no processor: the machine's part in whatever is late.

import { openSync, readSync } from 'node:fs';

/** Reads the first thread of process `pid`. Returns a function that gives the sum so far, in milliseconds. @param {number} pid */
export function queuedTime(pid) {
  // Three numbers: nanoseconds on a processor, nanoseconds waiting for one, and how often.
  const fd = openSync(`/proc/${pid}/task/${pid}/schedstat`, 'r');
  const text = Buffer.alloc(128);
  return () => {
    const length = readSync(fd, text, 0, text.length, 0);
    return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  };
}
