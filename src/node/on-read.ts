// The `onread` option: reads that go to a buffer of the program's own instead of 'data' events.

import { isUint8Array } from 'node:util/types';

type Deliver = (count: number, buffer: Uint8Array) => unknown;

export class OnRead {
  constructor(
    private readonly buffer: Uint8Array | (() => Uint8Array),
    private readonly deliver: Deliver,
  ) {}

  /** Hands on all of it, in pieces as large as the buffer. False when the program wants no more. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    let more = true;
    while (start < end) {
      const target = typeof this.buffer === 'function' ? this.buffer() : this.buffer;
      const stop = Math.min(end, start + target.length);
      target.set(bytes.subarray(start, stop));
      // What has been read is delivered even so: there is nowhere to keep it.
      if (this.deliver(stop - start, target) === false) more = false;
      start = stop;
    }
    return more;
  }
}

/** Null unless `option` has a buffer (or a function that gives one) and a callback. */
export function onReadOf(option: unknown): OnRead | null {
  if (typeof option !== 'object' || option === null) return null;
  const { buffer, callback } = option as { buffer?: unknown; callback?: unknown };
  if (!(isUint8Array(buffer) || typeof buffer === 'function') || typeof callback !== 'function') return null;
  return new OnRead(buffer as Uint8Array | (() => Uint8Array), callback as Deliver);
}
