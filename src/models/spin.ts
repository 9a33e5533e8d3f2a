// The model `spin`: non-blocking sockets swept without a poller. What a loop does *not* do, and what it would cost.

import { EEXIST, ENOENT } from '../kernel/errno.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { EVENT_STRIDE, INTEREST_MASK } from '../poller/poller.js';
import type { KernelPoller, PollerCapabilities } from '../poller/poller.js';
import { ReactorModel } from './reactor.js';

/** Numbers per registration: fd, interest, slot, generation. */
const STRIDE = 4;

/**
 * A poller that never asks the kernel: every wait returns at once and says that all registrations are ready for all that
 * they want, as many as there is room for, the next wait the following ones. Reactor and sockets then try each call and
 * find EAGAIN: exactly a sweep over non-blocking sockets, with the same code as every other model.
 */
export class SpinPoller implements KernelPoller {
  readonly kind = 'spin';
  readonly fd = -1;
  readonly capabilities: PollerCapabilities = {
    edge: false,
    oneshot: false,
    exclusive: false,
    nestable: false,
    fdMax: Infinity,
    resolutionMs: 0,
  };
  private entries = new Int32Array(64 * STRIDE);
  private readonly placeOfFd = new Map<number, number>();
  private size = 0;
  /** Where the next sweep begins. */
  private next = 0;

  add(fd: number, interest: number, slot: number, generation: number): number {
    if (this.placeOfFd.has(fd)) return EEXIST;
    if ((this.size + 1) * STRIDE > this.entries.length) {
      const larger = new Int32Array(this.entries.length * 2);
      larger.set(this.entries);
      this.entries = larger;
    }
    const place = this.size++;
    this.placeOfFd.set(fd, place);
    this.write(place, fd, interest, slot, generation);
    return 0;
  }
  modify(fd: number, interest: number, slot: number, generation: number): number {
    const place = this.placeOfFd.get(fd);
    if (place === undefined) return ENOENT;
    this.write(place, fd, interest, slot, generation);
    return 0;
  }
  remove(fd: number): number {
    const place = this.placeOfFd.get(fd);
    if (place === undefined) return ENOENT;
    this.placeOfFd.delete(fd);
    const last = --this.size;
    if (place !== last) {
      // The last one takes the free place, so that a sweep has no holes to step over.
      this.entries.copyWithin(place * STRIDE, last * STRIDE, (last + 1) * STRIDE);
      this.placeOfFd.set(this.entries[place * STRIDE], place);
    }
    return 0;
  }
  private write(place: number, fd: number, interest: number, slot: number, generation: number): void {
    const at = place * STRIDE;
    this.entries[at] = fd;
    this.entries[at + 1] = interest & INTEREST_MASK;
    this.entries[at + 2] = slot;
    this.entries[at + 3] = generation;
  }

  allocateEvents(eventsMax: number): Int32Array {
    return new Int32Array(eventsMax * EVENT_STRIDE);
  }
  /** Never waits, whatever the timeout. */
  wait(events: Int32Array): number {
    const { entries } = this;
    const count = Math.min(this.size, Math.floor(events.length / EVENT_STRIDE));
    if (this.next >= this.size) this.next = 0;
    let place = this.next;
    for (let i = 0; i < count; i++) {
      const from = place * STRIDE;
      const to = i * EVENT_STRIDE;
      events[to] = entries[from + 2];
      events[to + 1] = entries[from + 3];
      events[to + 2] = entries[from + 1];
      if (++place === this.size) place = 0;
    }
    this.next = place;
    return count;
  }
  wake(): void {
    // Nothing to do: no wait lasts.
  }
  close(): void {
    this.placeOfFd.clear();
    this.size = 0;
  }
}

/** The real kernel, with {@link SpinPoller} for its only poller. */
const sweeping: Kernel = Object.create(nativeKernel, {
  pollerKinds: { value: ['spin'] },
  openPoller: { value: () => new SpinPoller() },
}) as Kernel;

export const spin = new ReactorModel('spin', 'spin', 'level', {
  summary: 'non-blocking sockets swept without a poller: one thread that never sleeps',
  kernel: sweeping,
});
