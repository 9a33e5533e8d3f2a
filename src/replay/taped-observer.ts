// An observer that puts what a reactor does on a tape: so a difference is found where it happens, and not where it is felt.

import type { ItemKind, ObservedReactor } from '../reactor/observer.js';
import { SilentObserver, itemName } from '../reactor/observer.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Task } from '../reactor/run-queue.js';
import type { Timer } from '../reactor/timer-heap.js';
import { kindNumber, messageOf } from '../trace/encode.js';
import { itemWords } from './describe.js';
import { OP } from './format.js';
import { stateHash } from './state.js';
import type { AnyTape } from './taped-call.js';

/** The whole state is hashed at the end of a turn after so many events at least... */
const STATE_EVENTS = 20_000;
/** ...and after so many for each thing in it: a state of a million connections takes a while. */
const EVENTS_PER_PART = 40;

/** All reactors of a recorded or replayed program, in the order in which they were made. */
export class Reactors {
  readonly all: (Reactor | null)[] = [];
  private lastStateEvent = 0;
  private lastParts = 0;

  constructor(readonly tape: AnyTape) {}

  observer(): TapedObserver {
    return new TapedObserver(this);
  }

  indexOf(reactor: Reactor): number {
    return this.all.indexOf(reactor);
  }

  /** Of everything that is there now. */
  hash(): string {
    const { hash, parts } = stateHash(this.all, this.tape.written);
    this.lastParts = parts;
    return hash;
  }

  /** Puts the whole state on the tape, if that is due. */
  checkState(): void {
    const { tape } = this;
    if (tape.events - this.lastStateEvent < Math.max(STATE_EVENTS, this.lastParts * EVENTS_PER_PART)) return;
    this.lastStateEvent = tape.events;
    tape.open(OP.state);
    tape.putText(this.hash());
    tape.closeChecked();
  }
}

const timerNumber = (item: Task | Timer): number =>
  typeof item === 'object' && 'sequence' in item && typeof item.sequence === 'number' ? item.sequence : -1;

/** Of one reactor. What is about another than the last entry says so first. */
export class TapedObserver extends SilentObserver {
  private reactor: Reactor | null = null;
  private index = -1;
  private kind: ItemKind = 'posted';
  private name = '';
  private fd = -1;
  private ready = 0;
  private readonly inWords = (): string => itemWords(this.kind, this.fd, this.ready, this.name);

  constructor(private readonly reactors: Reactors) {
    super();
  }

  private open(op: number): boolean {
    const { tape } = this.reactors;
    if (!tape.live || tape.aside) return false;
    if (tape.reactor !== this.index) {
      tape.reactor = this.index;
      tape.open(OP.reactor);
      tape.putInt(this.index);
      tape.closeChecked();
    }
    tape.open(op);
    return true;
  }

  override reactorOpened(observed: ObservedReactor): void {
    const { all, tape } = this.reactors;
    this.reactor = observed as unknown as Reactor;
    this.index = tape.reactor = all.push(this.reactor) - 1;
    if (!tape.live) return;
    tape.open(OP.reactorOpened);
    tape.putInt(this.index);
    tape.putName(observed.poller.kind);
    tape.closeChecked();
  }
  override reactorClosed(): void {
    if (this.open(OP.reactorClosed)) this.reactors.tape.closeChecked();
    this.reactors.all[this.index] = null;
  }

  override turnBegin(turn: number): void {
    if (!this.open(OP.turnBegin)) return;
    const { tape } = this.reactors;
    if (tape.replaying) tape.turn = turn;
    tape.putInt(turn);
    tape.closeChecked();
  }

  override turnEnd(turn: number): void {
    const { reactor } = this;
    if (reactor === null || !this.open(OP.turnEnd)) return;
    const { tape } = this.reactors;
    const { registry, timers, queues } = reactor;
    tape.putInt(turn);
    tape.putInt(registry.size);
    tape.putInt(timers.size);
    for (const queue of queues) tape.putInt(queue.length);
    tape.putWord(tape.written.a);
    tape.closeChecked();
    this.reactors.checkState();
  }

  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    if (!this.open(OP.item)) return;
    const { tape } = this.reactors;
    this.kind = kind;
    this.name = itemName(item);
    this.fd = fd;
    this.ready = readiness;
    if (tape.replaying) tape.item = null; // until it is known to be the recorded one
    tape.putInt(kindNumber(kind));
    tape.putInt(fd);
    tape.putInt(readiness);
    tape.putInt(kind === 'timer' ? timerNumber(item) : -1);
    tape.putName(this.name);
    tape.closeChecked();
    if (tape.replaying) tape.item = this.inWords;
  }
  override itemEnd(): void {
    if (!this.open(OP.itemEnd)) return;
    const { tape } = this.reactors;
    tape.closeChecked();
    if (tape.replaying) tape.item = null;
  }

  override stale(slot: number, generation: number, readiness: number): void {
    if (!this.open(OP.stale)) return;
    const { tape } = this.reactors;
    tape.putInt(slot);
    tape.putInt(generation);
    tape.putInt(readiness);
    tape.closeChecked();
  }

  override timerSet(timer: Timer): void {
    if (!this.open(OP.timerSet)) return;
    const { tape } = this.reactors;
    tape.putInt(timer.sequence);
    tape.putNumber(timer.deadlineMs);
    tape.putName(timer.name);
    tape.closeChecked();
  }
  override timerCancelled(timer: Timer): void {
    if (!this.open(OP.timerCancelled)) return;
    this.reactors.tape.putInt(timer.sequence);
    this.reactors.tape.closeChecked();
  }

  override queued(kind: ItemKind, task: Task): void {
    if (!this.open(OP.queued)) return;
    this.reactors.tape.putInt(kindNumber(kind));
    this.reactors.tape.putName(itemName(task));
    this.reactors.tape.closeChecked();
  }
  override resumed(what: string): void {
    if (!this.open(OP.resumed)) return;
    this.reactors.tape.putName(what);
    this.reactors.tape.closeChecked();
  }
  override error(error: unknown, kind: ItemKind): void {
    if (!this.open(OP.error)) return;
    this.reactors.tape.putInt(kindNumber(kind));
    this.reactors.tape.putText(messageOf(error));
    this.reactors.tape.closeChecked();
  }
}
