// The reactor: one thread, one wait, then one call after another. This file is the event loop; docs/turn.md specifies it.

import { SystemError, UnderloopError, argumentError, checkFd, checkFunction, checkInteger, checkMs } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { observedKernel } from '../kernel/observed.js';
import { ALWAYS_REPORTED, EVENT_STRIDE, INTEREST_MASK, NONE, READABLE, READ_CLOSED } from '../poller/poller.js';
import type { KernelPoller, PollerKind, Trigger } from '../poller/poller.js';
import { checkPollerKind, triggerFlags } from '../poller/checks.js';
import { hostFor, type Host } from './host.js';
import type { ItemKind, Observer, TimeoutReason } from './observer.js';
import { Registry } from './registry.js';
import { RunQueue, type Runnable, type Task } from './run-queue.js';
import { TimerHeap, type Timer } from './timer-heap.js';
import { Watch, type WatchHandler } from './watch.js';

/** Readinesses that one wait may bring. More would let one turn keep timers and the runtime waiting for longer. */
const EVENTS_MAX = 512;
/** Timers that one turn may fire: a million due at once must not hold up sockets for the whole million. */
const DUE_MAX = 512;
/** Queued tasks, of each kind, that one turn may run. */
const TASKS_MAX = 512;

export interface ReactorOptions {
  /** The mechanism to wait with; by default the best one here. */
  poller?: PollerKind;
  /** The seam to the system; by default the real one. Tests give `ScriptedKernel` of `underloop/testing`. */
  kernel?: Kernel;
  /** Receives what a handler throws. Without it, the runtime's `uncaughtException` does. */
  onError?: (error: unknown, kind: ItemKind) => void;
  /** Is told everything that happens. */
  observer?: Observer;
  /** Poison the shared read buffer after each `data` call, so that a handler that keeps it fails at once. */
  development?: boolean;
  /** Bound of readinesses per wait, 1 to 65,536; 512 unless given. */
  eventsMax?: number;
}

/** What a registration calls when its fd is ready. `dispose` closes it when the whole reactor is closed. */
export interface Source extends Runnable {
  dispose?(): void;
}

export class Reactor implements Disposable {
  readonly kernel: Kernel;
  readonly poller: KernelPoller;
  readonly development: boolean;
  onError: ((error: unknown, kind: ItemKind) => void) | null;
  /** @internal */ readonly registry: Registry<Source>;
  /** @internal */ readonly timers = new TimerHeap();
  private readonly observer: Observer | null;

  // What waits for a later turn.
  private readonly posted = new RunQueue();
  private readonly deferred = new RunQueue();
  private readonly closed = new RunQueue();

  // The batch: what this turn runs. Timers first, then readinesses, then as many tasks as were queued at collect().
  private readonly due: Timer[] = [];
  private readonly events: Int32Array;
  private dueNext = 0;
  private eventNext = 0;
  private eventEnd = 0;
  private postedLeft = 0;
  private deferredLeft = 0;
  private closedLeft = 0;

  private turnNumber = 0;
  private running = false; // an item is being dispatched
  private open = true;
  private referenced = 0; // registrations that keep run() going
  private host: Host | null = null;
  private finish: (() => void) | null = null;

  /** Opens a poller. Throws `ERR_ARGUMENT` for wrong options, a `SystemError` when the system refuses (EMFILE). */
  constructor(options: ReactorOptions = {}) {
    const { kernel = nativeKernel, observer = null, onError = null, eventsMax = EVENTS_MAX } = options;
    if (onError !== null) checkFunction('options.onError', onError);
    checkInteger('options.eventsMax', eventsMax, 1, 65_536);
    const kind = checkPollerKind('options.poller', options.poller, kernel);
    const poller = kernel.openPoller(kind);
    if (typeof poller === 'number') throw new SystemError(`open ${kind} poller`, poller);
    this.kernel = observer === null ? kernel : observedKernel(kernel, observer);
    this.observer = observer;
    this.poller = poller;
    this.registry = new Registry(poller, observer);
    this.events = poller.allocateEvents(eventsMax);
    this.onError = onError;
    this.development = options.development ?? process.env['UNDERLOOP_DEVELOPMENT'] === '1';
  }

  // ---- The turn ---------------------------------------------------------------------------------------------------

  /**
   * One pass: collects a batch, then dispatches it to the end. Blocks this thread for at most `maxWaitMs`. Returns the
   * number of items dispatched. Use {@link run} to live beside the runtime; this is for loops of your own.
   */
  turn(maxWaitMs = Infinity): number {
    this.collect(maxWaitMs);
    let dispatched = 0;
    while (this.dispatchNext()) dispatched++;
    return dispatched;
  }

  /** Phases 1 and 2: makes the turn's batch. Runs no user code. Waits in the kernel once, for at most `maxWaitMs`. */
  collect(maxWaitMs = Infinity): void {
    this.check();
    if (this.running) throw new UnderloopError('ERR_BUSY', 'collect() and turn() cannot be called from a handler');
    if (this.batchLeft > 0) throw new UnderloopError('ERR_BUSY', 'the last batch is not dispatched to its end');
    if (maxWaitMs !== 0 && maxWaitMs !== Infinity) checkMs('maxWaitMs', maxWaitMs);
    this.turnNumber++;

    // 1. Timers: those due now, by deadline and then by creation. The clock is read only where somebody needs it.
    const nowMs = this.timers.size > 0 || this.observer !== null ? this.kernel.now() : 0;
    this.observer?.turnBegin(this.turnNumber, nowMs);
    if (this.dueNext > 0) this.due.length = this.dueNext = 0;
    if (this.timers.size > 0) this.timers.takeDue(nowMs, this.due, DUE_MAX);

    // 2. Collect: wait once, no longer than until the nearest timer, and not at all if something is queued.
    const queued = this.due.length + this.posted.length + this.deferred.length + this.closed.length > 0;
    const timerMs = queued ? 0 : Math.max(this.timers.nearestMs - nowMs, 0);
    const timeoutMs = Math.min(timerMs, maxWaitMs);
    this.observer?.waitBegin(timeoutMs, reason(queued, timerMs, maxWaitMs));
    const count = this.poller.wait(this.events, timeoutMs);
    if (count < 0) throw new SystemError(`${this.poller.kind}_wait`, count, { fd: this.poller.fd });
    this.eventNext = 0;
    this.eventEnd = count * EVENT_STRIDE;
    // Tasks join the batch by number: what is queued while it is dispatched belongs to the next turn.
    this.postedLeft = Math.min(this.posted.length, TASKS_MAX);
    this.deferredLeft = Math.min(this.deferred.length, TASKS_MAX);
    this.closedLeft = Math.min(this.closed.length, TASKS_MAX);
    if (this.observer !== null) this.tellBatch(this.observer, count);
  }

  /** Phase 3: runs the next item of this turn's batch. Returns false when the batch is at its end. */
  dispatchNext(): boolean {
    if (this.dueNext < this.due.length) {
      const timer = this.due[this.dueNext++] as Timer;
      if (timer.pending) this.runItem('timer', timer, 0, -1);
      return true;
    }
    if (this.eventNext < this.eventEnd) {
      const slot = this.events[this.eventNext] as number;
      const generation = this.events[this.eventNext + 1] as number;
      const reported = this.events[this.eventNext + 2] as number;
      this.eventNext += EVENT_STRIDE;
      this.dispatchReadiness(slot, generation, reported);
      return true;
    }
    if (this.postedLeft > 0) {
      this.postedLeft--;
      this.runItem('posted', this.posted.shift(), 0, -1);
      return true;
    }
    if (this.deferredLeft > 0) {
      this.deferredLeft--;
      this.runItem('deferred', this.deferred.shift(), 0, -1);
      return true;
    }
    if (this.closedLeft > 0) {
      this.closedLeft--;
      this.runItem('closed', this.closed.shift(), 0, -1);
      return true;
    }
    return false;
  }

  /** A readiness counts only while its registration lives, and only for what is asked for *now*, not at collect(). */
  private dispatchReadiness(slot: number, generation: number, reported: number): void {
    let readiness = 0;
    if (this.registry.isCurrent(slot, generation)) {
      const interest = this.registry.interest(slot);
      // Nobody asks for hang-ups and errors: they come with any interest. A closed read half comes with read interest.
      if (interest !== NONE) readiness = reported & (interest | ALWAYS_REPORTED);
      if (interest & READABLE) readiness |= reported & READ_CLOSED;
    }
    if (readiness === 0) {
      this.observer?.stale(slot, generation, reported);
      return;
    }
    this.runItem('readiness', this.registry.source(slot) as Source, readiness, this.registry.fd(slot));
  }

  /** The only place from which user code is called: the step point, the trace point, the fault boundary. */
  private runItem(kind: ItemKind, item: Task, readiness: number, fd: number): void {
    this.observer?.itemBegin(kind, item, fd, readiness);
    this.running = true;
    try {
      if (typeof item === 'function') item();
      else item.run(readiness);
    } catch (error) {
      this.fault(error, kind);
    } finally {
      this.running = false;
    }
    this.observer?.itemEnd(kind, item);
  }

  /** A throwing handler closes nothing else: its error goes to `onError`, or else to the runtime as uncaught. */
  private fault(error: unknown, kind: ItemKind): void {
    this.observer?.error(error, kind);
    if (this.onError === null) return throwUncaught(error);
    try {
      this.onError(error, kind);
    } catch (second) {
      throwUncaught(second);
    }
  }

  // ---- Running beside the runtime ---------------------------------------------------------------------------------

  /**
   * Runs turns until nothing keeps the reactor alive (no referenced registration, timer or task), or until
   * {@link stop}. Node's own timers, promises, sockets and signals go on meanwhile: see host.ts.
   */
  run(): Promise<void> {
    this.check();
    if (this.finish !== null) throw new UnderloopError('ERR_BUSY', 'run() is called while the reactor is running');
    return new Promise((resolve) => {
      this.host ??= hostFor(this.kernel);
      this.host.join(this);
      this.finish = resolve;
    });
  }

  /** Ends {@link run} when the current turn is over. Registrations stay; run() may be called again. */
  stop(): void {
    const finish = this.finish;
    if (finish === null) return;
    this.finish = null;
    this.host?.leave(this);
    finish();
  }

  /** Whether something keeps the reactor going. */
  get alive(): boolean {
    const queued = this.posted.length + this.deferred.length + this.closed.length + this.batchLeft;
    return this.open && (this.referenced > 0 || this.timers.referenced > 0 || queued > 0);
  }

  /** How long the next wait may last before the reactor has work: 0 if something is queued. */
  get nextDelayMs(): number {
    if (this.posted.length + this.deferred.length + this.closed.length > 0) return 0;
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

  // ---- What a program asks for ------------------------------------------------------------------------------------

  /** Milliseconds on the reactor's monotonic clock. */
  now(): number {
    return this.kernel.now();
  }

  /** Calls `callback` once, `delayMs` (fractions allowed) from now: never early, in order of deadline, then creation. */
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
  /** Runs `task` at the end of a later turn: for close callbacks, so that nothing of the turn meets a closed thing. */
  closing(task: Task): void {
    this.enqueue(this.closed, task);
  }

  /**
   * Calls `handler(readiness, watch)` whenever `fd` is ready for `interest` (READABLE | WRITABLE | PRIORITY).
   * The fd stays yours: `watch.close()` before you close it. Throws ERR_FD_REFUSED for files, ERR_FD_REGISTERED, EBADF.
   */
  watch(fd: number, interest: number, handler: WatchHandler, options: { trigger?: Trigger } = {}): Watch {
    checkFd('fd', fd);
    checkInterest('interest', interest);
    checkFunction('handler', handler);
    const trigger = triggerFlags('options.trigger', options.trigger, this.poller);
    return new Watch(this, fd, interest, trigger, handler);
  }

  /** For net/ and watch.ts: a registration whose source the reactor runs. Returns its slot. @internal */
  register(fd: number, interest: number, trigger: number, source: Source, referenced: boolean): number {
    this.check();
    const slot = this.registry.add(fd, interest, trigger, source);
    if (referenced) this.referenced++;
    return slot;
  }
  /** @internal */
  deregister(slot: number, referenced: boolean): void {
    this.registry.remove(slot);
    if (referenced) this.referenced--;
  }
  /** @internal */
  reference(by: 1 | -1): void {
    this.referenced += by;
  }

  /** Closes everything that the reactor owns (connections, listeners, watches, its poller), and ends run(). Idempotent. */
  close(): void {
    if (!this.open) return;
    this.stop();
    for (const slot of [...this.registry.slots()]) {
      const source = this.registry.source(slot);
      if (source?.dispose !== undefined) source.dispose();
      else this.registry.remove(slot);
    }
    this.open = false;
    this.eventNext = this.eventEnd;
    this.poller.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }

  private enqueue(queue: RunQueue, task: Task): void {
    this.check();
    if (typeof task !== 'function' && typeof (task as Runnable | null)?.run !== 'function') {
      throw argumentError('task', 'a function, or an object with a run() method', task);
    }
    queue.push(task);
  }

  private check(): void {
    if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the reactor is closed; make a new one');
  }

  private get batchLeft(): number {
    const readinesses = (this.eventEnd - this.eventNext) / EVENT_STRIDE;
    return this.due.length - this.dueNext + readinesses + this.postedLeft + this.deferredLeft + this.closedLeft;
  }

  private tellBatch(observer: Observer, count: number): void {
    observer.waitEnd(count);
    for (let i = 0; i < this.eventEnd; i += EVENT_STRIDE) {
      const [slot, generation, readiness] = this.events.subarray(i, i + EVENT_STRIDE) as unknown as number[];
      const fd = this.registry.isCurrent(slot as number, generation as number) ? this.registry.fd(slot as number) : -1;
      observer.readiness(fd, readiness as number, slot as number, generation as number);
    }
    observer.batch(this.due.length, count, this.postedLeft, this.deferredLeft, this.closedLeft);
  }
}

function reason(queued: boolean, timerMs: number, maxWaitMs: number): TimeoutReason {
  if (queued) return 'queued';
  if (maxWaitMs < timerMs) return 'host';
  return timerMs === Infinity ? 'idle' : 'timer';
}

function checkInterest(name: string, interest: unknown): void {
  checkInteger(name, interest, NONE, INTEREST_MASK);
}

/** Outside the fault boundary and on a stack of its own, so that the runtime treats it as any uncaught exception. */
function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
