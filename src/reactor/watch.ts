// What reactor.watch() gives: one fd of the user's, watched for readiness.

import { UnderloopError } from '../errors.js';
import { checkInterest } from '../poller/checks.js';
import type { Reactor } from './reactor.js';
import type { Source } from './run-queue.js';

/** `readiness` is masked with the watch's interest; HANGUP, ERROR and INVALID may come with it, or alone. */
export type WatchHandler = (readiness: number, watch: Watch) => void;

/** One descriptor that a reactor watches for the program; made by {@link Reactor.watch}. */
export class Watch implements Source, Disposable {
  private slot: number;
  private readonly generation: number;

  /** @internal */
  constructor(
    private readonly reactor: Reactor,
    /** The descriptor watched. It stays the caller's: close the watch first, then the fd. */
    readonly fd: number,
    interest: number,
    trigger: number,
    private readonly handler: WatchHandler,
  ) {
    this.slot = reactor.registry.add(fd, interest, trigger, this);
    this.generation = reactor.registry.generation(this.slot);
  }

  /** The handler's name. */
  get name(): string {
    return this.handler.name;
  }
  /** Whether {@link close} was called, here or by closing the reactor. */
  get closed(): boolean {
    return !this.current;
  }
  /** False when closed, and when the fd was closed before the watch and its number was watched anew since. */
  private get current(): boolean {
    return this.slot >= 0 && this.reactor.registry.isCurrent(this.slot, this.generation);
  }

  /** What is asked for now. Setting NONE parks the watch; in edge and oneshot mode, setting it again rearms it. */
  get interest(): number {
    return this.current ? this.reactor.registry.interest(this.slot) : 0;
  }
  /** Throws `ERR_ARGUMENT`, and `ERR_CLOSED` when it is closed. */
  set interest(interest: number) {
    checkInterest('interest', interest);
    if (!this.current) throw new UnderloopError('ERR_CLOSED', `the watch of fd ${String(this.fd)} is closed`);
    this.reactor.registry.setInterest(this.slot, interest);
  }

  /** Takes the fd out of the poller. The handler is never called again, not even in this turn. Idempotent. */
  close(): void {
    const { current, slot } = this;
    this.slot = -1;
    if (current) this.reactor.registry.remove(slot);
  }

  /** Keeps `run()` going (the default). */
  ref(): this {
    if (this.current) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  /** No longer keeps `run()` going. */
  unref(): this {
    if (this.current) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /** @internal */
  run(readiness: number): void {
    this.handler(readiness, this);
  }
  /** @internal */
  handlerFor(): unknown {
    return this.handler;
  }
  /** @internal */
  dispose(): void {
    this.close();
  }
  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
