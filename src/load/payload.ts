// What requests carry: a pattern that starts elsewhere for each id, so that a byte lost, doubled or crossed shows.

import { Random } from './random.js';

/** Prime, so that windows do not fall into step with any number of requests under way. */
const PATTERN_PERIOD = 251;
/** Up to here a loop over words is faster than a call out of JavaScript. */
const LOOP_BYTES_MAX = 256;

export class Payloads {
  private readonly pattern: Buffer;
  private readonly patternView: DataView;
  /** Made once, so that filling a request allocates no view. */
  private readonly windows: readonly Uint8Array[];

  /** `bytes`: the length of each payload. */
  constructor(readonly bytes: number) {
    const random = new Random(20_251);
    const period = Uint8Array.from({ length: PATTERN_PERIOD }, () => Math.floor(random.next() * 256));
    this.pattern = Buffer.alloc(bytes + PATTERN_PERIOD);
    this.patternView = viewOf(this.pattern);
    for (let i = 0; i < this.pattern.length; i++) this.pattern[i] = period[i % PATTERN_PERIOD];
    this.windows = Array.from({ length: bytes > LOOP_BYTES_MAX ? PATTERN_PERIOD : 0 }, (_, i) =>
      this.pattern.subarray(i, i + bytes),
    );
  }

  /** Writes the payload of request `id` at `target[at]`. `view` is of the same bytes as `target`. */
  fill(target: Uint8Array, view: DataView, at: number, id: number): void {
    const { bytes, pattern, patternView } = this;
    const from = id % PATTERN_PERIOD;
    if (bytes > LOOP_BYTES_MAX) {
      target.set(this.windows[from], at);
      return;
    }
    let i = 0;
    for (; i + 4 <= bytes; i += 4) view.setInt32(at + i, patternView.getInt32(from + i));
    for (; i < bytes; i++) target[at + i] = pattern[from + i];
  }

  /** Whether `source[start..end)` are the bytes of request `id`'s payload from `offset`. `view` is of `source`'s bytes. */
  matches(id: number, source: Buffer, view: DataView, start: number, end: number, offset: number): boolean {
    const { pattern, patternView } = this;
    const from = (id % PATTERN_PERIOD) + offset;
    const length = end - start;
    if (length > LOOP_BYTES_MAX) return source.compare(pattern, from, from + length, start, end) === 0;
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      if (view.getInt32(start + i) !== patternView.getInt32(from + i)) return false;
    }
    for (; i < length; i++) if (source[start + i] !== pattern[from + i]) return false;
    return true;
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
