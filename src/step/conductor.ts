// What the reactors of a stepped program share: how far they may go, the breakpoints, and which of them is shown.

import { argumentError, busy } from '../errors.js';
import type { Step } from '../reactor/next.js';
import { checkCommand } from './check.js';
import type { Command, Condition, HeldState, Message } from './protocol.js';

type Mode =
  | { readonly kind: 'step'; left: number }
  | { readonly kind: 'turn' }
  | { readonly kind: 'until'; readonly condition: Condition }
  | { readonly kind: 'free' };

export type Change = Extract<Command, { do: 'drop' | 'move' | 'inject' }>;

/** Why a reactor is held. */
export interface Why {
  readonly reason: HeldState['reason'];
  readonly breakpoint: number;
}

/** What the conductor asks of one reactor. */
export interface Player {
  /** The item that it is held before. */
  readonly next: Step;
  /** Whether an item of it has thrown since it was last shown. */
  readonly threw: boolean;
  /** Which turn it was in when it was last let go. */
  readonly turnBefore: number;
  /** Tells the controller where it is held. `repeated`: it has been told before. */
  show(why: Why, repeated: boolean): void;
  change(command: Change): void;
  letGo(): void;
}

/**
 * One reactor at most is shown at a time. While it is, the others of the program are held at their next item, and wait to
 * be shown: the program stands still as a whole.
 */
export class Conductor {
  private mode: Mode = { kind: 'step', left: 1 };
  private pausing = false;
  readonly breakpoints = new Map<number, Condition>();
  private nextBreakpoint = 1;
  private shown: { readonly player: Player; readonly why: Why } | null = null;
  /** Held and not shown, first come first. */
  private readonly waiting: Player[] = [];
  /** Let go for one item, step by step: the others wait until it is run. */
  private running: Player | null = null;

  constructor(private readonly tell: (message: Message) => void) {}

  get holds(): boolean {
    return this.shown !== null;
  }

  /** Whether the player must wait before its next item. It is shown as soon as it is its turn to be. */
  arrive(player: Player): boolean {
    if (this.running === player) this.running = null;
    if (this.shown !== null) {
      this.waiting.push(player);
      return true;
    }
    const others = this.running !== null || this.waiting.length > 0;
    if (this.mode.kind === 'step' && others && !this.pausing) {
      this.waiting.push(player);
      this.advance(); // the others came first
      return true;
    }
    const why = this.why(player);
    if (why === null) {
      if (this.mode.kind === 'step') this.running = player;
      return false;
    }
    this.show(player, why);
    return true;
  }

  /** The player's turn has ended, or it is closed: it may not come back for long, and the next in line is due. */
  over(player: Player): void {
    const at = this.waiting.indexOf(player);
    if (at >= 0) this.waiting.splice(at, 1);
    if (this.running === player) this.running = null;
    if (this.shown?.player === player) this.shown = null;
    if (this.shown === null) this.advance();
  }

  /** Obeys one line of the controller, and tells it when that cannot be done. */
  obey(value: unknown): void {
    try {
      this.follow(checkCommand(value));
    } catch (error) {
      this.tell({ type: 'refused', message: (error as Error).message });
    }
  }

  private follow(command: Command): void {
    switch (command.do) {
      case 'pause':
        this.pausing = true;
        return;
      case 'break':
        this.breakpoints.set(this.nextBreakpoint++, command.condition);
        this.repeat();
        return;
      case 'unbreak':
        if (command.number === undefined) this.breakpoints.clear();
        else if (!this.breakpoints.delete(command.number)) {
          throw argumentError('number', 'that of a breakpoint', command.number);
        }
        this.repeat();
        return;
      case 'back':
      case 'goto':
        throw busy('a program cannot go back by itself: whoever controls a replay begins it anew');
      case 'drop':
      case 'move':
      case 'inject':
        if (this.shown === null) throw busy('the program runs: pause it first');
        this.shown.player.change(command);
        this.repeat();
        return;
      case 'step':
        this.go({ kind: 'step', left: command.count });
        return;
      case 'turn':
        this.go({ kind: 'turn' });
        return;
      case 'until':
        this.go({ kind: 'until', condition: command.condition });
        return;
      case 'continue':
        this.go({ kind: 'free' });
    }
  }

  private repeat(): void {
    this.shown?.player.show(this.shown.why, true);
  }

  private show(player: Player, why: Why): void {
    this.shown = { player, why };
    player.show(why, false);
  }

  private go(mode: Mode): void {
    const { shown } = this;
    this.mode = mode;
    this.pausing = false;
    this.shown = null;
    if (mode.kind !== 'step') this.running = null;
    else if (shown !== null) this.running = shown.player;
    shown?.player.letGo();
    this.advance();
  }

  /** Looks at those that wait: each is let go, or shown and the rest wait on. Step by step only one runs at a time. */
  private advance(): void {
    while (this.mode.kind !== 'step' || this.running === null) {
      const player = this.waiting.shift();
      if (player === undefined) return;
      const why = this.why(player);
      if (why !== null) {
        this.show(player, why);
        return;
      }
      if (this.mode.kind === 'step') this.running = player;
      player.letGo();
    }
  }

  /** Whether to hold before this item, and why. In step mode this counts: one of the items asked for has been run. */
  private why(player: Player): Why | null {
    const { mode, pausing, breakpoints } = this;
    if (mode.kind === 'step') mode.left--;
    if (pausing) return { reason: 'pause', breakpoint: 0 };
    for (const [number, condition] of breakpoints) {
      if (meets(player, condition)) return { reason: 'breakpoint', breakpoint: number };
    }
    switch (mode.kind) {
      case 'step':
        return mode.left <= 0 ? { reason: 'step', breakpoint: 0 } : null;
      case 'turn':
        return player.next.turn === player.turnBefore ? null : { reason: 'turn', breakpoint: 0 };
      case 'until':
        return meets(player, mode.condition) ? { reason: 'condition', breakpoint: 0 } : null;
      case 'free':
        return null;
    }
  }
}

function meets({ next, threw }: Player, { fd, kind, handler, readiness, error }: Condition): boolean {
  return (
    (fd === undefined || next.fd === fd) &&
    (kind === undefined || next.kind === kind) &&
    (handler === undefined || next.name.includes(handler)) &&
    (readiness === undefined || (next.readiness & readiness) !== 0) &&
    (error !== true || threw)
  );
}
