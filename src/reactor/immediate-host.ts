// A host that knows nothing of the runtime but its immediates.

import type { Host } from './host.js';
import type { Reactor } from './reactor.js';

/**
 * One turn per immediate of the runtime's, each waiting for `waitMs` at most. For scripted kernels, and where the runtime's
 * loop cannot be had for pollers without a descriptor. Simple, correct, and never quite idle.
 */
export class ImmediateHost implements Host {
  private readonly handles = new Map<Reactor, NodeJS.Immediate>();
  private readonly unreferenced = new Set<Reactor>();

  constructor(private readonly waitMs: number) {}

  join(reactor: Reactor): void {
    this.schedule(reactor);
  }
  leave(reactor: Reactor): void {
    clearImmediate(this.handles.get(reactor));
    this.handles.delete(reactor);
    this.unreferenced.delete(reactor);
  }
  setReferenced(reactor: Reactor, referenced: boolean): void {
    const handle = this.handles.get(reactor);
    if (referenced) this.unreferenced.delete(reactor);
    else this.unreferenced.add(reactor);
    if (referenced) handle?.ref();
    else handle?.unref();
  }

  setHeld(reactor: Reactor, held: boolean): void {
    clearImmediate(this.handles.get(reactor));
    if (!held) this.schedule(reactor);
  }

  private step(reactor: Reactor): void {
    // Asked now and not after the last turn: a reaction of a promise may have given it new work since.
    if (!reactor.alive) {
      reactor.stop();
      return;
    }
    this.schedule(reactor);
    try {
      reactor.turn(this.waitMs);
    } catch (error) {
      reactor.end(error as Error);
    }
  }

  private schedule(reactor: Reactor): void {
    const handle = setImmediate(() => this.step(reactor));
    if (this.unreferenced.has(reactor)) handle.unref();
    this.handles.set(reactor, handle);
  }
}
