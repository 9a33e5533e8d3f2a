// Stepper and observer of one reactor of a stepped program: holds it when the conductor says so, and tells what it does.

import type { Held, Stepper } from '../reactor/hold.js';
import type { Step } from '../reactor/next.js';
import { itemName, type ItemKind, type ObservedReactor } from '../reactor/observer.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Task } from '../reactor/run-queue.js';
import type { Timer } from '../reactor/timer-heap.js';
import type { Change, Conductor, Player, Why } from './conductor.js';
import { EventKeeper, short } from './events.js';
import type { HeldState, Message } from './protocol.js';
import type { SourceFinder } from './source.js';
import { handlerOf, look } from './state.js';

/** The runtime's own clock, whatever a replay puts in its place. */
const now = performance.now.bind(performance);

/** How often a program that runs freely says where it is. */
const BEAT_MS = 100;

/** What all puppets share. */
export interface Stage {
  readonly conductor: Conductor;
  readonly sources: Pick<SourceFinder, 'find'>;
  /** Of a replay: where it is. */
  readonly replay?: () => NonNullable<HeldState['replay']>;
  tell(message: Message): void;
  /** The controller has not read what it was told before: tell it no more than it must know. */
  readonly congested: boolean;
  /** Some reactor is held, or none is any more: that alone keeps the process alive then. */
  keepAlive(): void;
  gone(puppet: Puppet): void;
}

export class Puppet extends EventKeeper implements Stepper, Player {
  /** Of this copy of the package, or of the program's own. */
  private reactor: Reactor | null = null;
  private held: Held | null = null;
  private settle: (() => void) | null = null;
  private beatMs = 0;
  /** The program turns the reactor itself, or steps it itself: nobody can hold it. */
  private unheld: 'turn' | 'stepper' | null = null;
  private itemsTold = 0;
  turnBefore = 0;

  constructor(
    readonly stage: Stage,
    readonly number: number,
    /** The program has given a stepper of its own. */
    private readonly otherStepper: boolean,
  ) {
    super();
  }

  get isHeld(): boolean {
    return this.settle !== null;
  }
  get next(): Step {
    return (this.held as Held).peek(1)[0];
  }

  override reactorOpened(observed: ObservedReactor): void {
    super.reactorOpened(observed);
    this.reactor = observed as unknown as Reactor;
    const { poller } = observed;
    this.stage.tell({ type: 'opened', reactor: this.number, poller: poller.kind, pollerFd: poller.fd });
    if (this.otherStepper) this.unheld = 'stepper';
  }
  override reactorClosed(): void {
    this.tellRest();
    this.stage.tell({ type: 'closed', reactor: this.number });
    this.stage.gone(this);
    this.stage.conductor.over(this);
    this.letGo();
  }
  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    super.itemBegin(kind, item, fd, readiness);
    // Nobody is asked before the items of a turn() of the program's own, when it has no stepper of ours to ask.
    if (this.unheld !== null) this.beat(itemName(item), this.reactor?.turnNumber ?? 0);
  }
  override turnEnd(turn: number): void {
    super.turnEnd(turn);
    this.stage.conductor.over(this);
    if (this.unheld !== null) this.tellTraced(this.unheld);
  }

  hold(held: Held): void | Promise<void> {
    const { reactor, stage } = this;
    const next = held.peek(1).at(0);
    if (next === undefined || reactor === null) return;
    // Only run() can wait for us. The program is inside a turn() of its own: it is told of, and not held.
    this.unheld = reactor.finish === null ? 'turn' : null;
    if (this.unheld !== null) return;
    this.held = held;
    const waiting = new Promise<void>((resolve) => (this.settle = resolve));
    if (!stage.conductor.arrive(this)) {
      this.held = this.settle = null;
      this.beat(next.name, next.turn);
      return;
    }
    stage.keepAlive();
    return waiting;
  }

  letGo(): void {
    const { settle } = this;
    this.turnBefore = this.reactor?.turnNumber ?? 0;
    this.settle = this.held = null;
    this.stage.keepAlive();
    settle?.();
  }

  change(command: Change): void {
    const { held } = this;
    if (held === null) return;
    if (command.do === 'drop') held.drop(command.index);
    else if (command.do === 'move') held.move(command.from, command.to);
    else held.inject(command.call, command.result, command.fd);
  }

  show({ reason, breakpoint }: Why, repeated: boolean): void {
    const { reactor, held, stage } = this;
    if (reactor === null || held === null) return;
    const { seen, first } = look(reactor, held);
    this.itemsTold = this.items;
    this.threw = false;
    stage.tell({
      type: 'held',
      reactor: this.number,
      reason,
      repeated,
      breakpoint,
      ...seen,
      ...this.take(),
      source: stage.sources.find(handlerOf(first)),
      ...(stage.replay !== undefined && { replay: stage.replay() }),
      breakpoints: [...stage.conductor.breakpoints].map(([number, condition]) => ({ number, condition })),
    });
  }

  /** What has happened and was not told: before the reactor or the program ends. */
  tellRest(): void {
    if (this.kept === 0) return;
    this.stage.tell({ type: 'traced', reactor: this.number, reason: 'end', ...this.take() });
  }

  /** Turns that have run something. A controller that does not keep up gets the newest of them later. */
  private tellTraced(reason: 'turn' | 'stepper'): void {
    if (this.items === this.itemsTold || this.stage.congested) return;
    this.itemsTold = this.items;
    this.stage.tell({ type: 'traced', reactor: this.number, reason, ...this.take() });
  }

  private beat(name: string, turn: number): void {
    const nowMs = now();
    if (nowMs - this.beatMs < BEAT_MS || this.stage.congested) return;
    this.beatMs = nowMs;
    this.stage.tell({ type: 'beat', reactor: this.number, turn, items: this.items, name: short(name) });
  }
}
