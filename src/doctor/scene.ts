// What the rules share: the clock, the registrations of one loop, who runs now, and what can be asked of the kernel.

import { NONE } from '../poller/poller.js';
import type { ItemKind } from '../reactor/observer.js';
import type { Eyes } from './eyes.js';
import type { Draft, HandlerHint, Place } from './finding.js';

/** Whoever takes time of the loop: the handler of one registration, or all tasks (or timers) of one name. */
export class Taker implements HandlerHint {
  /** The function that was run last. */
  subject: unknown = null;
  // Kept by the rule of starvation, beside each taker so that nothing is looked up per item: in this turn, in the one before.
  turn = -1;
  turnMs = 0;
  turnMsBefore = 0;
  turnItems = 0;
  turnItemsBefore = 0;
  /** Of timers: between the first and the last deadline of those that ran, which one turn has caught up. */
  turnSpreadMs = 0;
  turnSpreadMsBefore = 0;
  turnDueMs = 0;
  /** Ever. */
  busyMs = 0;
  items = 0;
  place: HandlerHint['place'] = null;

  constructor(
    readonly key: string,
    readonly kind: ItemKind | 'drain',
    readonly name: string,
    readonly fd: number,
    /** The host's own, or the doctor's: no part of the program. */
    readonly isHosts: boolean,
    /** A function of the program's; else something of net/, async/ or node/ that runs by itself. */
    readonly isPrograms: boolean,
  ) {}
}

/** One registration of a loop, as the program asked for it. */
export class Registration {
  interest: number;
  /** It was removed, or its place was taken. */
  gone = false;
  /** In {@link Scene.waits}, when it went. */
  goneAtWait = 0;
  /** Interest was set (again) since the last report: a oneshot or an edge was rearmed. */
  rearmed = false;
  /** It was reported writable at least once. */
  sawWritable = false;
  /** Where the program closed the descriptor, as `file:line`; empty: not heard of. */
  closedAt = '';
  /** Of a watch of the program's: what the number named when it was added; null: not asked. */
  identity: string | null = null;
  taker: Taker;

  constructor(
    readonly slot: number,
    readonly generation: number,
    readonly fd: number,
    interest: number,
    /** EDGE | ONESHOT; -1: not known, for a trace does not tell. */
    readonly trigger: number,
    /** A watch of the program's own, which reads and writes by its own means; else one of net/, node/, async/. */
    readonly isRaw: boolean,
    taker: Taker,
    /** What the registry runs; null over a trace and of a raw `Poller`. */
    readonly source: object | null = null,
  ) {
    this.interest = interest;
    this.taker = taker;
  }
  get parked(): boolean {
    return this.interest === NONE;
  }
}

/** The item that runs; one object, filled anew for each. */
export class RunningItem {
  kind: ItemKind | 'drain' = 'readiness';
  taker: Taker = NOBODY;
  registration: Registration | null = null;
  readiness = 0;
  beganMs = 0;
  endMs = 0;
  /** When it could have run at the earliest: its deadline, or the end of the wait that reported it. */
  dueMs = 0;
  /** {@link Scene.intakes} when it began. */
  intakesBefore = 0;
}

export const NOBODY = new Taker('', 'posted', '', -1, true, false);

export class Scene {
  /** On the clock of the loop. */
  nowMs = 0;
  /** When the loop was first seen. */
  beganMs = 0;
  turn = 0;
  /** Waits that have begun. */
  waits = 0;
  /** When the last wait ended. */
  waitEndMs = 0;
  readonly bySlot: (Registration | undefined)[] = [];
  readonly byFd = new Map<number, Registration>();
  /** Non-null while an item runs. */
  running: RunningItem | null = null;
  /** System calls that moved something (read, sent, accepted), ever. */
  transfers = 0;
  /** Those of them that took something in: reads and accepts. */
  intakes = 0;

  constructor(
    readonly poller: string,
    /** The poller's own descriptor; -1: it has none, or nobody knows it. */
    readonly pollerFd: number,
    /** A raw `Poller`: nobody tells of items, and the program runs between two waits. */
    readonly isRaw: boolean,
    /** Null over a trace. */
    readonly eyes: Eyes | null,
    readonly report: (draft: Draft) => void,
    /** The line of the program that called into this package just now; null over a trace. */
    readonly caller: () => Place | null = () => null,
  ) {}

  get live(): boolean {
    return this.eyes !== null;
  }
  registration(slot: number, generation: number): Registration | null {
    const found = this.bySlot[slot];
    return found?.generation === generation ? found : null;
  }
}
