// The one narrow interface through which the reactor says what it does. Absent by default, and then free.

import type { Kernel } from '../kernel/kernel.js';
import type { KernelPoller } from '../poller/poller.js';
import { EVENT_STRIDE } from '../poller/poller.js';
import type { Registry } from './registry.js';
import type { Source, Task } from './run-queue.js';
import type { Timer } from './timer-heap.js';

/** What an item of a batch is, in the order in which a batch runs them. */
export type ItemKind = 'timer' | 'readiness' | 'posted' | 'deferred' | 'closed' | 'flush';

/** Why the reactor chose a timeout. `host`: the runtime's own loop must have its pass by then. */
export type TimeoutReason = 'queued' | 'timer' | 'host' | 'idle';

/** What became of a registration. `park`: known still, but out of the kernel's set. */
export type InterestChange = 'add' | 'modify' | 'remove' | 'park';

/** What an observer is told of the reactor that it listens to. */
export interface ObservedReactor {
  /** What its system calls go through. */
  readonly kernel: Kernel;
  /** What it waits with. */
  readonly poller: KernelPoller;
}

/** Each method is called at once, synchronously, and must not call back into the reactor. */
export interface Observer {
  /** The reactor that it was given to is made. Told first, once. */
  reactorOpened(reactor: ObservedReactor): void;
  /** The reactor is closed: nothing follows. */
  reactorClosed(): void;
  /** A turn begins: phase 1 and 2 are next. */
  turnBegin(turn: number, nowMs: number): void;
  /** The one wait of this turn begins: for `timeoutMs` at most, Infinity without bound, and why. */
  waitBegin(timeoutMs: number, reason: TimeoutReason): void;
  /** The wait is over; `events` readinesses were reported, or it failed with -errno. */
  waitEnd(events: number): void;
  /**
   * One readiness as the kernel reported it, before it is masked with the current interest. `raw`: the mechanism's own
   * flags, untranslated (see `KernelPoller.rawFlags`). `fd` is -1 when its registration has gone already.
   */
  readiness(fd: number, readiness: number, slot: number, generation: number, raw: number): void;
  /** The batch stands: how many items of each kind this turn will run at most. */
  batch(timers: number, readinesses: number, posted: number, deferred: number, closed: number): void;
  /** `fd` is -1 for what does not wait on one. `readiness` is already masked with the current interest. */
  itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void;
  /** The item that was begun has returned or thrown. */
  itemEnd(kind: ItemKind, item: Task | Timer): void;
  /** The batch is at its end. Told again by each further `dispatchNext()` that finds it so. */
  turnEnd(turn: number): void;
  /** Under run(): `process.nextTick` and the reactions of promises run now, after a turn. */
  drainBegin(): void;
  /** They have run. */
  drainEnd(): void;
  /** A task joined a queue; a connection asked for its flush at the turn's end. */
  queued(kind: ItemKind, task: Task): void;
  /** A promise of ours was settled: whoever awaits it goes on at the next drain. `what`: `run`, `sleep`, ... */
  resumed(what: string): void;
  /** A readiness was dropped: its registration has gone, or its interest was withdrawn in the same batch. */
  stale(slot: number, generation: number, readiness: number): void;
  /** A registration was added, changed, removed or parked. `interest`: what is asked for now. */
  interest(change: InterestChange, fd: number, interest: number, slot: number, generation: number): void;
  /** A timer was set. */
  timerSet(timer: Timer): void;
  /** A timer that could still fire was cancelled. That one fired is told as an item. */
  timerCancelled(timer: Timer): void;
  /** An item of this kind threw; told before `onError`. */
  error(error: unknown, kind: ItemKind): void;
  /**
   * A system call made through the kernel seam, with its arguments and its result (-errno on failure). `args` is valid
   * during the call only: hot calls fill one array anew each time. For those who want numbers and nothing else: `fd` is the
   * first argument, `a` and `b` the next two where these are numbers, each else -1, 0, 0.
   */
  call(name: string, args: readonly unknown[], result: unknown, fd: number, a: number, b: number): void;
}

/* eslint-disable @typescript-eslint/no-empty-function */
/** An observer that does nothing: extend it and override what you want to hear. */
export class SilentObserver implements Observer {
  reactorOpened(_reactor: ObservedReactor): void {}
  reactorClosed(): void {}
  turnBegin(_turn: number, _nowMs: number): void {}
  turnEnd(_turn: number): void {}
  drainBegin(): void {}
  drainEnd(): void {}
  queued(_kind: ItemKind, _task: Task): void {}
  resumed(_what: string): void {}
  waitBegin(_timeoutMs: number, _reason: TimeoutReason): void {}
  waitEnd(_events: number): void {}
  readiness(_fd: number, _readiness: number, _slot: number, _generation: number, _raw: number): void {}
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
  timerCancelled(_timer: Timer): void {}
  error(_error: unknown, _kind: ItemKind): void {}
  call(
    _name: string,
    _args: readonly unknown[],
    _result: unknown,
    _fd: number,
    _a: number,
    _b: number,
  ): void {}
}

/** What an observer calls an item: a function's name, what an object calls itself, or else the name of its class. */
export function itemName(item: Task | Timer): string {
  if (typeof item === 'function') return item.name;
  return typeof item.name === 'string' ? item.name : item.constructor.name;
}

/** Why the next wait has the timeout that it has. */
export function timeoutReason(queued: boolean, untilTimerMs: number, maxWaitMs: number): TimeoutReason {
  if (queued) return 'queued';
  if (maxWaitMs < untilTimerMs) return 'host';
  return untilTimerMs === Infinity ? 'idle' : 'timer';
}

/** Tells what a wait has brought, with the poller's own flags where it gives them. */
export function tellReadinesses(
  observer: Observer,
  registry: Registry<Source>,
  events: Int32Array,
  eventEnd: number,
  rawFlags: Int32Array | null,
): void {
  for (let i = 0; i < eventEnd; i += EVENT_STRIDE) {
    const slot = events[i];
    const generation = events[i + 1];
    const fd = registry.isCurrent(slot, generation) ? registry.fd(slot) : -1;
    observer.readiness(
      fd,
      events[i + 2],
      slot,
      generation,
      rawFlags === null ? 0 : rawFlags[i / EVENT_STRIDE],
    );
  }
}
