// The one narrow interface through which the reactor says what it does. Absent by default, and then free.

import type { Timer } from './timer-heap.js';
import type { Task } from './run-queue.js';

/** What an item of a batch is, in the order in which a batch runs them. */
export type ItemKind = 'timer' | 'readiness' | 'posted' | 'deferred' | 'closed' | 'flush';

/** Why the reactor chose a timeout. `host`: the runtime's own loop must have its pass by then. */
export type TimeoutReason = 'queued' | 'timer' | 'host' | 'idle';

export type InterestChange = 'add' | 'modify' | 'remove' | 'park';

/** Each method is called at once, synchronously, and must not call back into the reactor. */
export interface Observer {
  /** A turn begins: phase 1 and 2 are next. */
  turnBegin(turn: number, nowMs: number): void;
  waitBegin(timeoutMs: number, reason: TimeoutReason): void;
  /** The wait is over; `events` readinesses were reported. */
  waitEnd(events: number): void;
  /** One readiness as the kernel reported it, before it is masked with the current interest. */
  readiness(fd: number, readiness: number, slot: number, generation: number): void;
  /** The batch stands: how many items of each kind this turn will run at most. */
  batch(timers: number, readinesses: number, posted: number, deferred: number, closed: number): void;
  /** `fd` is -1 for what does not wait on one. `readiness` is already masked with the current interest. */
  itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void;
  itemEnd(kind: ItemKind, item: Task | Timer): void;
  /** A readiness was dropped: its registration has gone, or its interest was withdrawn in the same batch. */
  stale(slot: number, generation: number, readiness: number): void;
  interest(change: InterestChange, fd: number, interest: number, slot: number, generation: number): void;
  timerSet(timer: Timer): void;
  error(error: unknown, kind: ItemKind): void;
  /** A system call made through the kernel seam, with its arguments and its result (-errno on failure). */
  call(name: string, args: readonly unknown[], result: unknown): void;
}

/* eslint-disable @typescript-eslint/no-empty-function */
/** An observer that does nothing: extend it and override what you want to hear. */
export class SilentObserver implements Observer {
  turnBegin(_turn: number, _nowMs: number): void {}
  waitBegin(_timeoutMs: number, _reason: TimeoutReason): void {}
  waitEnd(_events: number): void {}
  readiness(_fd: number, _readiness: number, _slot: number, _generation: number): void {}
  batch(_timers: number, _readinesses: number, _posted: number, _deferred: number, _closed: number): void {}
  itemBegin(_kind: ItemKind, _item: Task | Timer, _fd: number, _readiness: number): void {}
  itemEnd(_kind: ItemKind, _item: Task | Timer): void {}
  stale(_slot: number, _generation: number, _readiness: number): void {}
  interest(
    _change: InterestChange,
    _fd: number,
    _interest: number,
    _slot: number,
    _generation: number,
  ): void {}
  timerSet(_timer: Timer): void {}
  error(_error: unknown, _kind: ItemKind): void {}
  call(_name: string, _args: readonly unknown[], _result: unknown): void {}
}
