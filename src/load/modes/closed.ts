// The closed loop: each connection keeps a number of requests under way and asks again as soon as one is answered.

import type { Client } from '../client.js';
import { Population } from '../population.js';

/** Connections whose first requests one item sends: with more, the first replies would wait for the last sends. */
const FIRST_SENDS_PER_ITEM_MAX = 256;

export class ClosedLoop extends Population {
  protected asking = false;
  /** Requests that may still be asked. */
  protected left = this.world.settings.requestsMax ?? Infinity;
  private begun = 0;

  begin(): void {
    this.asking = true;
    const stop = Math.min(this.begun + FIRST_SENDS_PER_ITEM_MAX, this.clients.length);
    const { kernel } = this.world;
    while (this.begun < stop) this.fill(this.clients[this.begun++], kernel.now());
    if (this.begun < this.clients.length)
      this.world.reactor.post(() => {
        if (this.asking) this.begin();
      });
  }
  end(): void {
    this.asking = false;
  }

  protected override clientReplied(client: Client, nowMs: number): void {
    this.fill(client, nowMs);
    this.checkExhausted();
  }
  protected override clientTimedOut(client: Client): void {
    this.fill(client, this.world.kernel.now());
    this.checkExhausted();
  }
  protected override clientDrained(client: Client): void {
    this.fill(client, this.world.kernel.now());
  }
  protected override clientClosed(): void {
    this.checkExhausted();
    if (this.asking && this.world.open === 0) this.world.fail('all connections are closed');
  }

  protected fill(client: Client, nowMs: number): void {
    if (!this.asking) return;
    const missing = Math.min((this.world.settings.depth ?? 1) - client.outstanding, this.left);
    if (missing > 0) this.left -= this.send(client, missing, nowMs, nowMs);
  }

  private checkExhausted(): void {
    if (this.left === 0 && !this.busy) this.world.exhausted();
  }
}
