// Random numbers from a seed: the same seed gives the same arrivals, so that two runs can be compared.

/** Mulberry32: 32 bits of state, a full period, and good enough for arrivals; not for secrets. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** From 0 up to, but not including, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** The gap to the next event of a Poisson process, whose gaps are 1 on average. */
  nextGap(): number {
    return -Math.log(1 - this.next());
  }
}
