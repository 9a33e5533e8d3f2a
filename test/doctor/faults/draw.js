// Choices from a seed, and the moments at which a program makes its mistake.

import { Random } from '../../../dist/load/random.js';

/** Draws that are the same for the same seed. Everything is drawn before anything is decided by `clean`. */
export class Draw extends Random {
  /** A whole number from `low` to `high`, both included. */
  int(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }
  pick(list) {
    return list[this.int(0, list.length - 1)];
  }
  chance(probability) {
    return this.next() < probability;
  }
  /** `count` different ones of the list, in a random order. */
  some(list, count) {
    const left = [...list];
    return Array.from(
      { length: Math.min(count, left.length) },
      () => left.splice(this.int(0, left.length - 1), 1)[0],
    );
  }
}

/**
 * When the mistake is made. `test(counter)` is the text of a condition on a counter that starts at 1; `repeated`: more than
 * once, with good times between.
 */
export function drawMoment(draw) {
  const kind = draw.pick(['at-once', 'after-events', 'after-time', 'now-and-then']);
  const events = draw.int(3, 9);
  const ms = draw.int(200, 500);
  const every = draw.int(3, 5);
  const tests = {
    'at-once': () => 'true',
    'after-events': (counter) => `${counter} > ${events}`,
    'after-time': () => `reactor.now() - startedMs > ${ms}`,
    'now-and-then': (counter) => `${counter} % ${every} === 0`,
  };
  return {
    kind,
    test: tests[kind],
    repeated: kind === 'now-and-then',
    delayMs: kind === 'at-once' ? 20 : ms,
  };
}
