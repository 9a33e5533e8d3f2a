// Everything that the screen shows, as plain data, and how it changes with what the program says.

import { describeReadiness } from '../../poller/poller.js';
import type { TraceEvent } from '../../trace/format.js';
import { Took, describeEvent } from '../../trace/text.js';
import { REASONS, describeItem } from '../narrate.js';
import type { Condition, HeldState, Message, SourceLine } from '../protocol.js';
import type { EvidenceFound, EvidenceRow } from './evidence.js';
import { Output } from './output.js';
import { isWait, phaseOf, type Phase } from './phases.js';
import { plain } from './text.js';

export const PANELS = ['queue', 'interest', 'timers', 'calls', 'source', 'sockets', 'output'] as const;
export type PanelName = (typeof PANELS)[number];

/** A program that runs and says nothing for so long is looked at from outside. */
export const SILENCE_MS = 1000;
const CALLS_MAX = 500;
const CALL_TYPES: ReadonlySet<TraceEvent['type']> = new Set([
  'waitBegin',
  'waitEnd',
  'itemBegin',
  'call',
  'stale',
  'error',
] as const);

export interface CallLine {
  readonly type: TraceEvent['type'];
  readonly text: string;
}

/** What is asked for in the message line. */
export interface Prompt {
  readonly question: string;
  /** How to answer. */
  readonly hint: string;
  text: string;
  /** Given the answer. What it throws is shown, and the prompt stays. */
  readonly answer: (text: string) => void;
}

export interface SourceView {
  readonly at: SourceLine;
  /** All lines of the file; empty when it cannot be read. */
  readonly lines: readonly string[];
}

export interface EndState {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error: Error | null;
}

export class ScreenState {
  status: 'starting' | 'held' | 'running' | 'ended' = 'starting';
  pid = -1;
  /** The last hold; it stays while the program runs. */
  held: HeldState | null = null;
  holds = 0;
  evidence: readonly EvidenceRow[] = [];
  evidenceNotes: readonly string[] = [];
  /** Why there is no evidence. */
  evidenceError: string | null = null;
  source: SourceView | null = null;
  readonly calls: CallLine[] = [];
  readonly output = new Output();
  readonly breakpoints = new Map<number, Condition>();
  ending: EndState | null = null;
  /** The program has ended, and a key leaves. */
  leaves = false;

  /** Where a running program was when it last said so. */
  turn = 0;
  items = 0;
  lastItem = '';
  lastPhase: Phase | null = null;
  /** When the program said something last, and the time now; of one clock. */
  lastWordMs = 0;
  nowMs = 0;
  /** What its main thread does, for a program that says nothing; null: not asked. */
  mainThread: string | null = null;
  pausing = false;
  /** A replay is at its end, and can only be gone back in. */
  atEnd = false;

  focus: PanelName = 'queue';
  zoomed = false;
  /** The chosen item of the run queue. */
  selected = 0;
  /** Lines scrolled: from the top, or for `calls` and `output` up from the end; for `source` from the handler. */
  readonly scroll: Record<PanelName, number> = {
    queue: 0,
    interest: 0,
    timers: 0,
    calls: 0,
    source: 0,
    sockets: 0,
    output: 0,
  };
  overlay: 'none' | 'help' | 'breakpoints' = 'none';
  overlayScroll = 0;
  prompt: Prompt | null = null;
  message: { readonly text: string; readonly bad: boolean } | null = null;

  private goneFor: 'moment' | 'long' = 'long';
  private nextBreakpoint = 1;
  private openReactors = 0;

  constructor(
    /** What is stepped, as it was named. */
    readonly script: string,
  ) {}

  get hasReactor(): boolean {
    return this.openReactors > 0;
  }

  /** How long the program has said nothing; 0 while that means nothing. */
  get silentMs(): number {
    if (this.status !== 'running' && this.status !== 'starting') return 0;
    const silentMs = this.nowMs - this.lastWordMs;
    return silentMs >= SILENCE_MS ? silentMs : 0;
  }

  /** Where the program is; null while it runs and nobody knows. */
  get phase(): Phase | null {
    if (this.status === 'held') {
      const next = this.held?.next.at(0);
      return next === undefined ? null : phaseOf(next.kind);
    }
    if (this.status !== 'running' || this.silentMs === 0 || this.mainThread === null) return null;
    return isWait(this.mainThread) ? 'wait' : this.lastPhase;
  }

  /** It was let go for a step or a turn, and is expected to be held again at once. */
  get stepping(): boolean {
    return this.status === 'running' && this.goneFor === 'moment' && this.silentMs === 0;
  }

  hear(message: Message): void {
    this.lastWordMs = this.nowMs;
    this.mainThread = null;
    switch (message.type) {
      case 'hello':
        this.pid = message.pid;
        return;
      case 'opened':
        this.openReactors++;
        if (this.status === 'starting') this.status = 'running';
        return;
      case 'closed':
        this.openReactors--;
        return;
      case 'beat':
        this.turn = message.turn;
        this.items = message.items;
        this.lastItem = plain(message.name);
        this.lastPhase = null; // a beat does not say what kind of item it is
        return;
      case 'refused':
        this.say(message.message, true);
        return;
      case 'traced':
        if (message.reason !== 'end')
          this.say('a reactor that cannot be held: it is turned by the program itself', false);
        return;
      case 'note':
        this.say(plain(message.lines.join('; ')), false);
        if (message.over) this.stand();
        return;
      case 'held':
        this.hold(message);
    }
  }

  /** A replay is at its end, and its program is not gone: it is held before nothing. */
  private stand(): void {
    this.status = 'held';
    this.atEnd = true;
    if (this.held !== null) this.held = { ...this.held, next: [], left: 0 };
    this.lastItem = 'nothing: this is the end of the replay';
    this.lastPhase = null;
  }

  see({ rows, notes }: EvidenceFound): void {
    this.evidence = rows;
    this.evidenceNotes = notes;
  }

  private hold(held: HeldState): void {
    if (this.status !== 'held') {
      this.holds++;
      if (this.prompt === null) this.message = null;
    }
    this.status = 'held';
    this.held = held;
    this.turn = held.turn;
    this.pausing = false;
    this.selected = Math.max(Math.min(this.selected, held.next.length - 1), 0);
    const next = held.next.at(0);
    this.lastItem = next === undefined ? '' : plain(describeItem(next));
    this.lastPhase = next === undefined ? null : phaseOf(next.kind);
    this.scroll.source = 0;
    const took = new Took();
    if (held.eventsLost > 0) this.addCall('stale', `... ${String(held.eventsLost)} events are left out`);
    for (const event of held.events) {
      const tookNs = took.ns(event);
      if (CALL_TYPES.has(event.type)) this.addCall(event.type, describeEvent(event, held.poller, tookNs));
    }
  }

  private addCall(type: TraceEvent['type'], text: string): void {
    this.calls.push({ type, text: plain(text.replace(/^ {2}/, '')) });
    if (this.calls.length > CALLS_MAX) this.calls.shift();
  }

  /** The program was let go. */
  go(until: 'moment' | 'long'): void {
    this.status = 'running';
    this.atEnd = false;
    this.goneFor = until;
    this.pausing = false;
    this.lastWordMs = this.nowMs;
    this.selected = 0;
    this.message = null;
  }

  end(ending: EndState): void {
    this.status = 'ended';
    this.ending = ending;
    this.prompt = null;
    this.overlay = 'none';
    this.scroll.output = 0;
    // What a crash has printed is what one wants to read now.
    if (ending.code !== 0) {
      this.focus = 'output';
      this.zoomed = true;
    }
  }

  /** The program numbers its breakpoints in the order in which they come; so do we. */
  addBreakpoint(condition: Condition): number {
    this.breakpoints.set(this.nextBreakpoint, condition);
    return this.nextBreakpoint++;
  }

  say(text: string, bad = false): void {
    this.message = { text: plain(text), bad };
  }
}

/** The program's state in one sentence. */
export function describeState(state: ScreenState): string {
  const { held, ending } = state;
  switch (state.status) {
    case 'starting':
      return state.silentMs > 0
        ? silence(state)
        : 'starts; it is held before the first item of its first reactor';
    case 'held': {
      if (held === null) return 'held';
      const number = held.breakpoint > 0 ? ` ${String(held.breakpoint)}` : '';
      return `${REASONS[held.reason]}${number}; next: ${state.lastItem}`;
    }
    case 'running': {
      if (state.silentMs > 0) return silence(state);
      const pausing = state.pausing ? 'to be held before its next item; ' : '';
      const items = state.items > 0 ? `, ${String(state.items)} items run` : '';
      return `${pausing}runs: turn ${String(state.turn)}${items}, last known: ${state.lastItem || '(no name)'}`;
    }
    case 'ended':
      return describeEnding(ending);
  }
}

function describeEnding(ending: EndState | null): string {
  if (ending === null) return 'ended';
  if (ending.error !== null) return `could not be started: ${plain(ending.error.message)}`;
  if (ending.signal !== null) return `the program was ended by ${ending.signal}`;
  return `the program has ended with exit status ${String(ending.code)}`;
}

function silence(state: ScreenState): string {
  const forS = (state.silentMs / 1000).toFixed(1);
  const call = state.mainThread ?? 'unknown';
  const last = state.lastItem === '' ? '' : `; last known: ${state.lastItem}`;
  if (!state.hasReactor) return `no reactor yet; for ${forS} s, main thread: ${call}`;
  if (isWait(call)) return `waits for readiness in ${call} for ${forS} s${last}`;
  return `blocked? for ${forS} s, main thread: ${call}${last}`;
}

/** `fd 7 kind readiness`, as it is typed. */
export function describeCondition(condition: Condition): string {
  const { fd, kind, handler, readiness, error } = condition;
  const words: string[] = [];
  if (fd !== undefined) words.push(`fd ${String(fd)}`);
  if (kind !== undefined) words.push(`kind ${kind}`);
  if (handler !== undefined) words.push(`handler ${plain(handler)}`);
  if (readiness !== undefined) words.push(`ready ${describeReadiness(readiness).toUpperCase()}`);
  if (error === true) words.push('error');
  return words.join(' ');
}
