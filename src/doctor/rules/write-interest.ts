// WRITABLE asked for with nothing to send: a level trigger reports it in every turn, and the loop never sleeps.

import { EDGE, ERROR, HANGUP, INVALID, ONESHOT, WRITABLE } from '../../poller/poller.js';
import type { Rule } from '../rule.js';
import type { Registration, RunningItem, Scene } from '../scene.js';

/** Reports of WRITABLE in a row without a write: who has something to send writes at the first or second. */
export const REPORTS_MIN = 64;
/** They must go on for so long: a program that starts with many connections has some reports that it had not asked for. */
const SPIN_MS = 20;
/** A trace does not tell of the program's own writes. So many calls, nearly all too short for a system call, are a spin. */
const TRACED_REPORTS_MIN = 1000;
const TRACED_CALL_MS = 0.003;
const TRACED_SHORT_SHARE = 0.8;
/** Nor of triggers: an edge that tells of room beside each message comes more rarely than a loop can turn. */
const TRACED_PER_MS_MIN = 20;

const SENDS = new Set([
  'send',
  'sendBytes',
  'sendPieces',
  'write',
  'writePieces',
  'sendDatagrams',
  'connect',
]);

interface Spin {
  reports: number;
  sinceMs: number;
  short: number;
}

export class WriteInterestLeftOn implements Rule {
  private readonly spins = new Map<Registration, Spin>();

  constructor(private readonly scene: Scene) {}

  readiness(registration: Registration | null, readiness: number): void {
    if (registration === null || (readiness & registration.interest & WRITABLE) === 0) return;
    registration.sawWritable = true;
    if ((readiness & (ERROR | HANGUP | INVALID)) !== 0 || registration.taker.isHosts) return;
    // An edge with both interests tells of room beside each message: that costs nothing, unless it was asked for anew.
    const { trigger } = registration;
    if (trigger > 0 && (trigger & (EDGE | ONESHOT)) !== 0 && !registration.rearmed) return;
    registration.rearmed = false;
    let spin = this.spins.get(registration);
    if (spin === undefined) {
      spin = { reports: 0, sinceMs: this.scene.nowMs, short: 0 };
      this.spins.set(registration, spin);
    }
    spin.reports++;
    if (this.scene.live && spin.reports >= REPORTS_MIN) this.judge(registration, spin);
  }

  itemEnd({ registration, readiness, beganMs, endMs }: RunningItem): void {
    if (this.scene.live || registration === null || (readiness & WRITABLE) === 0) return;
    const spin = this.spins.get(registration);
    if (spin === undefined) return;
    if (endMs - beganMs <= TRACED_CALL_MS) spin.short++;
    if (spin.reports >= TRACED_REPORTS_MIN && spin.short >= spin.reports * TRACED_SHORT_SHARE) {
      this.judge(registration, spin);
    }
  }

  changed(registration: Registration): void {
    if ((registration.interest & WRITABLE) === 0) this.spins.delete(registration);
  }
  removed(registration: Registration): void {
    this.spins.delete(registration);
  }
  wrote(fd: number): void {
    this.sent(fd);
  }
  call(name: string, fd: number): void {
    if (SENDS.has(name)) this.sent(fd);
  }

  private sent(fd: number): void {
    if (this.spins.size === 0) return;
    const registration = this.scene.byFd.get(fd);
    if (registration !== undefined) this.spins.delete(registration);
  }

  private judge(registration: Registration, spin: Spin): void {
    const { scene } = this;
    const forMs = scene.nowMs - spin.sinceMs;
    if (forMs < SPIN_MS || (!scene.live && spin.reports < forMs * TRACED_PER_MS_MIN)) return;
    const { fd, taker } = registration;
    if (scene.eyes !== null && scene.eyes.look(fd)?.writable !== true) return;
    scene.report({
      class: 'write-interest-left-on',
      severity: 'error',
      key: `${registration.slot}/${registration.generation}`,
      fd,
      handler: taker,
      sinceMs: spin.sinceMs,
      message: `fd ${fd} is watched for WRITABLE with nothing to send: it was reported ${spin.reports} times without a write, and the loop does not sleep`,
      evidence: {
        reportsWithoutWrite: spin.reports,
        forMs: Math.round(forMs),
        reportsPerSecond: Math.round((spin.reports / forMs) * 1000),
      },
      remedy:
        'Ask for WRITABLE only while something is queued: add it to the interest when a write gives EAGAIN (null), ' +
        'take it out when the queue is empty.',
    });
    spin.reports = 0;
    spin.short = 0;
    spin.sinceMs = scene.nowMs;
  }
}
