// The rules over one loop: keeps the scene that they share, and hands on to each what it wants to hear.

import type { InterestChange, ItemKind, TimeoutReason } from '../reactor/observer.js';
import type { BlockedSpan } from './blocked/index.js';
import type { Eyes } from './eyes.js';
import type { Draft, HandlerHint } from './finding.js';
import type { Rule } from './rule.js';
import { AcceptEmfile } from './rules/accept-emfile.js';
import { BLOCKED_MS, BlockedHandler } from './rules/blocked-handler.js';
import { EdgeNotDrained } from './rules/edge-not-drained.js';
import { StaleReadiness } from './rules/stale-readiness.js';
import { Starvation } from './rules/starvation.js';
import { UnboundedWriteQueue } from './rules/unbounded-write-queue.js';
import { WriteInterestLeftOn } from './rules/write-interest.js';
import type { Taker } from './scene.js';
import { NOBODY, Registration, RunningItem, Scene } from './scene.js';

/** Between two ticks of the rules, at least. */
export const TICK_MS = 50;

export interface DiagnosisOptions {
  /** `epoll`, `poll`, ... */
  readonly poller: string;
  /** The poller's own descriptor; -1: it has none. */
  readonly pollerFd: number;
  /** A `Poller` of the program's, without a reactor. */
  readonly isRaw: boolean;
  /** Null over a trace. */
  readonly eyes: Eyes | null;
  readonly report: (draft: Draft) => void;
  /** See {@link Scene.caller}. */
  readonly caller?: Scene['caller'] | undefined;
  readonly blockedMs?: number;
}

type Listener<Name extends keyof Rule> = Rule & Required<Pick<Rule, Name>>;

/** Those rules that have a method of this name. */
function having<Name extends keyof Rule>(rules: readonly Rule[], name: Name): Listener<Name>[] {
  return rules.filter((rule): rule is Listener<Name> => rule[name] !== undefined);
}

const READS = new Set(['recv', 'read', 'receiveDatagrams']);
const WRITES = new Set(['send', 'sendBytes', 'sendPieces', 'write', 'writePieces', 'sendDatagrams']);

export class Diagnosis {
  readonly scene: Scene;
  readonly blocked: BlockedHandler;
  private readonly edge: EdgeNotDrained;
  private readonly starvation: Starvation;
  private readonly item = new RunningItem();
  private tickMs = -Infinity;
  private over = false;
  private heardAccept = -1;

  private readonly all: readonly Rule[];
  private readonly onTurnBegin: Listener<'turnBegin'>[];
  private readonly onTurnEnd: Listener<'turnEnd'>[];
  private readonly onWaitBegin: Listener<'waitBegin'>[];
  private readonly onWaitEnd: Listener<'waitEnd'>[];
  private readonly onReadiness: Listener<'readiness'>[];
  private readonly onItemBegin: Listener<'itemBegin'>[];
  private readonly onItemEnd: Listener<'itemEnd'>[];
  private readonly onBatch: Listener<'batch'>[];
  private readonly onCall: Listener<'call'>[];
  private readonly onRead: Listener<'read'>[];
  private readonly onWrote: Listener<'wrote'>[];
  private readonly onTick: Listener<'tick'>[];

  constructor({ poller, pollerFd, isRaw, eyes, report, caller, blockedMs = BLOCKED_MS }: DiagnosisOptions) {
    const scene = new Scene(poller, pollerFd, isRaw, eyes, report, caller);
    this.scene = scene;
    this.edge = new EdgeNotDrained(scene);
    this.starvation = new Starvation(scene);
    this.blocked = new BlockedHandler(scene, blockedMs);
    this.all = [
      this.edge,
      new WriteInterestLeftOn(scene),
      this.starvation,
      new AcceptEmfile(scene),
      this.blocked,
      new UnboundedWriteQueue(scene),
      new StaleReadiness(scene, eyes === null ? null : { kind: poller, fd: pollerFd }),
    ];
    this.onTurnBegin = having(this.all, 'turnBegin');
    this.onTurnEnd = having(this.all, 'turnEnd');
    this.onWaitBegin = having(this.all, 'waitBegin');
    this.onWaitEnd = having(this.all, 'waitEnd');
    this.onReadiness = having(this.all, 'readiness');
    this.onItemBegin = having(this.all, 'itemBegin');
    this.onItemEnd = having(this.all, 'itemEnd');
    this.onBatch = having(this.all, 'batch');
    this.onCall = having(this.all, 'call');
    this.onRead = having(this.all, 'read');
    this.onWrote = having(this.all, 'wrote');
    this.onTick = having(this.all, 'tick');
  }

  /** An edge left data behind, perhaps: somebody must look again soon, also while the loop sleeps. */
  get suspects(): boolean {
    return this.edge.suspects;
  }

  setTime(nowMs: number): void {
    if (nowMs > this.scene.nowMs) this.scene.nowMs = nowMs;
  }

  begin(nowMs: number): void {
    this.scene.nowMs = this.scene.beganMs = nowMs;
  }

  // ---- Registrations --------------------------------------------------------------------------------------

  added(
    fd: number,
    interest: number,
    slot: number,
    generation: number,
    about: { trigger: number; isRaw: boolean; taker: Taker; source: object | null },
  ): void {
    const { scene } = this;
    const { trigger, isRaw, taker, source } = about;
    const registration = new Registration(slot, generation, fd, interest, trigger, isRaw, taker, source);
    const before = scene.byFd.get(fd) ?? null;
    if (before !== null) this.forget(before);
    scene.bySlot[slot] = registration;
    scene.byFd.set(fd, registration);
    for (const rule of this.all) rule.added?.(registration, before);
  }

  changed(change: InterestChange, interest: number, slot: number, generation: number): void {
    const registration = this.scene.registration(slot, generation);
    if (registration === null) return;
    if (change === 'remove') {
      this.forget(registration);
      return;
    }
    registration.interest = interest;
    registration.rearmed = true;
    for (const rule of this.all) rule.changed?.(registration);
  }

  private forget(registration: Registration): void {
    const { scene } = this;
    registration.gone = true;
    registration.goneAtWait = scene.waits;
    if (scene.bySlot[registration.slot] === registration) scene.bySlot[registration.slot] = undefined;
    if (scene.byFd.get(registration.fd) === registration) scene.byFd.delete(registration.fd);
    for (const rule of this.all) rule.removed?.(registration);
  }

  // ---- Turns ----------------------------------------------------------------------------------------------

  turnBegin(turn: number): void {
    this.scene.turn = turn;
    for (const rule of this.onTurnBegin) rule.turnBegin();
    this.tick();
  }
  turnEnd(): void {
    for (const rule of this.onTurnEnd) rule.turnEnd();
  }
  waitBegin(timeoutMs: number, reason: TimeoutReason, queued: number): void {
    for (const rule of this.onWaitBegin) rule.waitBegin(timeoutMs, reason, queued);
    this.scene.waits++;
  }
  waitEnd(events: number): void {
    this.scene.waitEndMs = this.scene.nowMs;
    for (const rule of this.onWaitEnd) rule.waitEnd(events);
  }
  readiness(readiness: number, slot: number, generation: number): void {
    const registration = this.scene.registration(slot, generation);
    for (const rule of this.onReadiness) rule.readiness(registration, readiness, slot, generation);
  }
  stale(slot: number, generation: number, readiness: number): void {
    for (const rule of this.all) rule.stale?.(slot, generation, readiness);
  }
  batch(tasks: number): void {
    for (const rule of this.onBatch) rule.batch(tasks);
  }

  // ---- Items ----------------------------------------------------------------------------------------------

  /** `registration`: of a readiness. `dueMs`: when it could have run at the earliest. */
  itemBegin(
    kind: ItemKind | 'drain',
    taker: Taker,
    registration: Registration | null,
    readiness: number,
    dueMs: number,
  ): void {
    const { item, scene } = this;
    item.kind = kind;
    item.taker = taker;
    item.registration = registration;
    item.readiness = readiness;
    item.beganMs = scene.nowMs;
    item.dueMs = dueMs;
    item.intakesBefore = scene.intakes;
    scene.running = item;
    for (const rule of this.onItemBegin) rule.itemBegin(item);
  }
  itemEnd(): void {
    const { item, scene } = this;
    item.endMs = scene.nowMs;
    for (const rule of this.onItemEnd) rule.itemEnd(item);
    scene.running = null;
    item.taker = NOBODY;
    item.registration = null;
  }

  // ---- What is done with descriptors ----------------------------------------------------------------------

  /** An accept that the native kernel was asked for: of a reactor's own kernel it is told once more, by call(). */
  accepted(fd: number, result: number): void {
    this.heardAccept = -1;
    this.call('accept', fd, result);
    this.heardAccept = fd;
  }
  call(name: string, fd: number, result: number): void {
    if (name === 'accept' && fd === this.heardAccept) {
      this.heardAccept = -1;
      return;
    }
    for (const rule of this.onCall) rule.call(name, fd, result);
    if (result < 0) return;
    if (READS.has(name)) this.read(fd, result);
    else if (WRITES.has(name)) this.wrote(fd, result);
    else if (name === 'accept') {
      this.scene.transfers++;
      this.scene.intakes++;
    }
  }
  read(fd: number, count: number): void {
    if (count > 0) {
      this.scene.transfers++;
      this.scene.intakes++;
    }
    for (const rule of this.onRead) rule.read(fd, count);
  }
  wrote(fd: number, count: number): void {
    if (count > 0) this.scene.transfers++;
    for (const rule of this.onWrote) rule.wrote(fd, count);
  }
  closing(fd: number): void {
    for (const rule of this.all) rule.closing?.(fd);
  }
  netWrite(connection: object, fd: number, given: number, taken: number, queuedBefore: number): void {
    for (const rule of this.all) rule.netWrite?.(connection, fd, given, taken, queuedBefore);
  }
  blockedSpan(span: BlockedSpan, handler: HandlerHint, sinceMs: number): void {
    this.blocked.span(span, handler, sinceMs);
  }

  /** Of a drain that took long: how much of that it waited for a core, and in how many pieces it ran. */
  chain(handler: HandlerHint, forMs: number, delayMs: number, pieces: number): void {
    this.starvation.chain(handler, forMs, delayMs, pieces);
  }

  tick(): void {
    const { nowMs } = this.scene;
    if (nowMs - this.tickMs < TICK_MS || this.over) return;
    this.tickMs = nowMs;
    for (const rule of this.onTick) rule.tick();
  }

  /** What is suspected is decided now. Idempotent. */
  finish(): void {
    if (this.over) return;
    this.over = true;
    for (const rule of this.all) rule.finish?.();
  }
}
