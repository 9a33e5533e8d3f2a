// Counts in how many pieces process.nextTick and promises run after a turn: one long piece is another mistake than a chain.

/** A round of reactions that took less is none that anybody waits for. After so many of them in a row nobody counts on. */
const ROUND_MS_MIN = 0.05;
const SHORT_ROUNDS_MAX = 6;
/** So long a drain is remembered for, and so many pieces make a chain. */
export const CHAIN_MS = 100;
export const CHAIN_PIECES_MIN = 10;
/** Drains that nobody has asked about: the oldest go. */
const CHAINS_MAX = 100;

const settled = Promise.resolve();
let ticks = 0;

/** From now on calls of process.nextTick are counted. Called once, before the program begins. */
export function countTicks(): void {
  const nextTick = process.nextTick.bind(process) as (...args: unknown[]) => void;
  process.nextTick = (...args: unknown[]) => {
    ticks++;
    nextTick(...args);
  };
}

export interface Chain {
  readonly beganMs: number;
  readonly forMs: number;
  readonly pieces: number;
}

export class ChainCounter {
  private readonly chains: Chain[] = [];
  private ticksBefore = 0;
  private rounds = 0;
  private short = 0;
  private beganMs = 0;
  private roundMs = 0;
  private draining = false;

  constructor(private readonly now: () => number) {}

  begin(): void {
    this.draining = true;
    this.rounds = this.short = 0;
    this.ticksBefore = ticks;
    this.beganMs = this.roundMs = this.now();
    void settled.then(this.round);
  }

  /** A reaction of ours stands behind those that are queued, and again behind those that they queue, while these take time. */
  private readonly round = (): void => {
    if (!this.draining) return;
    const nowMs = this.now();
    if (nowMs - this.roundMs >= ROUND_MS_MIN) {
      this.rounds++;
      this.short = 0;
    } else if (++this.short > SHORT_ROUNDS_MAX) return;
    this.roundMs = nowMs;
    void settled.then(this.round);
  };

  end(): void {
    this.draining = false;
    const forMs = this.now() - this.beganMs;
    if (forMs < CHAIN_MS) return;
    const pieces = this.rounds + ticks - this.ticksBefore;
    if (pieces < CHAIN_PIECES_MIN) return;
    this.chains.push({ beganMs: this.beganMs, forMs, pieces });
    if (this.chains.length > CHAINS_MAX) this.chains.shift();
  }

  /** The chain that began within a few milliseconds of this; undefined: that drain was none. */
  take(beganMs: number): Chain | undefined {
    const at = this.chains.findIndex((one) => Math.abs(one.beganMs - beganMs) < 10);
    return at < 0 ? undefined : this.chains.splice(at, 1)[0];
  }
}
