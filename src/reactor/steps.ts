// `reactor.steps()`: the reactor item by item, each described before it is run.

import { busy } from '../errors.js';
import { Hold, type Stepper } from './hold.js';
import type { Step } from './next.js';
import type { Reactor } from './reactor.js';

/** Where the reactor offers its next item and the consumer takes it: one at a time. */
class Gate implements Stepper {
  private release = (): void => undefined;
  private wake = (): void => undefined;
  private waiting = false;
  private isEnded = false;

  /** The reactor is at an item; settled when the consumer asks for the next. */
  hold(): Promise<void> {
    return new Promise((resolve) => {
      this.release = resolve;
      this.waiting = true;
      this.wake();
    });
  }
  /** The reactor runs no more. */
  end(): void {
    this.isEnded = true;
    this.wake();
  }
  get ended(): boolean {
    return this.isEnded;
  }

  /** The consumer waits for an item. False: there is none any more. */
  async next(): Promise<boolean> {
    if (!this.waiting && !this.isEnded) await new Promise<void>((resolve) => (this.wake = resolve));
    return !this.isEnded;
  }
  goOn(): void {
    this.waiting = false;
    this.release();
  }
}

/**
 * `Reactor.steps()`. When the consumer leaves its loop, the rest of the batch runs, as after stop(), and the reactor stops.
 * Throws what run() throws.
 */
export async function* steps(reactor: Reactor): AsyncGenerator<Step, void, undefined> {
  if (reactor.hold !== null) throw busy('the reactor has a stepper already');
  const gate = new Gate();
  const hold = new Hold(reactor, gate, null);
  reactor.hold = hold;
  try {
    const over = reactor.run().finally(() => gate.end());
    over.catch(() => undefined); // awaited below
    try {
      while (await gate.next()) {
        yield hold.peek(1)[0];
        gate.goOn();
      }
    } finally {
      hold.stepper = null;
      if (!gate.ended) {
        reactor.stop();
        gate.goOn();
      }
      await over;
    }
  } finally {
    reactor.hold = null;
  }
}
