// What a rule is: a small state machine that is told what a loop does, and reports mistakes to the scene.

import type { TimeoutReason } from '../reactor/observer.js';
import type { Registration, RunningItem } from './scene.js';

/** All methods are called synchronously, with the scene's clock and registrations up to date. A rule has those it needs. */
export interface Rule {
  added?(registration: Registration, replaced: Registration | null): void;
  /** Interest was set anew, to the same perhaps. */
  changed?(registration: Registration): void;
  removed?(registration: Registration): void;
  turnBegin?(): void;
  turnEnd?(): void;
  /** `queued`: tasks queued for this turn and later ones, where that is known; else -1. */
  waitBegin?(timeoutMs: number, reason: TimeoutReason, queued: number): void;
  waitEnd?(events: number): void;
  /** `registration` is null when it has gone. */
  readiness?(registration: Registration | null, readiness: number, slot: number, generation: number): void;
  stale?(slot: number, generation: number, readiness: number): void;
  itemBegin?(item: RunningItem): void;
  itemEnd?(item: RunningItem): void;
  /** Tasks in this turn's batch. */
  batch?(tasks: number): void;
  /** A system call through the kernel seam. */
  call?(name: string, fd: number, result: number): void;
  /** The program itself has read from (written to) an fd; `count`: the call's result, 0 or below when it gave nothing. */
  read?(fd: number, count: number): void;
  wrote?(fd: number, count: number): void;
  /** The program itself closes an fd. Told before it is closed. */
  closing?(fd: number): void;
  /** A net connection's write(): what it was given, what it took, and what was queued before. */
  netWrite?(connection: object, fd: number, given: number, taken: number, queuedBefore: number): void;
  /** About ten times a second while the loop or the runtime lives. */
  tick?(): void;
  /** The loop was closed, the program ends, or the doctor has seen enough: what is suspected is decided now. */
  finish?(): void;
}
