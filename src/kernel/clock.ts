// The virtual clock: time that moves only when a test, or a wait of the scripted kernel, moves it.

import { checkMs } from '../errors.js';

interface Action {
  readonly timeMs: number;
  readonly run: () => void;
}

/**
 * A clock without a wall: it stands still until it is advanced. Scheduled actions run when time passes them, ordered
 * by time and then by creation, and each sees `now()` at its own time. An action may schedule further ones.
 */
export class VirtualClock {
  #nowMs: number;
  /** Ordered by time, then by creation. */
  readonly #agenda: Action[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  /** Milliseconds, with fractions, as they were given: nothing is rounded. */
  now(): number {
    return this.#nowMs;
  }

  /** When the earliest scheduled action is due; Infinity when none is. */
  get nextMs(): number {
    return this.#agenda[0]?.timeMs ?? Infinity;
  }

  /**
   * Schedules `action` for `timeMs` on this clock; a time that has passed means: before the next wait looks. Time never
   * goes back. Returns a function that cancels it.
   */
  at(timeMs: number, action: () => void): () => void {
    checkMs('timeMs', timeMs, true);
    const entry: Action = { timeMs, run: action };
    this.#agenda.splice(this.#agenda.findLastIndex((other) => other.timeMs <= timeMs) + 1, 0, entry);
    return () => {
      const index = this.#agenda.indexOf(entry);
      if (index >= 0) this.#agenda.splice(index, 1);
    };
  }

  /** Schedules `action` for `delayMs` from now. Returns a function that cancels it. */
  after(delayMs: number, action: () => void): () => void {
    return this.at(this.#nowMs + delayMs, action);
  }

  /** Moves time on by `ms`, running what falls due on the way. */
  advance(ms: number): void {
    checkMs('ms', ms);
    this.advanceTo(this.#nowMs + ms);
  }

  /** Moves time on to exactly `timeMs` (no sum, hence no rounding), running what falls due on the way. */
  advanceTo(timeMs: number): void {
    checkMs('timeMs', timeMs);
    while (this.runNext(timeMs));
    this.#nowMs = Math.max(this.#nowMs, timeMs);
  }

  /** Runs the earliest action if it is due by `limitMs`, moving time on to it. Returns whether one ran. */
  runNext(limitMs: number): boolean {
    if (this.nextMs > limitMs) return false;
    const action = this.#agenda.shift();
    if (action === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, action.timeMs);
    action.run();
    return true;
  }
}
