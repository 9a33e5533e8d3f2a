// The runtime's host that says on a tape what it decides: which reactor has a turn, how long it may wait, when promises run.

import type { NativeHost } from '../binding.js';
import type { PollerKind, KernelPoller } from '../poller/poller.js';
import { RuntimeHost } from '../reactor/host.js';
import type { Reactor } from '../reactor/reactor.js';
import { OP } from './format.js';
import type { RecordTape } from './record-tape.js';
import type { Reactors } from './taped-observer.js';

export class RecordHost extends RuntimeHost {
  constructor(
    opened: NativeHost,
    private readonly tape: RecordTape,
    private readonly reactorNumbers: Reactors,
    private readonly open: (kind: PollerKind) => KernelPoller | number,
  ) {
    super(opened);
    if (!tape.live) return;
    tape.open(OP.host);
    tape.putInt(opened.fd);
    tape.putInt(opened.sliceFd);
  }

  protected override turnOf(reactor: Reactor, maxWaitMs: number): number {
    const { tape } = this;
    if (tape.live && reactor.alive && !this.held.has(reactor)) {
      tape.open(OP.turn);
      tape.putInt(this.reactorNumbers.indexOf(reactor));
      tape.putNumber(maxWaitMs);
    }
    return super.turnOf(reactor, maxWaitMs);
  }

  protected override waitForAny(maxWaitMs: number): void {
    const { tape } = this;
    if (tape.live) {
      tape.beforeWait(maxWaitMs);
      tape.open(OP.shared);
    }
    super.waitForAny(maxWaitMs);
  }

  protected override drain(): void {
    if (this.tape.live) this.tape.open(OP.drain);
    super.drain();
  }

  protected override endRun(reactor: Reactor): void {
    const { tape } = this;
    if (tape.live) {
      tape.open(OP.runEnded);
      tape.putInt(this.reactorNumbers.indexOf(reactor));
    }
    super.endRun(reactor);
  }

  /** Its own poller is no part of the program, and is not on the tape. */
  protected override openShared(kind: PollerKind): KernelPoller | number {
    return this.open(kind);
  }
}
