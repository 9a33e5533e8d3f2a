// accept(2) without a descriptor to give: the connection stays in the kernel's queue, and is reported for ever.

import { EMFILE, ENFILE } from '../../kernel/errno.js';
import { READABLE } from '../../poller/poller.js';
import type { Rule } from '../rule.js';
import type { Registration, Scene } from '../scene.js';

/** Tried again so often within a second: that is a spin, and no rest. A listener of net/ rests for 100 ms. */
export const SPINS_MIN = 50;
const WITHIN_MS = 1000;
/**
 * To rest and try again is right while it lasts, and costs little. So many rests in a row (5 s of a listener of net/), without one
 * connection served in between, do not pass by themselves.
 */
export const RESTS_IN_ROW_MIN = 50;
/** A listening socket reported so often, so quickly, without a connection accepted: then somebody looks whether a descriptor is free. */
const REPORTS_MIN = 50;
const REPORTS_WITHIN_MS = 2500;

interface Trouble {
  /** Items (or, outside of items, calls) that met it, since one was served. */
  inRow: number;
  sinceMs: number;
  errors: number;
  /** When the last rests were, the oldest first. */
  times: number[];
  code: 'EMFILE' | 'ENFILE';
  /** In this item. */
  failed: boolean;
  accepted: boolean;
}

export class AcceptEmfile implements Rule {
  private readonly troubles = new Map<number, Trouble>();
  /** Reports of raw listening sockets in a row; of what is no listening socket: -Infinity. */
  private readonly reports = new Map<Registration, { count: number; sinceMs: number }>();

  constructor(private readonly scene: Scene) {}

  call(name: string, fd: number, result: number): void {
    if (name !== 'accept') return;
    const failed = result === EMFILE || result === ENFILE;
    let trouble = this.troubles.get(fd);
    if (trouble === undefined) {
      if (!failed) {
        if (result >= 0) this.served(fd);
        return;
      }
      trouble = {
        inRow: 0,
        sinceMs: this.scene.nowMs,
        errors: 0,
        times: [],
        code: 'EMFILE',
        failed: false,
        accepted: false,
      };
      this.troubles.set(fd, trouble);
    }
    if (failed) {
      trouble.errors++;
      trouble.code = result === EMFILE ? 'EMFILE' : 'ENFILE';
      if (!trouble.failed) this.rested(fd, trouble);
      trouble.failed = true;
    } else if (result >= 0) trouble.accepted = true;
    if (this.scene.running === null) this.over(fd, trouble);
  }

  itemEnd(): void {
    if (this.troubles.size === 0) return;
    for (const [fd, trouble] of this.troubles) {
      if (trouble.failed || trouble.accepted) this.over(fd, trouble);
    }
  }

  readiness(registration: Registration | null, readiness: number): void {
    // net/ tells of its accepts by itself.
    if (registration?.isRaw !== true || (readiness & READABLE) === 0 || !this.scene.live) return;
    const { eyes, nowMs } = this.scene;
    const known = this.reports.get(registration);
    if (known === undefined || nowMs - known.sinceMs > REPORTS_WITHIN_MS) {
      this.reports.set(registration, { count: 1, sinceMs: nowMs });
      return;
    }
    known.count++;
    if (known.count % REPORTS_MIN !== 0) return;
    if (known.count === REPORTS_MIN && eyes?.isListener(registration.fd) !== true) known.count = -Infinity;
    else {
      const code = eyes?.outOfDescriptors() ?? null;
      if (code === null) this.reports.delete(registration);
      else this.report(registration.fd, code, known.count, known.sinceMs, 'is reported readable');
    }
  }
  removed(registration: Registration): void {
    this.reports.delete(registration);
  }

  private served(fd: number): void {
    const registration = this.scene.byFd.get(fd);
    if (registration !== undefined) this.reports.delete(registration);
  }

  /** An item, or a call outside of items, is over. */
  private over(fd: number, trouble: Trouble): void {
    // What it accepts beside an error it turns away: the listener's reserve.
    if (trouble.accepted && !trouble.failed) {
      trouble.inRow = 0;
      this.served(fd);
    }
    trouble.failed = trouble.accepted = false;
  }

  private rested(fd: number, trouble: Trouble): void {
    const { nowMs } = this.scene;
    if (trouble.inRow++ === 0) trouble.sinceMs = nowMs;
    const { times } = trouble;
    times.push(nowMs);
    while (nowMs - times[0] > WITHIN_MS || times.length > SPINS_MIN) times.shift();
    if (trouble.inRow >= RESTS_IN_ROW_MIN || times.length >= SPINS_MIN) {
      this.report(fd, trouble.code, trouble.errors, Math.min(trouble.sinceMs, times[0]), 'met it');
    }
  }

  private report(fd: number, code: string, errors: number, sinceMs: number, how: string): void {
    const registration = this.scene.byFd.get(fd);
    this.scene.report({
      class: 'accept-emfile',
      severity: 'error',
      key: `${fd}`,
      fd,
      handler: registration?.taker ?? null,
      sinceMs,
      message: `accept on fd ${fd} fails with ${code} again and again: clients are turned away or left waiting`,
      evidence: { error: code, failures: errors, forMs: Math.round(this.scene.nowMs - sinceMs), how },
      remedy:
        code === 'EMFILE'
          ? 'Raise the limit of open files (ulimit -n), find what keeps descriptors open (underloop ps PID), or bound ' +
            'the connections (listen: connectionsMax; or pause the listener) below the limit.'
          : "The whole system is out of files: raise fs.file-max, or find who holds them; bound the listener's connectionsMax.",
    });
  }
}
