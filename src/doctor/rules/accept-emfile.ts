// accept(2) without a descriptor to give: the connection stays in the kernel's queue, and is reported for ever.

import { EMFILE, ENFILE } from '../../kernel/errno.js';
import { READABLE } from '../../poller/poller.js';
import type { Rule } from '../rule.js';
import type { Registration, Scene } from '../scene.js';

/**
 * A listener of net/ rests 100 ms at EMFILE. A short burst that recovers costs two or three rests; so many in a row, without
 * one connection served in between, are no burst.
 */
export const RESTS_IN_ROW_MIN = 5;
/** Served in between, but out of descriptors again and again: so often within so long. */
const RESTS_MIN = 10;
const WITHIN_MS = 5000;
/** Not recovered when the program ends: fewer will do. */
const RESTS_AT_END_MIN = 1;
/** A listening socket reported so often without a connection accepted: then somebody looks whether a descriptor is free. */
const REPORTS_MIN = 50;

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
  private readonly reports = new Map<Registration, number>();

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
    const count = (this.reports.get(registration) ?? 0) + 1;
    this.reports.set(registration, count);
    if (count < REPORTS_MIN || count % REPORTS_MIN !== 0) return;
    const { eyes } = this.scene;
    if (count === REPORTS_MIN && eyes?.isListener(registration.fd) !== true) {
      this.reports.set(registration, -Infinity);
      return;
    }
    const code = eyes?.outOfDescriptors() ?? null;
    if (code === null) this.reports.set(registration, 0);
    else this.report(registration.fd, code, count, this.scene.nowMs, 'is reported readable');
  }
  removed(registration: Registration): void {
    this.reports.delete(registration);
    this.end(registration.fd, registration);
  }

  finish(): void {
    for (const fd of [...this.troubles.keys()]) this.end(fd);
  }

  /** The listener is closed, or the program ends: it has not recovered. */
  private end(fd: number, registration?: Registration): void {
    const trouble = this.troubles.get(fd);
    if (trouble === undefined) return;
    const { inRow, code, errors, sinceMs } = trouble;
    if (inRow >= RESTS_AT_END_MIN && (this.scene.eyes?.outOfDescriptors() ?? null) !== null) {
      this.report(fd, code, errors, sinceMs, 'met it until the end', registration);
    }
    this.troubles.delete(fd);
  }

  private served(fd: number): void {
    const registration = this.scene.byFd.get(fd);
    if (registration !== undefined && this.reports.has(registration)) this.reports.set(registration, 0);
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
    while (nowMs - times[0] > WITHIN_MS || times.length > RESTS_MIN) times.shift();
    if (trouble.inRow >= RESTS_IN_ROW_MIN || times.length >= RESTS_MIN) {
      this.report(fd, trouble.code, trouble.errors, Math.min(trouble.sinceMs, times[0]), 'met it');
    }
  }

  private report(
    fd: number,
    code: string,
    errors: number,
    sinceMs: number,
    how: string,
    registration = this.scene.byFd.get(fd),
  ): void {
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
