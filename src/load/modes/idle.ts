// Connections that only stay open, and the few active ones among them.

import type { Client } from '../client.js';
import { Population } from '../population.js';
import { recordMs } from '../tally.js';

export class Idle extends Population {
  begin(): void {
    // They are there, and that is all.
  }
  end(): void {
    // Nothing was asked.
  }
}

/** Each makes a request at a fixed interval, one at a time, and gives it up after a timeout. */
export class Actives extends Population {
  private ending = false;
  private startMs = 0;
  private ticks = 0;

  begin(): void {
    this.startMs = this.world.kernel.now();
    this.wait();
  }
  end(): void {
    this.ending = true;
  }

  /** When the next of them is to ask: they take turns, spread over the interval. */
  private get nextMs(): number {
    const { settings } = this.world;
    return this.startMs + (this.ticks * (settings.actives?.intervalMs ?? 1)) / this.clients.length;
  }

  private wait(): void {
    if (this.clients.length === 0) return;
    const { reactor, kernel } = this.world;
    reactor.setTimer(Math.max(this.nextMs - kernel.now(), 0), () => {
      this.tick();
    });
  }

  private tick(): void {
    const { clients, world, tally } = this;
    // At most one round: after a delay of ours the rest follows in later turns.
    for (let i = 0; i < clients.length && !this.ending; i++) {
      const intendedMs = this.nextMs;
      const nowMs = world.kernel.now();
      if (intendedMs > nowMs) break;
      this.ask(clients[this.ticks % clients.length], intendedMs, nowMs);
      this.ticks++;
      if (world.measures(intendedMs)) recordMs(tally.lateness, nowMs - intendedMs);
    }
    if (!this.ending) this.wait();
  }

  private ask(client: Client, intendedMs: number, nowMs: number): void {
    const sent = client.outstanding === 0 && client.opened ? this.send(client, 1, intendedMs, nowMs) : 0;
    if (sent === 0 && this.world.measures(intendedMs)) this.tally.unsent++;
  }
}
