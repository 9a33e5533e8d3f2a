// The requests under way: their ids, their times and whose they are, in arrays made once.

import type { Client } from './client.js';

const NOWHERE = -1;

/**
 * An id is slot + generation * capacity: a reply finds its slot by a mask, and one that comes after its request was
 * given up finds another generation there. Armed slots are linked in the order of their times, so that what has timed
 * out stands in front.
 */
export class Requests {
  readonly capacity: number;
  /** When the request was meant to be sent, and when it was, on the reactor's clock. */
  readonly intendedMs: Float64Array;
  readonly sentMs: Float64Array;
  private readonly ids: Uint32Array;
  private readonly clients: (Client | null)[];
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly armed: Uint8Array;
  private readonly free: Int32Array;
  private freeCount: number;
  private first = NOWHERE;
  private last = NOWHERE;

  /** `outstandingMax` is rounded up to a power of two. */
  constructor(outstandingMax: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(outstandingMax, 1)));
    this.capacity = this.freeCount = capacity;
    this.intendedMs = new Float64Array(capacity);
    this.sentMs = new Float64Array(capacity);
    this.ids = Uint32Array.from({ length: capacity }, (_, slot) => slot);
    this.clients = new Array<Client | null>(capacity).fill(null);
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
    this.armed = new Uint8Array(capacity);
    this.free = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
  }

  /** Those taken and not released. */
  get size(): number {
    return this.capacity - this.freeCount;
  }
  get full(): boolean {
    return this.freeCount === 0;
  }

  /** A free slot for a request of `client`; call it only while not {@link full}. */
  take(client: Client): number {
    const slot = this.free[--this.freeCount];
    this.clients[slot] = client;
    return slot;
  }

  /** The request's time runs: in the order in which arm() is called. */
  arm(slot: number, intendedMs: number, sentMs: number): void {
    this.intendedMs[slot] = intendedMs;
    this.sentMs[slot] = sentMs;
    this.armed[slot] = 1;
    this.previous[slot] = this.last;
    this.next[slot] = NOWHERE;
    if (this.last === NOWHERE) this.first = slot;
    else this.next[this.last] = slot;
    this.last = slot;
  }

  release(slot: number): void {
    if (this.armed[slot] === 1) {
      const next = this.next[slot];
      const previous = this.previous[slot];
      if (previous === NOWHERE) this.first = next;
      else this.next[previous] = next;
      if (next === NOWHERE) this.last = previous;
      else this.previous[next] = previous;
      this.armed[slot] = 0;
    }
    this.clients[slot] = null;
    this.ids[slot] += this.capacity; // wraps at 2^32, a multiple of the capacity
    this.free[this.freeCount++] = slot;
  }

  id(slot: number): number {
    return this.ids[slot];
  }
  /** Whether the request was sent to its end. */
  isArmed(slot: number): boolean {
    return this.armed[slot] === 1;
  }

  /** The slot of a request of `client` that is under way; -1: there is none with this id. */
  find(id: number, client: Client): number {
    const slot = id & (this.capacity - 1);
    return this.ids[slot] === id && this.clients[slot] === client ? slot : NOWHERE;
  }

  /** The oldest armed request, or -1; {@link after} gives the one that follows. */
  get oldest(): number {
    return this.first;
  }
  after(slot: number): number {
    return this.next[slot];
  }
  client(slot: number): Client {
    return this.clients[slot] as Client;
  }
}
