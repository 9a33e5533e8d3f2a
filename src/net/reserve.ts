// The descriptor that a listener keeps back: when none is left, it lets those who wait be turned away.

import type { Kernel } from '../kernel/kernel.js';

/** One descriptor of nothing. Where it could not be opened, there is none to give up, and nobody is turned away. */
export class Reserve {
  private fd: number;

  constructor(private readonly kernel: Kernel) {
    this.fd = kernel.openReserve();
  }

  /** Whether there is one to give up. */
  get held(): boolean {
    return this.fd >= 0;
  }

  /** Gives it up to accept what waits at `listenerFd`, at most `acceptsMax`, and to close it. Returns how many there were. */
  turnAway(listenerFd: number, acceptsMax: number): number {
    if (!this.held) return 0;
    const { kernel } = this;
    kernel.close(this.fd);
    let turnedAway = 0;
    for (; turnedAway < acceptsMax; turnedAway++) {
      const fd = kernel.accept(listenerFd);
      if (fd < 0) break;
      kernel.close(fd);
    }
    this.fd = kernel.openReserve();
    return turnedAway;
  }

  /** Opens it again: somebody else, another thread, may have been quicker to take the place. */
  renew(): void {
    if (!this.held) this.fd = this.kernel.openReserve();
  }

  /** Gives it back. Idempotent. */
  close(): void {
    if (this.held) this.kernel.close(this.fd);
    this.fd = -1;
  }
}
