// Makes the connections of a run: a bounded number at a time, at a bounded rate, and gives up when nobody answers.

import { UnderloopError } from '../errors.js';
import type { Client } from './client.js';
import type { Population } from './population.js';
import type { World } from './world.js';

/** How often a bounded rate lets further connects begin. */
const TICK_MS = 5;

export class Dialer {
  connected = 0;
  failed = 0;
  notTried = 0;
  private next = 0;
  private connecting = 0;
  private failuresInARow = 0;
  private startedMs = 0;
  private finished = false;
  private waiting = false;
  /** In the order in which they began; those settled are skipped when they come to the front. */
  private readonly begunClients: Client[] = [];
  private begunNext = 0;

  /** `order`: which population each connection belongs to. */
  constructor(
    private readonly world: World,
    private readonly order: readonly Population[],
    private readonly done: () => void,
  ) {}

  start(): void {
    this.startedMs = this.world.kernel.now();
    this.pump();
  }

  /** A connect was begun, of the ramp or of churn. */
  begun(client: Client): void {
    this.begunClients.push(client);
  }

  /** The outcome of a connect. */
  settled(_client: Client, opened: boolean): void {
    if (this.finished) return;
    this.connecting--;
    if (opened) this.connected++;
    this.failuresInARow = opened ? 0 : this.failuresInARow + 1;
    if (!opened) this.failed++;
    // After a failure, first see what becomes of the others: where nobody answers, each more would cost a whole timeout.
    if (opened || this.connecting === 0) this.pump();
  }

  /** Ends connects that have lasted too long. Called often. */
  expire(nowMs: number): void {
    const { begunClients } = this;
    const { connectTimeoutMs, host, port } = this.world.settings;
    while (this.begunNext < begunClients.length) {
      const client = begunClients[this.begunNext];
      if (!client.opened && client.connection !== null) {
        if (nowMs - client.startedMs < connectTimeoutMs) break;
        const text = `connect to ${host}:${port} took longer than ${connectTimeoutMs} ms`;
        client.connection.destroy(new UnderloopError('ERR_CONNECT_TIMEOUT', text));
      }
      this.begunNext++;
    }
    // Half of it is history: what is left moves to the front.
    if (this.begunNext > 1024 && this.begunNext * 2 > begunClients.length) {
      begunClients.splice(0, this.begunNext);
      this.begunNext = 0;
    }
  }

  private pump(): void {
    const { order, world } = this;
    const { connectingMax } = world.settings;
    const allowed = this.allowed();
    while (this.next < order.length && this.connecting < connectingMax && this.next < allowed) {
      // As many failures in a row as may be under way at once: the rest would fail likewise, each after its timeout.
      if (this.failuresInARow >= connectingMax) {
        this.giveUp();
        break;
      }
      const refusal = order[this.next++].dial();
      if (refusal === null) this.connecting++;
      else {
        // Out of descriptors or of memory: so it will be for the next.
        this.failed++;
        this.giveUp();
      }
    }
    if (this.next < order.length && this.next >= allowed && !this.waiting) {
      this.waiting = true;
      world.reactor.setTimer(TICK_MS, () => {
        this.waiting = false;
        this.pump();
      });
    }
    if (this.next === order.length && this.connecting === 0 && !this.finished) {
      this.finished = true;
      this.done();
    }
  }

  private giveUp(): void {
    this.notTried = this.order.length - this.next;
    this.next = this.order.length;
  }

  /** How many connects the rate allows to have begun by now. */
  private allowed(): number {
    const { connectsPerSecond } = this.world.settings;
    if (connectsPerSecond === 0) return Infinity;
    return 1 + Math.floor(((this.world.kernel.now() - this.startedMs) * connectsPerSecond) / 1000);
  }
}
