// One handler takes the turns while others wait: it keeps them late again and again, or never lets the loop sleep.

import type { TimeoutReason } from '../../reactor/observer.js';
import { LAG_MS } from '../blocked/account.js';
import { CHAIN_MS } from '../chains.js';
import type { HandlerHint } from '../finding.js';
import type { Rule } from '../rule.js';
import type { RunningItem, Scene, Taker } from '../scene.js';
import { Spinning } from './spinning.js';

/** So late, and somebody notices; below it lies what any busy turn costs. */
export const LATE_MS = 20;
/** So many turns in which others were late by it ... */
const LATE_TURNS_MIN = 5;
/** ... while it had so much of the time, ... */
const SHARE_MIN = 0.5;
const FOR_MS = 300;
/** ... or so many others that were late in fewer turns. */
const MANY_TURNS_MIN = 3;
const MANY_PER_TURN_MIN = 10;
/** Pieces of work that are too long, one after the other for long: others are late by less, and all the time. */
const PIECE_LATE_MS = 5;
const PIECE_TURNS_MIN = 20;
const PIECE_SHARE_MIN = 0.8;
const PIECE_FOR_MS = 1000;
/** Of what somebody is late, so much must be its doing. */
const BLAME_MIN = 0.5;
/** One call that reads (accepts) on as long as something comes: so long, and so many system calls that gave something. */
const FLOOD_MS = 100;
const FLOOD_INTAKES_MIN = 50;
/** So many items of one name in one turn, which together kept somebody waiting for so long: once is enough. */
const BURST_MS = 100;
const BURST_ITEMS_MIN = 10;
/** What was long ago is not added up. */
const FORGET_MS = 5000;
/** Each took 5 ms at least, so that there are no more within that time: the others can go. */
export const LATES_MAX = 1024;
/** An item that took less had no time to wait for a core. */
const ITEM_MS_MIN = 0.5;
/** Between two readings of how long the thread waited for a core: a file to be read. */
const DELAY_EVERY_MS = 20;

interface Late {
  sinceMs: number;
  lastMs: number;
  lastTurn: number;
  /** Turns and items in which others were late by LATE_MS; turns in which they were by PIECE_LATE_MS. */
  turns: number;
  items: number;
  pieceTurns: number;
  longestMs: number;
  /** When it began: what the culprit had taken by then, and what the thread had waited for a core. */
  busyBeforeMs: number;
  delayBeforeMs: number;
}

export class Starvation implements Rule {
  private readonly lates = new Map<Taker, Late>();
  /** Who took most of this turn, and of the one before. */
  private top: Taker | null = null;
  private topBefore: Taker | null = null;
  // How long the thread had waited for a core: as last read, and as read before that, which covers the turn before.
  private delayMs = 0;
  private delayMsBefore = 0;
  private delayReadMs = -Infinity;
  /** The turn in which it was asked for last, unless an item has run since that took time; and what it was. */
  private delayTurn = -1;
  private delayNowMs = 0;
  private intakesAtWait = 0;
  private readonly spinning: Spinning;

  constructor(private readonly scene: Scene) {
    this.spinning = new Spinning(scene);
  }

  turnBegin(): void {
    this.topBefore = this.top;
    this.top = null;
    const { eyes, nowMs } = this.scene;
    if (eyes === null || nowMs - this.delayReadMs < DELAY_EVERY_MS) return;
    this.delayMsBefore = this.delayMs;
    this.delayMs = eyes.runDelayMs();
    this.delayReadMs = nowMs;
  }
  turnEnd(): void {
    this.spinning.turnEnd();
  }
  batch(tasks: number): void {
    this.spinning.batch(tasks);
  }

  waitBegin(timeoutMs: number, reason: TimeoutReason, queued: number): void {
    const { scene } = this;
    this.spinning.waitBegin(timeoutMs, reason, queued);
    if (!scene.isRaw || scene.waits === 0) return;
    // A raw Poller: what the program did since its last wait is one piece.
    const forMs = scene.nowMs - scene.waitEndMs;
    const intakes = scene.intakes - this.intakesAtWait;
    this.flood(null, forMs, intakes);
  }
  waitEnd(): void {
    this.intakesAtWait = this.scene.intakes;
  }

  itemBegin(item: RunningItem): void {
    const lateMs = item.beganMs - item.dueMs;
    if (lateMs < PIECE_LATE_MS) return;
    const { top, topBefore } = this;
    const { taker } = item;
    const { turn } = this.scene;
    let culprit: Taker | null = null;
    let itsMs = 0;
    for (const one of [top, topBefore]) {
      if (one === null || one === taker || one.isHosts) continue;
      // What is due since the last wait has nothing to do with the turn before; a timer may have been due in it.
      const before = item.kind === 'timer' ? (one.turn === turn ? one.turnMsBefore : one.turnMs) : 0;
      const ms = (one.turn === turn ? one.turnMs : 0) + before;
      if (ms > itsMs) [culprit, itsMs] = [one, ms];
    }
    if (culprit === null || itsMs < lateMs * BLAME_MIN) return;
    // On a busy machine whoever runs most waits most for a core: so late the others would have been without that.
    const spreadMs = culprit.turnSpreadMs + culprit.turnSpreadMsBefore;
    const ownMs = itsMs - this.delayedMs(item.kind === 'timer') - spreadMs;
    const ownLateMs = Math.min(lateMs, ownMs);
    if (ownLateMs < PIECE_LATE_MS) return;
    this.late(culprit, ownLateMs, lateMs);
    if (lateMs >= BURST_MS && ownMs >= BURST_MS) this.burst(culprit, itsMs);
  }

  itemEnd({ taker, kind, beganMs, endMs, dueMs, intakesBefore }: RunningItem): void {
    const { scene } = this;
    const forMs = endMs - beganMs;
    if (taker.turn !== scene.turn) {
      taker.turnMsBefore = taker.turn === scene.turn - 1 ? taker.turnMs : 0;
      taker.turnItemsBefore = taker.turnItems;
      taker.turnSpreadMsBefore = taker.turn === scene.turn - 1 ? taker.turnSpreadMs : 0;
      taker.turnMs = taker.turnItems = taker.turnSpreadMs = 0;
      taker.turnDueMs = dueMs;
      taker.turn = scene.turn;
    }
    taker.turnMs += forMs;
    if (forMs >= ITEM_MS_MIN) this.delayTurn = -1;
    taker.busyMs += forMs;
    taker.items++;
    taker.turnItems++;
    if (kind === 'timer') taker.turnSpreadMs = dueMs - taker.turnDueMs;
    const { top } = this;
    if (top?.turn !== scene.turn || taker.turnMs > top.turnMs) this.top = taker;
    this.spinning.itemEnd(taker, kind);
    const intakes = scene.intakes - intakesBefore;
    if (!taker.isHosts) this.flood(taker, forMs, intakes);
  }

  /**
   * How long the thread may have waited for a core in this turn, and in the one before if that counts: that is nobody's doing
   * here. Rather too much than too little: also of the time before, and what the account may lag. Asked when somebody is late,
   * once for all that come late one after the other.
   */
  private delayedMs(sinceTurnBefore: boolean): number {
    const { eyes, turn } = this.scene;
    if (eyes === null) return 0;
    if (this.delayTurn !== turn) {
      this.delayTurn = turn;
      this.delayNowMs = eyes.runDelayMs();
    }
    const delayMs = this.delayNowMs - (sinceTurnBefore ? this.delayMsBefore : this.delayMs);
    return delayMs + Math.min(delayMs, LAG_MS);
  }

  private late(culprit: Taker, ownLateMs: number, lateMs: number): void {
    const { nowMs, turn } = this.scene;
    let late = this.lates.get(culprit);
    if (late === undefined || nowMs - late.lastMs > FORGET_MS) {
      late = {
        sinceMs: nowMs - lateMs,
        lastMs: nowMs,
        lastTurn: -1,
        turns: 0,
        items: 0,
        pieceTurns: 0,
        longestMs: 0,
        busyBeforeMs: culprit.busyMs - Math.min(lateMs, culprit.turnMs + culprit.turnMsBefore),
        delayBeforeMs: this.delayMsBefore,
      };
      if (this.lates.size >= LATES_MAX) this.forgetOld();
      this.lates.set(culprit, late);
    }
    const newTurn = late.lastTurn !== turn;
    late.lastTurn = turn;
    late.lastMs = nowMs;
    late.longestMs = Math.max(late.longestMs, lateMs);
    if (newTurn) late.pieceTurns++;
    if (ownLateMs >= LATE_MS) {
      late.items++;
      if (newTurn) late.turns++;
    }
    this.judge(culprit, late);
  }

  /** A handler of a connection that has gone would stay, and keep its connection. */
  private forgetOld(): void {
    for (const [taker, { lastMs }] of this.lates)
      if (this.scene.nowMs - lastMs > FORGET_MS) this.lates.delete(taker);
  }

  private judge(culprit: Taker, late: Late): void {
    const { scene } = this;
    const forMs = scene.nowMs - late.sinceMs;
    // Of the time in which the thread had a core, as if all waits for one had been in this handler.
    const delayMs = scene.eyes === null ? 0 : this.delayNowMs - late.delayBeforeMs;
    const share = (culprit.busyMs - late.busyBeforeMs - delayMs) / Math.max(forMs - delayMs, 1);
    const often = late.turns >= LATE_TURNS_MIN && share >= SHARE_MIN && forMs >= FOR_MS;
    const many = late.turns >= MANY_TURNS_MIN && late.items >= late.turns * MANY_PER_TURN_MIN;
    const pieces = late.pieceTurns >= PIECE_TURNS_MIN && share >= PIECE_SHARE_MIN && forMs >= PIECE_FOR_MS;
    if (!often && !many && !pieces) return;
    scene.report({
      class: 'starvation',
      severity: 'error',
      key: culprit.key,
      fd: culprit.fd,
      handler: culprit,
      sinceMs: late.sinceMs,
      message: `${nameOf(culprit)} takes ${Math.round(share * 100)}% of the loop's time: others were up to ${Math.round(late.longestMs)} ms late because of it`,
      evidence: {
        sharePercent: Math.round(share * 100),
        turnsWithLateItems: often || many ? late.turns : late.pieceTurns,
        lateItems: late.items,
        longestLateMs: Math.round(late.longestMs),
        forMs: Math.round(forMs),
      },
      remedy:
        'Do less in one call: cut the work into pieces of a few milliseconds and post() the next one, or hand it to an executor.',
    });
  }

  /** A crowd of items of one name, in this turn or the one before. */
  private burst(culprit: Taker, itsMs: number): void {
    const { turn, turnItems, turnItemsBefore } = culprit;
    const items = turn === this.scene.turn ? Math.max(turnItems, turnItemsBefore) : turnItems;
    if (items < BURST_ITEMS_MIN) return;
    this.scene.report({
      class: 'starvation',
      severity: 'error',
      key: culprit.key,
      fd: culprit.fd,
      handler: culprit,
      sinceMs: this.scene.nowMs - itsMs,
      message: `${items} times ${nameOf(culprit)} in one turn: the others waited ${Math.round(itsMs)} ms for that`,
      evidence: { itemsInOneTurn: items, forMs: Math.round(itsMs) },
      remedy:
        'Queue less at once: let each task post() the next, so that readinesses and timers have a turn in between; or hand ' +
        'the work to an executor.',
    });
  }

  /** What runs after a turn, in so many pieces: reactions that queue reactions, ticks that queue ticks. `delayMs`: without a core. */
  chain(handler: HandlerHint, forMs: number, delayMs: number, pieces: number): void {
    if (forMs - delayMs < CHAIN_MS) return;
    const { nowMs } = this.scene;
    this.scene.report({
      class: 'starvation',
      severity: 'error',
      key: `chain ${handler.name} ${handler.place?.file ?? ''}:${handler.place?.line ?? 0}`,
      fd: -1,
      handler,
      sinceMs: nowMs - forMs,
      message: `promises or nextTick went on for ${Math.round(forMs)} ms after a turn, in ${pieces} pieces and more that queued one another: nobody else had a turn`,
      evidence: { forMs: Math.round(forMs), pieces },
      remedy:
        'Let go on by reactor.post(), a timer or setImmediate(): a promise or a tick runs before anybody else has a turn.',
    });
  }

  private flood(taker: Taker | null, forMs: number, intakes: number): void {
    if (forMs < FLOOD_MS || intakes < FLOOD_INTAKES_MIN) return;
    const { eyes } = this.scene;
    // All that it waited for a core since this turn began; of a raw Poller, since the one before did, for the next begins now.
    const delayBeforeMs = taker === null ? this.delayMsBefore : this.delayMs;
    if (eyes !== null && forMs - (eyes.runDelayMs() - delayBeforeMs) < FLOOD_MS) return;
    this.scene.report({
      class: 'starvation',
      severity: 'error',
      key: `flood ${taker?.key ?? ''}`,
      fd: taker?.fd ?? -1,
      handler: taker,
      sinceMs: this.scene.nowMs - forMs,
      message: `${taker === null ? 'the program' : nameOf(taker)} went on for ${Math.round(forMs)} ms while ever more came (${intakes} system calls that gave something), and nobody else had a turn`,
      evidence: { forMs: Math.round(forMs), intakes },
      remedy:
        'Bound what one call reads or accepts (16 reads, 64 accepts): with a level trigger the rest is reported again; with an ' +
        'edge trigger post() a task that reads on.',
    });
  }
}

export function nameOf({ kind, name, fd }: Taker): string {
  if (kind === 'drain') return 'what runs after a turn (promises, nextTick)';
  const what =
    kind === 'readiness' ? `the handler of fd ${fd}` : kind === 'timer' ? 'the timer' : `the ${kind} task`;
  return name === '' ? what : `${what}, ${name},`;
}
