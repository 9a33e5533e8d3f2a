// Churn: connect, ask, close, and again. It closes by a reset, since each FIN would leave its port in TIME_WAIT for a minute.

import { Client } from '../client.js';
import { Population } from '../population.js';

/** A refused connect is tried again after this: a server that is gone shall not be asked a million times. */
const RETRY_MS = 10;

export class Churn extends Population {
  private asking = false;
  private left = this.world.settings.requestsMax ?? Infinity;

  begin(): void {
    this.asking = true;
    const nowMs = this.world.kernel.now();
    for (const client of this.clients) this.ask(client, nowMs, nowMs);
  }
  end(): void {
    this.asking = false;
  }

  private ask(client: Client, intendedMs: number, nowMs: number): void {
    if (this.asking && this.left > 0) this.left -= this.send(client, 1, intendedMs, nowMs);
  }

  protected override clientOpened(client: Client): void {
    this.ask(client, client.startedMs, this.world.kernel.now());
  }

  protected override clientReplied(client: Client, nowMs: number): void {
    if (!this.asking) return;
    if (this.left === 0 && !this.busy) this.world.exhausted();
    else if (this.left > 0 && client.answered < (this.world.settings.requestsPerConnection ?? 1)) {
      this.ask(client, nowMs, nowMs);
    } else this.hangUp(client);
  }

  protected override clientTimedOut(client: Client): void {
    this.hangUp(client);
  }

  protected override clientClosed(client: Client): void {
    if (!this.asking) return;
    if (this.left === 0) {
      if (!this.busy) this.world.exhausted();
    } else if (client.opened) this.redial(client);
    else this.redialLater(client);
  }

  private redial(client: Client): void {
    if (!this.asking) return;
    const next = new Client(client.index);
    this.clients[client.index] = next;
    if (this.dialClient(next) !== null) this.redialLater(next);
  }

  private redialLater(client: Client): void {
    this.world.reactor.setTimer(RETRY_MS, () => {
      this.redial(client);
    });
  }
}
