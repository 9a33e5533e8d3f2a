// The reactor: one thread, one wait, then one call after another. docs/turn.md is its specification.

import { SystemError, UnderloopError, busy } from '../errors.js';
import { checkFd, checkFunction, checkMs, checkObject, checkTask } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { checkInterest, openPoller, triggerFlags } from '../poller/checks.js';
import { EVENT_STRIDE } from '../poller/poller.js';
import type { KernelPoller, Trigger } from '../poller/poller.js';
import { Hold } from './hold.js';
import { hostFor, type Host } from './host.js';
import type { Step } from './next.js';
import { tellReadinesses, timeoutReason, type ItemKind, type Observer } from './observer.js';
import { readOptions, type ReactorOptions } from './options.js';
import { Registry } from './registry.js';
import { steps } from './steps.js';
import { FLUSH, RunQueue, type Source, type Task } from './run-queue.js';
import { TimerHeap, type Timer } from './timer-heap.js';
import { Watch, type WatchHandler } from './watch.js';

/** Timers that one turn may fire: a million due at once must not hold up sockets for the whole million. */
const DUE_MAX = 512;
/** Queued tasks, of each kind, that one turn may run. */
const TASKS_MAX = 512;

/** Waits once for all that a program waits for, then calls one handler after another: docs/turn.md. */
export class Reactor implements Disposable {
  /** All its system calls go through here. */ readonly kernel: Kernel;
  /** What it waits with. */ readonly poller: KernelPoller;
  /** As in {@link ReactorOptions}. */ readonly development: boolean;
  /** Receives what a handler throws. */ onError: ((error: unknown, kind: ItemKind) => void) | null;
  /** @internal */ readonly registry: Registry<Source>;
  /** @internal */ readonly timers: TimerHeap;
  /** @internal */ readonly observer: Observer | null;

  // What waits for a later turn, in the order in which a batch runs it.
  private readonly posted = new RunQueue('posted');
  private readonly deferred = new RunQueue('deferred');
  private readonly closed = new RunQueue('closed');
  /** @internal */ readonly queues = [this.posted, this.deferred, this.closed];
  /** @internal */ readonly flushes = new RunQueue('flush'); // what this turn still has to do at its end

  // The batch, beside what each queue says is left of it: timers that are due, and what the kernel reported.
  /** @internal */ readonly due: Timer[] = [];
  /** @internal */ dueNext = 0;
  /** @internal */ readonly events: Int32Array;
  private readonly rawFlags: Int32Array | null; // what the poller itself said of each event: for the observer
  /** @internal */ eventNext = 0;
  /** @internal */ eventEnd = 0;

  /** @internal */ turnNumber = 0;
  /** Whether an item is being dispatched. @internal */ dispatching = false;
  private open = true;
  /** Where a stepper may hold the reactor. @internal */ hold: Hold | null = null;
  /** @internal */ host: Host | null = null;
  /** @internal */ finish: ((error?: Error) => void) | null = null; // settles what run() returned

  /** Throws `ERR_ARGUMENT` for wrong options, a `SystemError` when the system refuses a poller (EMFILE). */
  constructor(options: ReactorOptions = {}) {
    const read = readOptions(options);
    const { kernel, kind, observer, stepper, injections, onError, eventsMax, development } = read;
    this.kernel = kernel;
    this.observer = observer;
    this.poller = openPoller(kernel, kind);
    this.registry = new Registry(this.poller, observer);
    this.timers = new TimerHeap(observer);
    this.events = this.poller.allocateEvents(eventsMax);
    this.rawFlags = observer === null ? null : (this.poller.rawFlags?.(eventsMax) ?? null);
    this.onError = onError;
    this.development = development;
    if (stepper !== null) this.hold = new Hold(this, stepper, injections);
    this.observer?.reactorOpened(this);
  }

  // ---- The turn -------------------------------------------------------------------------------------------

  /**
   * One pass: collects a batch, then dispatches it to its end. Blocks this thread for at most `maxWaitMs`.
   * Returns how many items it dispatched. For loops of your own; {@link run} lives beside the runtime.
   */
  turn(maxWaitMs = Infinity): number {
    if (this.hold !== null) return this.hold.turn(maxWaitMs); // a stepper is asked before each item
    this.collect(maxWaitMs);
    let dispatched = 0;
    while (this.dispatchNext()) dispatched++;
    return dispatched;
  }

  /** Phases 1 and 2 make the turn's batch and run no user code. Waits once, for at most `maxWaitMs`. */
  collect(maxWaitMs = Infinity): void {
    this.check();
    if (this.dispatching) throw busy('collect() and turn() cannot be called from a handler');
    if (this.batchLeft > 0) throw busy('the last batch is not dispatched to its end');
    checkMs('maxWaitMs', maxWaitMs, true);
    this.turnNumber++;

    // 1. Timers: those due now, by deadline, then by creation. The clock is read only if somebody needs it.
    const nowMs = this.timers.size > 0 || this.observer !== null ? this.kernel.now() : 0;
    this.observer?.turnBegin(this.turnNumber, nowMs);
    if (this.dueNext > 0) this.due.length = this.dueNext = 0;
    if (this.timers.size > 0) this.timers.takeDue(nowMs, this.due, DUE_MAX);

    // 2. Collect: wait once, not beyond the nearest timer, and not at all if something is queued.
    const queued = this.due.length + this.queuedTasks > 0;
    const untilTimerMs = queued ? 0 : Math.max(this.timers.nearestMs - nowMs, 0);
    const timeoutMs = Math.min(untilTimerMs, maxWaitMs);
    this.observer?.waitBegin(timeoutMs, timeoutReason(queued, untilTimerMs, maxWaitMs));
    const count = this.poller.wait(this.events, timeoutMs);
    this.observer?.waitEnd(count);
    if (count < 0) throw new SystemError(`${this.poller.kind}_wait`, count, { fd: this.poller.fd });
    this.eventNext = 0;
    this.eventEnd = count * EVENT_STRIDE;
    // Tasks join the batch by number: what is queued while it is dispatched belongs to the next turn.
    for (const queue of this.queues) queue.seal(TASKS_MAX);
    if (this.observer !== null) this.tellBatch(this.observer, count);
  }

  /** Phase 3: runs the next item of this turn's batch. Returns false when the batch is at its end. */
  dispatchNext(): boolean {
    if (this.dispatching) throw busy('dispatchNext() cannot be called from a handler');
    if (this.dueNext < this.due.length) {
      const timer = this.due[this.dueNext++];
      if (timer.pending) this.runItem('timer', timer, 0, -1); // not if an earlier item has cancelled it
      return true;
    }
    if (this.eventNext < this.eventEnd) {
      this.eventNext += EVENT_STRIDE;
      this.dispatchReadiness(this.eventNext - EVENT_STRIDE);
      return true;
    }
    for (const queue of this.queues) {
      if (queue.left === 0) continue;
      this.runItem(queue.kind, queue.next(), 0, -1);
      return true;
    }
    if (this.flushes.length === 0) {
      this.observer?.turnEnd(this.turnNumber);
      return false;
    }
    this.runItem('flush', this.flushes.shift(), FLUSH, -1);
    return true;
  }

  /** A readiness counts only while its registration lives, and only for what is asked for now. */
  private dispatchReadiness(at: number): void {
    const { events, registry } = this;
    const slot = events[at];
    const readiness = registry.readinessNow(slot, events[at + 1], events[at + 2]);
    if (readiness === 0) this.observer?.stale(slot, events[at + 1], events[at + 2]);
    else this.runItem('readiness', registry.source(slot) as Source, readiness, registry.fd(slot));
  }

  /** The only place from which user code is called: step point, trace point and fault boundary. */
  private runItem(kind: ItemKind, item: Task, readiness: number, fd: number): void {
    this.observer?.itemBegin(kind, item, fd, readiness);
    this.dispatching = true;
    try {
      if (typeof item === 'function') item();
      else item.run(readiness);
    } catch (error) {
      this.fault(error, kind);
    } finally {
      this.dispatching = false;
    }
    this.observer?.itemEnd(kind, item);
  }

  /** A throwing handler closes nothing else: its error goes to `onError`, or to the runtime as uncaught. */
  private fault(error: unknown, kind: ItemKind): void {
    this.observer?.error(error, kind);
    try {
      if (this.onError === null) throw error;
      this.onError(error, kind);
    } catch (uncaught) {
      process.nextTick(() => {
        throw uncaught;
      });
    }
  }

  // ---- Running beside the runtime -------------------------------------------------------------------------

  /**
   * Makes turns until nothing keeps the reactor alive (no referenced registration, timer or task), or until
   * {@link stop}. Node's own timers, promises, sockets and signals go on meanwhile: see host.ts.
   */
  run(): Promise<void> {
    this.check();
    if (this.finish !== null) throw busy('run() is called while the reactor is running');
    return new Promise((resolve, reject) => {
      this.host ??= hostFor(this.kernel);
      this.host.join(this);
      this.finish = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  /** Ends {@link run} when the current turn is over. Registrations stay; run() may be called again. */
  stop(): void {
    if (this.hold?.stopAfterTurn() !== true) this.end();
  }

  /** For host.ts: ends {@link run}, with an error if the turn itself failed (its wait). @internal */
  end(error?: Error): void {
    this.host?.leave(this);
    if (this.finish !== null) this.observer?.resumed('run');
    this.finish?.(error);
    this.finish = null;
  }

  /** Runs as {@link run} does, item by item: describes each, and runs it when the next is asked for. */
  steps(): AsyncGenerator<Step, void, undefined> {
    return steps(this);
  }

  /** Whether something keeps the reactor going. */
  get alive(): boolean {
    const referenced = this.registry.referenced + this.timers.referenced;
    return this.open && referenced + this.queuedTasks + this.batchLeft > 0;
  }

  /** How long the next wait may last before the reactor has work of its own: 0 if something is queued. */
  get nextDelayMs(): number {
    if (this.queuedTasks > 0) return 0;
    return this.timers.size === 0 ? Infinity : Math.max(this.timers.nearestMs - this.kernel.now(), 0);
  }

  /** A running reactor keeps the process alive (the default). */
  ref(): this {
    this.host?.setReferenced(this, true);
    return this;
  }
  /** The process may end although this reactor runs. Call it after {@link run}. */
  unref(): this {
    this.host?.setReferenced(this, false);
    return this;
  }

  // ---- What a program asks for ----------------------------------------------------------------------------

  /** Milliseconds on the reactor's monotonic clock. */
  now(): number {
    return this.kernel.now();
  }

  /** Calls `callback` once, in `delayMs` (fractions count). Never early; by deadline, then by creation. */
  setTimer(delayMs: number, callback: () => void): Timer {
    this.check();
    checkMs('delayMs', delayMs);
    checkFunction('callback', callback);
    const timer = this.timers.add(this.kernel.now() + delayMs, callback);
    this.observer?.timerSet(timer);
    return timer;
  }

  /** Runs `task` in a later turn, after its readinesses. */
  post(task: Task): void {
    this.enqueue(this.posted, task);
  }
  /** Runs `task` in a later turn, after its posted tasks: for work that can wait, such as a flush. */
  defer(task: Task): void {
    this.enqueue(this.deferred, task);
  }
  /** Runs `task` at the end of a later turn: close callbacks, so that no item meets what is closed. */
  closing(task: Task): void {
    this.enqueue(this.closed, task);
  }

  /** Runs `source` with FLUSH at the end of this turn: net/ sends there what it has gathered. @internal */
  flushAtEnd(source: Source): void {
    this.flushes.push(source);
    this.observer?.queued('flush', source);
  }

  /**
   * Calls `handler(readiness, watch)` whenever `fd` is ready for `interest` (READABLE | WRITABLE | PRIORITY).
   * The fd stays yours: `watch.close()` before you close it. Throws ERR_FD_REFUSED for files.
   */
  watch(fd: number, interest: number, handler: WatchHandler, options: { trigger?: Trigger } = {}): Watch {
    checkFd('fd', fd);
    checkInterest('interest', interest);
    checkFunction('handler', handler);
    checkObject('options', options);
    const trigger = triggerFlags('options.trigger', options.trigger, this.poller);
    return new Watch(this, fd, interest, trigger, handler);
  }

  /** Closes all that it owns: connections, listeners, watches, its poller. No callback follows. */
  close(): void {
    if (!this.open) return;
    this.end();
    for (const slot of this.registry.slots()) this.registry.source(slot)?.dispose?.();
    this.registry.close();
    this.open = false;
    this.dueNext = this.due.length;
    this.eventNext = this.eventEnd;
    for (const queue of this.queues) queue.seal(0);
    this.poller.close();
    this.observer?.reactorClosed();
  }
  /** The same as {@link close}. */ [Symbol.dispose](): void {
    this.close();
  }

  private enqueue(queue: RunQueue, task: Task): void {
    this.check();
    checkTask('task', task);
    queue.push(task);
    this.observer?.queued(queue.kind, task);
  }

  private check(): void {
    if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the reactor is closed; make a new one');
  }

  private get queuedTasks(): number {
    return this.posted.length + this.deferred.length + this.closed.length;
  }

  /** Items of this turn's batch that were not dispatched yet. @internal */
  get batchLeft(): number {
    const ready = (this.eventEnd - this.eventNext) / EVENT_STRIDE;
    const tasks = this.posted.left + this.deferred.left + this.closed.left + this.flushes.length;
    return this.due.length - this.dueNext + ready + tasks;
  }

  private tellBatch(observer: Observer, count: number): void {
    const { events, eventEnd, registry, rawFlags } = this;
    tellReadinesses(observer, registry, events, eventEnd, rawFlags);
    observer.batch(this.due.length, count, this.posted.left, this.deferred.left, this.closed.left);
  }
}
