// Beside runtimes whose loop cannot be waited on (Bun, Deno): while nothing is to be done, a thread waits in our place.

import { binding } from '../binding.js';
import { SystemError } from '../errors.js';
import type { Host } from './host.js';
import { ImmediateHost } from './immediate-host.js';
import type { Reactor } from './reactor.js';

/**
 * The longest wait in the runtime's own thread: after a turn that ran something, for the next event often comes at once and
 * a thread in between would make it dearer; and where a poller has no descriptor that the thread could wait on.
 */
export const BLIND_WAIT_MS = 1;

/**
 * Each reactor has a thread. *Busy*: each turn is an immediate of the runtime's, and may wait for {@link BLIND_WAIT_MS}.
 * *Idle*, after a turn that ran nothing: the thread waits on the poller's descriptor and has the runtime wake us.
 */
export class ThreadHost implements Host {
  private readonly guests = new Map<Reactor, Host>();

  join(reactor: Reactor): void {
    const guest = reactor.poller.capabilities.nestable
      ? new Guest(reactor)
      : new ImmediateHost(BLIND_WAIT_MS);
    this.guests.set(reactor, guest);
    guest.join(reactor);
  }
  leave(reactor: Reactor): void {
    this.guests.get(reactor)?.leave(reactor);
    this.guests.delete(reactor);
  }
  setReferenced(reactor: Reactor, referenced: boolean): void {
    this.guests.get(reactor)?.setReferenced(reactor, referenced);
  }
  setHeld(reactor: Reactor, held: boolean): void {
    this.guests.get(reactor)?.setHeld(reactor, held);
  }
}

/** One reactor and its thread, from join() to leave(). */
class Guest implements Host {
  private readonly thread: number;
  private immediate: NodeJS.Immediate | null = null;
  private referenced = true;
  private held = false;
  private turning = false;
  private left = false;
  private waitMs = 0;

  constructor(private readonly reactor: Reactor) {
    this.thread = binding.waitThreadOpen(reactor.poller.fd, () => this.step());
    if (this.thread < 0) throw new SystemError('pthread_create', this.thread);
  }

  join(): void {
    this.hear(this.changed);
    this.schedule();
  }
  leave(): void {
    this.left = true;
    this.hear(null);
    this.cancel();
    binding.waitThreadClose(this.thread);
  }
  setReferenced(_reactor: Reactor, referenced: boolean): void {
    this.referenced = referenced;
    if (referenced) this.immediate?.ref();
    else this.immediate?.unref();
    binding.waitThreadRef(this.thread, referenced);
  }
  setHeld(_reactor: Reactor, held: boolean): void {
    this.held = held;
    this.cancel();
    if (!held) this.schedule();
  }

  /** What is asked of the reactor outside its turns, by the runtime's timers, say, may concern the wait or end it. */
  private readonly changed = (): void => {
    if (!this.turning) this.schedule();
  };

  private hear(changed: (() => void) | null): void {
    const { registry, timers, queues } = this.reactor;
    for (const one of [registry, timers, ...queues]) one.changed = changed;
  }

  private schedule(): void {
    if (this.immediate !== null || this.held || this.left) return;
    this.immediate = setImmediate(this.step);
    if (!this.referenced) this.immediate.unref();
  }

  private cancel(): void {
    if (this.immediate !== null) clearImmediate(this.immediate);
    this.immediate = null;
  }

  private readonly step = (): void => {
    this.cancel();
    const { reactor } = this;
    if (this.held || this.left) return;
    // Asked now and not after the last turn: a reaction of a promise may have given it new work since.
    if (!reactor.alive) {
      reactor.stop();
      return;
    }
    this.turning = true;
    let dispatched = 1;
    try {
      dispatched = reactor.turn(this.waitMs);
    } catch (error) {
      reactor.end(error as Error); // the wait failed, and would fail again for ever
    } finally {
      this.turning = false;
    }
    this.waitMs = dispatched > 0 ? BLIND_WAIT_MS : 0;
    if (dispatched > 0) this.schedule();
    else this.arm();
  };

  private arm(): void {
    if (!this.left && !this.held) binding.waitThreadArm(this.thread, this.reactor.nextDelayMs);
  }
}
