// Runs within the stepped program, loaded before it: gives each of its reactors a stepper, and obeys the controller.
// node --import dist/step/inside.js SCRIPT, with the controller's socket as descriptor 3

import { Socket } from 'node:net';
import { setInstrument, both } from '../reactor/instrument.js';
import type { Held, Stepper } from '../reactor/hold.js';
import { EDGE, ONESHOT } from '../poller/poller.js';
import { itemName, type Observer } from '../reactor/observer.js';
import type { Step } from '../reactor/next.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import { startLifeline } from '../workload/process.js';
import { EventKeeper } from './events.js';
import {
  CONTROL_FD,
  LIFELINE_FD,
  LineReader,
  encode,
  type BelievedInterest,
  type Command,
  type Condition,
  type HeldState,
  type Message,
} from './protocol.js';
import { SourceFinder } from './source.js';

/** Of a held state only so much is told: a million registrations do not fit on a screen. */
const NEXT_MAX = 64;
const REGISTRY_MAX = 512;
const TIMERS_MAX = 16;
/** How often a program that runs freely says where it is. */
const BEAT_MS = 100;

type Mode =
  | { readonly kind: 'step'; left: number }
  | { readonly kind: 'turn'; readonly turn: number }
  | { readonly kind: 'until'; readonly condition: Condition }
  | { readonly kind: 'free' };

/** What all reactors of the program share: the socket, the mode, the breakpoints. */
class Inside {
  mode: Mode = { kind: 'step', left: 1 };
  pausing = false;
  readonly breakpoints = new Map<number, Condition>();
  readonly sources = new SourceFinder();
  private readonly socket = new Socket({ fd: CONTROL_FD, readable: true, writable: true });
  private readonly puppets: Puppet[] = [];
  private nextBreakpoint = 1;

  constructor() {
    const lines = new LineReader((line) => this.obey(line as Command));
    this.socket.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    // Nobody is left to let a held reactor go.
    this.socket.on('error', () => process.exit(1)).on('end', () => process.exit(1));
    this.socket.unref();
    this.tell({ type: 'hello', pid: process.pid, version: process.version });
    setInstrument((options) => {
      const puppet = new Puppet(this, this.puppets.length + 1);
      this.puppets.push(puppet);
      const observer: Observer = options.observer === undefined ? puppet : both(puppet, options.observer);
      return { observer, stepper: options.stepper ?? puppet };
    });
  }

  tell(message: Message): void {
    this.socket.write(encode(message));
  }
  /** A held reactor is nobody's business but ours: this alone keeps the process alive then. */
  keepAlive(held: boolean): void {
    if (held) this.socket.ref();
    else if (this.puppets.every((puppet) => !puppet.isHeld)) this.socket.unref();
  }

  private obey(command: Command): void {
    const held = this.puppets.find((puppet) => puppet.isHeld);
    try {
      switch (command.do) {
        case 'pause':
          this.pausing = true;
          return;
        case 'break':
          this.breakpoints.set(this.nextBreakpoint++, command.condition);
          return;
        case 'unbreak':
          if (command.number === undefined) this.breakpoints.clear();
          else this.breakpoints.delete(command.number);
          return;
        case 'drop':
        case 'move':
        case 'inject':
          if (held === undefined) throw new Error('the program runs: pause it first');
          held.change(command);
          return;
        case 'step':
          this.go({ kind: 'step', left: command.count });
          return;
        case 'turn':
          this.go({ kind: 'turn', turn: held?.turn ?? 0 });
          return;
        case 'until':
          this.go({ kind: 'until', condition: command.condition });
          return;
        case 'continue':
          this.go({ kind: 'free' });
      }
    } catch (error) {
      this.tell({ type: 'refused', message: (error as Error).message });
    }
  }

  private go(mode: Mode): void {
    this.mode = mode;
    this.pausing = false;
    for (const puppet of this.puppets) puppet.release();
  }
}

/** Stepper and observer of one reactor. */
class Puppet extends EventKeeper implements Stepper {
  private reactor: Reactor | null = null;
  private held: Held | null = null;
  private letGo: (() => void) | null = null;
  private beatMs = 0;

  constructor(
    private readonly inside: Inside,
    private readonly number: number,
  ) {
    super();
  }

  get isHeld(): boolean {
    return this.letGo !== null;
  }
  get turn(): number {
    return this.reactor?.turnNumber ?? 0;
  }

  override reactorOpened(reactor: unknown): void {
    this.reactor = reactor as Reactor;
    const { poller } = this.reactor;
    this.inside.tell({ type: 'opened', reactor: this.number, poller: poller.kind, pollerFd: poller.fd });
  }
  override reactorClosed(): void {
    this.inside.tell({ type: 'closed', reactor: this.number });
    this.release();
  }

  hold(held: Held): void | Promise<void> {
    const next = held.peek(1).at(0);
    if (next === undefined) return;
    const why = this.why(next);
    if (why === null) {
      this.beat(next);
      return;
    }
    this.held = held;
    this.tellState(why.reason, why.breakpoint);
    this.threw = false;
    return new Promise((resolve) => {
      this.letGo = resolve;
      this.inside.keepAlive(true);
    });
  }

  release(): void {
    const { letGo } = this;
    this.letGo = this.held = null;
    this.inside.keepAlive(false);
    letGo?.();
  }

  change(command: Extract<Command, { do: 'drop' | 'move' | 'inject' }>): void {
    const { held } = this;
    if (held === null) return;
    if (command.do === 'drop') held.drop(command.index);
    else if (command.do === 'move') held.move(command.from, command.to);
    else held.inject(command.call, command.result, command.fd);
    this.tellState('step', 0);
  }

  /** Whether to hold before this item, and why. */
  private why(next: Step): { reason: HeldState['reason']; breakpoint: number } | null {
    const { mode, pausing, breakpoints } = this.inside;
    if (pausing) return { reason: 'pause', breakpoint: 0 };
    for (const [number, condition] of breakpoints) {
      if (this.holds(condition, next)) return { reason: 'breakpoint', breakpoint: number };
    }
    switch (mode.kind) {
      case 'step':
        return --mode.left <= 0 ? { reason: 'step', breakpoint: 0 } : null;
      case 'turn':
        return next.turn === mode.turn ? null : { reason: 'turn', breakpoint: 0 };
      case 'until':
        return this.holds(mode.condition, next) ? { reason: 'condition', breakpoint: 0 } : null;
      case 'free':
        return null;
    }
  }

  private holds({ fd, kind, handler, readiness, error }: Condition, next: Step): boolean {
    return (
      (fd === undefined || next.fd === fd) &&
      (kind === undefined || next.kind === kind) &&
      (handler === undefined || next.name.includes(handler)) &&
      (readiness === undefined || (next.readiness & readiness) !== 0) &&
      (error !== true || this.threw)
    );
  }

  private beat(next: Step): void {
    const nowMs = performance.now();
    if (nowMs - this.beatMs < BEAT_MS) return;
    this.beatMs = nowMs;
    this.inside.tell({
      type: 'beat',
      reactor: this.number,
      turn: next.turn,
      items: this.items,
      name: next.name,
    });
  }

  private tellState(reason: HeldState['reason'], breakpoint: number): void {
    const { reactor, held, inside } = this;
    if (reactor === null || held === null) return;
    const steps = held.peek(NEXT_MAX);
    const { registry, poller, queues, timers } = reactor;
    const [posted, deferred, closed] = queues.map((queue) => queue.length - queue.left);
    const nowMs = reactor.now();
    inside.tell({
      type: 'held',
      reactor: this.number,
      reason,
      breakpoint,
      turn: reactor.turnNumber,
      poller: poller.kind,
      pollerFd: poller.fd,
      next: steps.map(({ kind, fd, readiness, name, stale }) => ({ kind, fd, readiness, name, stale })),
      left: reactor.batchLeft,
      registry: believed(reactor),
      registrySize: registry.size,
      timers: timers.soonest(TIMERS_MAX).map(({ deadlineMs, name }) => ({ inMs: deadlineMs - nowMs, name })),
      timerCount: timers.size,
      queues: { posted, deferred, closed },
      ...this.take(),
      source: inside.sources.find(handlerOf(steps.at(0))),
      breakpoints: [...inside.breakpoints].map(([number, condition]) => ({ number, condition })),
    });
  }
}

function believed({ registry }: Reactor): BelievedInterest[] {
  const list: BelievedInterest[] = [];
  for (const slot of registry.slots()) {
    const source = registry.source(slot);
    if (source === null) continue;
    if (list.push(describe(registry, slot, source)) === REGISTRY_MAX) break;
  }
  return list;
}

function describe(registry: Reactor['registry'], slot: number, source: Source): BelievedInterest {
  const flags = registry.trigger(slot);
  const words = [...((flags & EDGE) !== 0 ? ['edge'] : []), ...((flags & ONESHOT) !== 0 ? ['oneshot'] : [])];
  return {
    fd: registry.fd(slot),
    slot,
    generation: registry.generation(slot),
    interest: registry.interest(slot),
    trigger: words.join('-') || 'level',
    referenced: registry.isReferenced(slot),
    name: itemName(source),
  };
}

/** The function of the program's that this item will call. */
function handlerOf(step: Step | undefined): unknown {
  const task = step?.task;
  if (step === undefined || task === null || task === undefined) return null;
  return typeof task === 'function' ? task : task.handlerFor?.(step.readiness);
}

startLifeline(LIFELINE_FD);
new Inside();
