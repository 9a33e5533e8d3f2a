// What datagram sockets send in a turn waits here for its end, next to where datagrams come in: an echo copies within one block.

import { ADDRESS_BYTES, type DatagramMemory } from '../kernel/datagram-memory.js';

/** Who has datagrams here. */
export interface Stager {
  /** Sends them, or takes them elsewhere. */
  flushStaged(): void;
}

/** One per kernel, shared by the datagram sockets of its reactors. */
export class DatagramStaging {
  /** A socket is in the middle of what it has received into this memory: no other may receive meanwhile. */
  receiving = false;
  private at: number;
  private readonly stagers: Stager[] = [];

  private constructor(readonly memory: DatagramMemory) {
    this.at = memory.outgoingStart;
  }

  private static readonly all = new WeakMap<DatagramMemory, DatagramStaging>();
  static of(memory: DatagramMemory): DatagramStaging {
    let staging = DatagramStaging.all.get(memory);
    if (staging === undefined) DatagramStaging.all.set(memory, (staging = new DatagramStaging(memory)));
    return staging;
  }

  /** Where a datagram of `length` bytes and its address may be put. When the room is used up, all that waits is sent first. */
  place(length: number): number {
    if (this.at + ADDRESS_BYTES + length > this.memory.outgoingEnd) {
      while (this.stagers.length > 0) (this.stagers.at(-1) as Stager).flushStaged();
    }
    return this.at;
  }

  /** What was put there stays until {@link release}. */
  hold(stager: Stager, end: number, first: boolean): void {
    if (first) this.stagers.push(stager);
    this.at = end;
  }

  /** A stager's datagrams are sent or elsewhere. When it was the last, the place is at the front again. */
  release(stager: Stager): void {
    const last = this.stagers.pop() as Stager;
    if (last !== stager) this.stagers[this.stagers.indexOf(stager)] = last;
    if (this.stagers.length === 0) this.at = this.memory.outgoingStart;
  }
}
