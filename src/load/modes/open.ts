// The open loop: requests leave when the schedule says so, whatever the answers do, as those of independent users would.

import { Arrivals } from '../arrivals.js';
import type { Client } from '../client.js';
import { Population } from '../population.js';
import { recordMs } from '../tally.js';

/** Requests that one item sends at most: after a delay of ours the backlog must not keep replies from being read. */
const SENDS_PER_ITEM_MAX = 64;
/** When no connection has room, it is tried again after this, or when one has. */
const RETRY_MS = 1;

export class OpenLoop extends Population {
  private arrivals: Arrivals | null = null;
  private nextClient = 0;
  private waiting = false;
  /** Until then there was no room: what was meant to be sent before is late by the server's fault, not by ours. */
  private blockedUntilMs = 0;
  private readonly onTime = (): void => {
    this.waiting = false;
    this.tick();
  };

  begin(): void {
    const { ratePerSecond, arrivals, seed } = this.world.settings;
    this.arrivals = new Arrivals(arrivals ?? 'poisson', ratePerSecond ?? 1, seed, this.world.kernel.now());
    this.tick();
  }

  /** What was meant to be sent before the end is sent still, and timed: a stopped server must not hide it. */
  end(): void {
    this.tick();
  }
  override get busy(): boolean {
    return (
      this.requests.size > 0 || (this.arrivals !== null && this.arrivals.nextMs < this.world.windowEndMs)
    );
  }

  override expire(nowMs: number): void {
    super.expire(nowMs);
    const { arrivals, world, tally } = this;
    // So late that its timeout is over already: there is no connection with room for it.
    while (arrivals !== null && arrivals.nextMs < world.windowEndMs) {
      const waitedMs = nowMs - arrivals.nextMs;
      if (waitedMs < this.traffic.timeoutMs) break;
      if (world.measures(arrivals.nextMs)) {
        tally.unsent++;
        recordMs(tally.latency, waitedMs);
      }
      arrivals.take();
    }
  }

  private tick(): void {
    const { arrivals, world } = this;
    if (this.waiting || arrivals === null) return;
    const { kernel, reactor } = world;
    let nowMs = kernel.now();
    for (let sends = 0; arrivals.nextMs <= nowMs && arrivals.nextMs < world.windowEndMs; sends++) {
      if (sends === SENDS_PER_ITEM_MAX) {
        this.waiting = true;
        reactor.post(this.onTime);
        return;
      }
      if (!this.sendOne(arrivals.nextMs, nowMs)) {
        this.blockedUntilMs = nowMs + RETRY_MS;
        this.waitFor(RETRY_MS);
        return;
      }
      if (world.measures(arrivals.nextMs) && arrivals.nextMs > this.blockedUntilMs) {
        recordMs(this.tally.lateness, nowMs - arrivals.nextMs);
      }
      arrivals.take();
      nowMs = kernel.now();
    }
    if (arrivals.nextMs < world.windowEndMs) this.waitFor(Math.max(arrivals.nextMs - nowMs, 0));
  }

  private waitFor(delayMs: number): void {
    this.waiting = true;
    this.world.reactor.setTimer(delayMs, this.onTime);
  }

  /** On the next connection in turn that has room. */
  protected sendOne(intendedMs: number, nowMs: number): boolean {
    const { clients } = this;
    for (let tries = 0; tries < clients.length && !this.requests.full; tries++) {
      const client = clients[this.nextClient];
      this.nextClient = this.nextClient + 1 === clients.length ? 0 : this.nextClient + 1;
      if (this.send(client, 1, intendedMs, nowMs) === 1) return true;
    }
    return false;
  }

  protected override clientClosed(_client: Client): void {
    if (this.world.open === 0) this.world.fail('all connections are closed');
  }
}
