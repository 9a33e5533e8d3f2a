// What reactor.watch() gives: one fd of the user's, watched for readiness.

import { UnderloopError } from '../errors.js';
import { checkInterest } from '../poller/checks.js';
import type { Reactor } from './reactor.js';
import type { Source } from './run-queue.js';

/** `readiness` is masked with the watch's interest; HANGUP, ERROR and INVALID may come with it, or alone. */
export type WatchHandler = (readiness: number, watch: Watch) => void;

export class Watch implements Source, Disposable {
  private slot: number;

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
  }

  get closed(): boolean {
    return this.slot < 0;
  }

  /** What is asked for now. Setting NONE parks the watch; in edge and oneshot mode, setting it again rearms it. */
  get interest(): number {
    return this.slot < 0 ? 0 : this.reactor.registry.interest(this.slot);
  }
  set interest(interest: number) {
    checkInterest('interest', interest);
    if (this.slot < 0) throw new UnderloopError('ERR_CLOSED', `the watch of fd ${String(this.fd)} is closed`);
    this.reactor.registry.setInterest(this.slot, interest);
  }

  /** Takes the fd out of the poller. The handler is never called again, not even in this turn. Idempotent. */
  close(): void {
    if (this.slot < 0) return;
    const { slot } = this;
    this.slot = -1;
    this.reactor.registry.remove(slot);
  }

  ref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, true);
    return this;
  }
  unref(): this {
    if (this.slot >= 0) this.reactor.registry.setReferenced(this.slot, false);
    return this;
  }

  /** @internal */
  run(readiness: number): void {
    this.handler(readiness, this);
  }
  /** @internal */
  dispose(): void {
    this.close();
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
