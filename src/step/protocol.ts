// What the controller and the stepped program say to each other: lines of JSON over one socket.

import type { ItemKind } from '../reactor/observer.js';
import type { InjectableCall, InjectedResult } from '../reactor/inject.js';
import type { TraceEvent } from '../trace/format.js';

/** The descriptors of the stepped process: the socket of this protocol, and its lifeline. */
export const CONTROL_FD = 3;
export const LIFELINE_FD = 4;
/** Set to 1 for the stepped process alone: it takes it away, so that its own children and workers are left alone. */
export const STEP_ENVIRONMENT = 'UNDERLOOP_STEP';

/** When to hold: all that is given must be so. */
export interface Condition {
  fd?: number;
  kind?: ItemKind;
  /** A part of the handler's name. */
  handler?: string;
  /** At least one of these readiness bits. */
  readiness?: number;
  /** An item has thrown since the last hold. */
  error?: boolean;
}

export type Command =
  /** Runs `count` items. */
  | { readonly do: 'step'; readonly count: number }
  /** Runs to the first item of another turn. */
  | { readonly do: 'turn' }
  /** Runs until the condition, a breakpoint or a pause. */
  | { readonly do: 'until'; readonly condition: Condition }
  | { readonly do: 'continue' }
  | { readonly do: 'pause' }
  | { readonly do: 'break'; readonly condition: Condition }
  /** Removes a breakpoint by its number; all of them without one. */
  | { readonly do: 'unbreak'; readonly number?: number }
  /** Goes back by so many items, or to an event: in a replay, which begins anew for it. */
  | { readonly do: 'back'; readonly count: number }
  | { readonly do: 'goto'; readonly event: number }
  | { readonly do: 'drop'; readonly index: number }
  | { readonly do: 'move'; readonly from: number; readonly to: number }
  | {
      readonly do: 'inject';
      readonly call: InjectableCall;
      readonly result: InjectedResult;
      readonly fd?: number;
    };

/** One item that will run. */
export interface NextItem {
  readonly kind: ItemKind;
  readonly fd: number;
  readonly readiness: number;
  readonly name: string;
  readonly stale: boolean;
}

/** A registration as the registry believes it to be. */
export interface BelievedInterest {
  readonly fd: number;
  readonly slot: number;
  readonly generation: number;
  readonly interest: number;
  /** EPOLLET or EPOLLONESHOT in the poller's own words: `level`, `edge`, `oneshot`. */
  readonly trigger: string;
  readonly referenced: boolean;
  readonly name: string;
}

export interface SourceLine {
  /** A file, as a path. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** Everything about one held reactor. */
export interface HeldState {
  readonly type: 'held';
  readonly reactor: number;
  readonly reason: 'step' | 'turn' | 'condition' | 'breakpoint' | 'pause';
  /** Told again after a change that was asked for while held: nothing has run since it was told before. */
  readonly repeated: boolean;
  /** Which breakpoint; 0: none. */
  readonly breakpoint: number;
  readonly turn: number;
  readonly poller: string;
  readonly pollerFd: number;
  /** The first so many items that are left of this turn's batch, and how many there are. */
  readonly next: readonly NextItem[];
  readonly left: number;
  readonly registry: readonly BelievedInterest[];
  readonly registrySize: number;
  /** The nearest timers, and how many there are. */
  readonly timers: readonly { readonly inMs: number; readonly name: string }[];
  readonly timerCount: number;
  /** Tasks that wait for a later turn. */
  readonly queues: { readonly posted: number; readonly deferred: number; readonly closed: number };
  /** What has happened since the last hold; the oldest are left out if there were too many. */
  readonly events: readonly TraceEvent[];
  readonly eventsLost: number;
  /** Where the handler about to run begins; null: it is none of the program's own, or cannot be found. */
  readonly source: SourceLine | null;
  readonly breakpoints: readonly { readonly number: number; readonly condition: Condition }[];
  /** Of a replay: events of the recording so far, and which of all items of the program is next, counted from 1. */
  readonly replay?: { readonly event: number; readonly item: number };
}

export type Message =
  | { readonly type: 'hello'; readonly pid: number; readonly version: string }
  | { readonly type: 'opened'; readonly reactor: number; readonly poller: string; readonly pollerFd: number }
  | { readonly type: 'closed'; readonly reactor: number }
  /** A sign of life while the program runs freely. */
  | {
      readonly type: 'beat';
      readonly reactor: number;
      readonly turn: number;
      readonly items: number;
      readonly name: string;
    }
  | HeldState
  /**
   * What happened without a hold. `turn`: the program calls turn() itself, and cannot be held. `stepper`: it has a stepper
   * of its own. `end`: the last that happened before the reactor was closed, or the program ended.
   */
  | {
      readonly type: 'traced';
      readonly reactor: number;
      readonly reason: 'turn' | 'stepper' | 'end';
      readonly events: readonly TraceEvent[];
      readonly eventsLost: number;
    }
  /** Of a replay: what is to be said of it as a whole, in words and as data; `over`: the program is at its end. */
  | {
      readonly type: 'note';
      readonly lines: readonly string[];
      readonly note: object;
      readonly over: boolean;
    }
  /** A command that cannot be obeyed. */
  | { readonly type: 'refused'; readonly message: string };

/** The longest line that either side takes. */
export const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;

/** Splits a stream of text into lines, each parsed. Throws for a line beyond the bound, or that is no JSON. */
export class LineReader {
  private partial = '';

  constructor(private readonly onLine: (value: unknown) => void) {}

  push(text: string): void {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      const line = this.add(text.slice(start, end));
      this.partial = '';
      start = end + 1;
      if (line.trim() !== '') this.onLine(parse(line));
    }
    this.partial = this.add(text.slice(start));
  }

  private add(text: string): string {
    if (this.partial.length + text.length > LINE_CHARACTERS_MAX) {
      throw new Error(`a line of the step protocol is longer than ${String(LINE_CHARACTERS_MAX)} characters`);
    }
    return this.partial + text;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line, revive);
  } catch (error) {
    const shown = JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}...` : line);
    throw new Error(`a line of the step protocol is no JSON: ${shown}`, { cause: error });
  }
}

/** JSON has no Infinity: a wait without bound is null on the way. */
function revive(name: string, value: unknown): unknown {
  return name === 'timeoutMs' && value === null ? Infinity : value;
}

export function encode(message: Message | Command): string {
  return `${JSON.stringify(message)}\n`;
}
