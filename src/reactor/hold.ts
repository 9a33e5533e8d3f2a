// The hold point: between two items a stepper may hold the reactor, look at what comes next, and change it.

import { argumentError, busy, checkInteger } from '../errors.js';
import { EVENT_STRIDE } from '../poller/poller.js';
import { HostSource } from './host.js';
import type { Injections, InjectableCall, InjectedResult } from './inject.js';
import type { Reactor } from './reactor.js';
import { describeNext, type Step } from './next.js';

/** Holds a reactor between items: `new Reactor({ stepper })`. */
export interface Stepper {
  /**
   * Asked before each item. The reactor goes on when this returns; when it returns a promise, run() is held until that is
   * settled, and the runtime goes on meanwhile. What it throws, or rejects with, ends run() with that error; the rest of the
   * batch then runs when the reactor is run again. A synchronous `turn()` cannot wait for a promise, and throws `ERR_BUSY`.
   */
  hold(held: Held): void | Promise<void>;
  /** It gives no promise, ever: then stop() in a handler ends run() at once, as it does without a stepper. @internal */
  readonly synchronous?: boolean;
}

/** What a stepper may do while it holds the reactor. Valid until the hold ends. */
export interface Held {
  /** The turn that is held, counted from 1. */
  readonly turnNumber: number;
  /** What is left of the batch, the next item first; at most `max` of it. */
  peek(max?: number): Step[];
  /**
   * Takes readiness `index` of {@link peek} out of the batch, as if the kernel had not reported it yet. In level mode it
   * comes again in the next turn; in edge and oneshot mode it is lost. Throws `ERR_ARGUMENT` for what is no readiness.
   */
  drop(index: number): void;
  /**
   * Moves readiness `from` to the place of readiness `to`, as if the kernel had reported them in that order. Timers and
   * tasks keep their places, which docs/turn.md promises. Throws `ERR_ARGUMENT` for what is no readiness.
   */
  move(from: number, to: number): void;
  /**
   * The next `call` (on `fd`, if one is given) gets this result: a negative errno, or `{ bytesMax }` for a transfer that is
   * cut short. After -EINTR the call is made again, as the native kernel does. Throws `ERR_ARGUMENT`.
   */
  inject(call: InjectableCall, result: InjectedResult, fd?: number): void;
}

export class Hold implements Held {
  /** The stepper's promise has not been settled: the reactor is with no host. */
  private waiting = false;
  /** The stepper has agreed to the next item. */
  private agreed = false;
  private stopping = false;

  constructor(
    private readonly reactor: Reactor,
    public stepper: Stepper | null,
    private readonly injections: Injections | null,
  ) {}

  /** `Reactor.turn()` with a stepper. What a hold has left of a batch comes first; then there is no wait. */
  turn(maxWaitMs: number): number {
    const { reactor } = this;
    if (this.waiting) throw busy('the stepper holds the reactor');
    // A stepper that has dropped all that was left has agreed to the end of this turn, not to an item of the next.
    if (reactor.dispatching || (reactor.batchLeft === 0 && !this.agreed)) reactor.collect(maxWaitMs);
    let dispatched = 0;
    for (;;) {
      if (!this.agreed && reactor.batchLeft > 0 && !this.isHostsNext && this.isHeld()) return dispatched;
      this.agreed = false;
      if (!reactor.dispatchNext()) break;
      dispatched++;
    }
    if (this.stopping) {
      this.stopping = false;
      reactor.end();
    }
    return dispatched;
  }

  /** `Reactor.stop()`: in the middle of a turn, that is to end when the turn does. */
  stopAfterTurn(): boolean {
    if (this.reactor.finish === null || this.reactor.batchLeft === 0) return false;
    if (this.stepper?.synchronous === true) return false;
    return (this.stopping = true);
  }

  private isHeld(): boolean {
    const answer = this.stepper?.hold(this);
    if (answer === undefined) return false;
    const { reactor } = this;
    if (reactor.host === null || reactor.finish === null) {
      answer.catch(() => undefined);
      throw busy('the stepper holds the reactor with a promise, which only run() can wait for');
    }
    // Nothing of the reactor runs meanwhile: its host must not wait for it.
    this.waiting = true;
    reactor.host.setHeld(reactor, true);
    answer.then(
      () => this.release(),
      (error: unknown) => {
        this.waiting = false;
        if (reactor.finish === null) return;
        reactor.host?.setHeld(reactor, false);
        reactor.end(error as Error);
      },
    );
    return true;
  }

  /** The rest of the batch runs where all items run, in the host's next turn. */
  private release(): void {
    const { reactor } = this;
    this.waiting = false;
    if (reactor.finish === null) return; // closed meanwhile
    this.agreed = true;
    reactor.host?.setHeld(reactor, false);
  }

  /** The host's own registrations are no part of the program: nobody is asked before they run. */
  private get isHostsNext(): boolean {
    const { reactor } = this;
    if (reactor.dueNext < reactor.due.length || reactor.eventNext >= reactor.eventEnd) return false;
    return reactor.registry.source(reactor.events[reactor.eventNext]) instanceof HostSource;
  }

  get turnNumber(): number {
    return this.reactor.turnNumber;
  }

  peek(max = Infinity): Step[] {
    if (max !== Infinity) checkInteger('max', max, 0, Number.MAX_SAFE_INTEGER);
    return describeNext(this.reactor, max);
  }

  drop(index: number): void {
    const { reactor } = this;
    const at = this.place('index', index);
    reactor.events.copyWithin(at, at + EVENT_STRIDE, reactor.eventEnd);
    reactor.eventEnd -= EVENT_STRIDE;
  }

  move(from: number, to: number): void {
    const { events } = this.reactor;
    const [source, target] = [this.place('from', from), this.place('to', to)];
    const moved = events.slice(source, source + EVENT_STRIDE);
    if (source < target) events.copyWithin(source, source + EVENT_STRIDE, target + EVENT_STRIDE);
    else events.copyWithin(target + EVENT_STRIDE, target, source);
    events.set(moved, target);
  }

  inject(call: InjectableCall, result: InjectedResult, fd?: number): void {
    if (this.injections === null) throw busy('steps() cannot inject results: give the reactor a stepper');
    this.injections.add(call, result, fd);
  }

  /** Where in the events the readiness at `index` of the batch stands. */
  private place(name: string, index: number): number {
    const { reactor } = this;
    const timers = reactor.due.length - reactor.dueNext;
    const ready = (reactor.eventEnd - reactor.eventNext) / EVENT_STRIDE;
    if (!Number.isInteger(index) || index < timers || index >= timers + ready) {
      const where =
        ready === 0 ? 'of which the batch has none' : `${String(timers)} to ${String(timers + ready - 1)}`;
      throw argumentError(name, `the place of a readiness in the batch, ${where}`, index);
    }
    return reactor.eventNext + (index - timers) * EVENT_STRIDE;
  }
}
