// Slow peers: readers that take their replies a few bytes at a time, writers that send their requests so.

import { EAGAIN } from '../../kernel/errno.js';
import { SystemError } from '../../errors.js';
import type { Client } from '../client.js';
import { Population } from '../population.js';
import { ClosedLoop } from './closed.js';

/** How often a slow connection reads or writes its share. */
const TICK_MS = 20;
/** A slow reader's own kernel buffer shall not hold what the server should be stuck with. The kernel doubles it (socket(7)). */
const RECEIVE_BUFFER_BYTES = 4096;

/** How many bytes each connection may move by now. */
class Allowance {
  private moved = 0;
  private startMs = 0;

  constructor(private readonly bytesPerSecond: number) {}

  start(nowMs: number): void {
    this.startMs = nowMs;
  }
  /** Whole bytes since the last call. */
  take(nowMs: number): number {
    const due = Math.floor(((nowMs - this.startMs) * this.bytesPerSecond) / 1000) - this.moved;
    this.moved += due;
    return due;
  }
}

export class SlowReaders extends ClosedLoop {
  private readonly allowance = new Allowance(this.world.settings.bytesPerSecond ?? 1);

  override begin(): void {
    this.allowance.start(this.world.kernel.now());
    super.begin();
    this.wait();
  }

  /** What is under way at the end could take hours to read. It stays unanswered, and the connections close. */
  override get busy(): boolean {
    return false;
  }

  protected override clientOpened(client: Client): void {
    const { connection } = client;
    if (connection === null) return;
    this.world.kernel.setOption(connection.fd, 'receiveBufferBytes', RECEIVE_BUFFER_BYTES);
    connection.pause();
  }

  private wait(): void {
    this.world.reactor.setTimer(TICK_MS, () => {
      if (this.world.ending) return;
      const bytes = this.allowance.take(this.world.kernel.now());
      if (bytes > 0) for (const client of this.clients) this.read(client, bytes);
      this.wait();
    });
  }

  /** Past the connection, which is paused: only so can the bytes be counted out. */
  private read(client: Client, bytes: number): void {
    const { connection } = client;
    if (connection === null || connection.closed || !client.opened) return;
    const { kernel } = this.world;
    const count = kernel.recv(connection.fd, 0, Math.min(bytes, kernel.buffer.length));
    if (count > 0) {
      this.world.bytesReceived += count;
      this.take(client, 0, count);
    } else if (count === 0) connection.close();
    else if (count !== EAGAIN) connection.destroy(new SystemError('recv', count, { fd: connection.fd }));
  }
}

export class SlowWriters extends Population {
  private readonly allowance = new Allowance(this.world.settings.bytesPerSecond ?? 1);
  private asking = false;

  begin(): void {
    this.asking = true;
    this.allowance.start(this.world.kernel.now());
    this.wait();
  }
  end(): void {
    this.asking = false;
  }
  /** A request that was begun may take for ever to send: only those sent are waited for. */
  override get busy(): boolean {
    return this.requests.oldest >= 0;
  }

  private wait(): void {
    this.world.reactor.setTimer(TICK_MS, () => {
      if (this.world.ending) return;
      const bytes = this.allowance.take(this.world.kernel.now());
      if (bytes > 0) for (const client of this.clients) this.write(client, bytes);
      this.wait();
    });
  }

  private write(client: Client, bytes: number): void {
    const { connection } = client;
    if (connection?.writable !== true || !client.opened || client.outstanding > 0) return;
    if (client.slot < 0) {
      if (!this.asking || this.requests.full) return;
      client.slot = this.requests.take(client);
      const frame = (client.frame ??= new Uint8Array(this.requestBytes));
      this.writeRequest(frame, new DataView(frame.buffer), 0, this.requests.id(client.slot));
      client.frameSent = 0;
    }
    const frame = client.frame as Uint8Array;
    const stop = Math.min(client.frameSent + bytes, frame.length);
    const from = client.frameSent;
    client.frameSent = stop;
    if (stop === frame.length) {
      // Its time runs from here: until now it was ours to be slow.
      const nowMs = this.world.kernel.now();
      this.requests.arm(client.slot, nowMs, nowMs);
      client.slot = -1;
      client.outstanding++;
      if (this.world.measures(nowMs)) this.tally.sent++;
    }
    connection.write(frame, from, stop);
  }
}
