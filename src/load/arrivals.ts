// When an open loop's requests are meant to be sent: a schedule that no answer, and no delay, can move.

import { Random } from './random.js';

/** `fixed`: one every 1/rate seconds; `poisson`: as independent users would come, with that rate on average. */
export type ArrivalKind = 'fixed' | 'poisson';

export class Arrivals {
  /** When the next request is meant to be sent, on the reactor's clock. */
  nextMs: number;
  private taken = 0;
  private readonly gapMs: number;
  private readonly random: Random;

  constructor(
    private readonly kind: ArrivalKind,
    ratePerSecond: number,
    seed: number,
    private readonly startMs: number,
  ) {
    this.gapMs = 1000 / ratePerSecond;
    this.random = new Random(seed);
    this.nextMs = startMs;
    if (kind === 'poisson') this.nextMs += this.random.nextGap() * this.gapMs;
  }

  /** The next request is on its way: goes on to the one after it. */
  take(): void {
    this.taken++;
    // A product and not a sum, so that a day of additions does not drift.
    if (this.kind === 'fixed') this.nextMs = this.startMs + this.taken * this.gapMs;
    else this.nextMs += this.random.nextGap() * this.gapMs;
  }
}
