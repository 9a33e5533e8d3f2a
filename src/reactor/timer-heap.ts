// Pending timers in a 4-ary heap, ordered by deadline and then by creation.

import type { Observer } from './observer.js';
import type { Runnable } from './run-queue.js';

/** One timer. Made by {@link Reactor.setTimer}; cancel it with {@link cancel}. */
export class Timer implements Runnable {
  /** Place in the heap; -1: not in it (due and in a batch, run, or cancelled). @internal */
  place = -1;
  /** @internal */
  referenced = true;

  /** @internal */
  constructor(
    private readonly heap: TimerHeap,
    /** When it is due, on the reactor's clock. */
    readonly deadlineMs: number,
    /** Order of creation: what decides between equal deadlines. */
    readonly sequence: number,
    private callback: (() => void) | null,
  ) {}

  /** The callback's name; empty once it has fired or was cancelled. */
  get name(): string {
    return this.callback === null ? '' : this.callback.name;
  }
  /** Whether it can still fire. */
  get pending(): boolean {
    return this.callback !== null;
  }

  /** Never fires afterwards, even if it is due and its turn's batch is being dispatched. Idempotent. */
  cancel(): void {
    if (this.callback !== null) this.heap.observer?.timerCancelled(this);
    this.callback = null;
    this.heap.remove(this);
    this.heap.changed?.();
  }

  /** Keeps `run()` going while it is pending (the default). */
  ref(): this {
    if (!this.referenced && this.place >= 0) this.heap.referenced++;
    this.referenced = true;
    return this;
  }

  /** No longer keeps `run()` going. */
  unref(): this {
    if (this.referenced && this.place >= 0) this.heap.referenced--;
    this.referenced = false;
    this.heap.changed?.();
    return this;
  }

  /** @internal */
  run(): void {
    const callback = this.callback;
    this.callback = null;
    if (callback !== null) callback();
  }
  /** @internal */
  handlerFor(): unknown {
    return this.callback;
  }

  /** The same as {@link cancel}. */
  [Symbol.dispose](): void {
    this.cancel();
  }
}

export class TimerHeap {
  // Four children per node: half the levels of a binary heap, and siblings share a cache line.
  private readonly timers: Timer[] = [];
  private nextSequence = 0;
  /** How many pending timers keep the reactor alive. */
  referenced = 0;
  /** Told of what may concern a wait in another thread: see thread-host.ts. Else null. @internal */
  changed: (() => void) | null = null;

  /** @internal */
  constructor(readonly observer: Observer | null = null) {}

  get size(): number {
    return this.timers.length;
  }

  /** The nearest deadline; Infinity when there is none. */
  get nearestMs(): number {
    return this.timers.length === 0 ? Infinity : this.timers[0].deadlineMs;
  }

  add(deadlineMs: number, callback: () => void): Timer {
    const timer = new Timer(this, deadlineMs, this.nextSequence++, callback);
    this.timers.push(timer);
    this.referenced++;
    this.siftUp(timer, this.timers.length - 1);
    this.changed?.();
    return timer;
  }

  remove(timer: Timer): void {
    const place = timer.place;
    if (place < 0) return;
    timer.place = -1;
    if (timer.referenced) this.referenced--;
    const last = this.timers.pop() as Timer;
    if (last === timer) return;
    this.siftDown(last, place);
    this.siftUp(last, last.place);
  }

  /** Takes out the timers due at `nowMs`, at most `max` of them, and appends them to `due` in their order. */
  takeDue(nowMs: number, due: Timer[], max: number): void {
    while (due.length < max && this.nearestMs <= nowMs) {
      const first = this.timers[0];
      this.remove(first);
      due.push(first);
    }
  }

  /** The pending timers that are due next, at most `max`, in their order. For whoever looks: it sorts a copy. */
  soonest(max: number): Timer[] {
    return this.timers.toSorted((a, b) => (before(a, b) ? -1 : 1)).slice(0, max);
  }

  private siftUp(timer: Timer, place: number): void {
    while (place > 0) {
      const parentPlace = (place - 1) >> 2;
      const parent = this.timers[parentPlace];
      if (!before(timer, parent)) break;
      this.put(parent, place);
      place = parentPlace;
    }
    this.put(timer, place);
  }

  private siftDown(timer: Timer, place: number): void {
    const size = this.timers.length;
    for (;;) {
      let least = timer;
      let leastPlace = place;
      const end = Math.min(place * 4 + 5, size);
      for (let child = place * 4 + 1; child < end; child++) {
        const candidate = this.timers[child];
        if (before(candidate, least)) {
          least = candidate;
          leastPlace = child;
        }
      }
      if (least === timer) break;
      this.put(least, place);
      place = leastPlace;
    }
    this.put(timer, place);
  }

  private put(timer: Timer, place: number): void {
    this.timers[place] = timer;
    timer.place = place;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.deadlineMs < b.deadlineMs || (a.deadlineMs === b.deadlineMs && a.sequence < b.sequence);
}
