// Independent arrivals: each connects, asks once and leaves, when the schedule says so, whatever has become of those before.

import { Client } from '../client.js';
import { recordMs } from '../tally.js';
import { OpenLoop } from './open.js';

/** Where threads serve one connection each, a queue of requests is a queue of connections: only this load shows it. */
export class Arrive extends OpenLoop {
  private connecting = 0;
  /** Places in the list of clients that are free again. */
  private readonly free: number[] = [];

  override get busy(): boolean {
    return this.connecting > 0 || super.busy;
  }

  protected override sendOne(intendedMs: number): boolean {
    if (this.connecting + this.requests.size >= this.requests.capacity) return false;
    const client = new Client(this.free.pop() ?? this.clients.length);
    client.intendedMs = intendedMs;
    this.clients[client.index] = client;
    this.connecting++;
    if (this.dialClient(client) === null) return true;
    this.gone(client); // out of descriptors or ports: it is tried again when others have left
    return false;
  }

  protected override clientOpened(client: Client): void {
    this.connecting--;
    const { intendedMs } = client;
    if (this.send(client, 1, intendedMs, this.world.kernel.now()) === 0) this.unsent(client);
  }
  protected override clientReplied(client: Client): void {
    this.hangUp(client);
  }
  protected override clientTimedOut(client: Client): void {
    this.hangUp(client);
  }
  protected override clientClosed(client: Client): void {
    if (!client.opened) {
      this.unsent(client);
      this.gone(client);
    } else this.free.push(client.index);
  }

  private gone(client: Client): void {
    this.connecting--;
    this.free.push(client.index);
  }
  private unsent({ intendedMs }: Client): void {
    if (!this.world.measures(intendedMs)) return;
    this.tally.unsent++;
    recordMs(this.tally.latency, this.world.kernel.now() - intendedMs);
  }
}
