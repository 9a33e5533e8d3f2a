// The controller's end of a held replay: as of a stepped program, and beside that it can go back.

import * as path from 'node:path';
import type { Command, Condition, HeldState, Message } from '../step/protocol.js';
import { Session, type SessionOptions } from '../step/session.js';
import type { Facts } from './format.js';
import type { Circumstances, HoldFrom, Verdict } from './protocol.js';
import { factsOf, replayProcess } from './run.js';
import { circumstanceLines, verdictLines, versionLines } from './say.js';

export interface ReplaySessionOptions extends Pick<SessionOptions, 'input'> {
  /** In the place of the recorded script: a changed copy of it. */
  readonly script?: string | undefined;
  /** The first hold is at the first item from this event on. */
  readonly event?: number | undefined;
}

const BEGINNING: HoldFrom = { item: 1, event: 0, breakpoints: [] };
/** Of a way to the first hold, only its end is told. */
const LAST_EVENTS_MAX = 12;

/**
 * One replay, held before each item from `event` on. A heap of JavaScript cannot be unwound: to go back, the program begins
 * anew in a new process and runs to the item before, which is what `back` and `goto` do.
 */
export class ReplaySession extends Session {
  readonly facts: Facts;
  verdict: Verdict | null = null;
  private readonly file: string;
  private readonly script: string | undefined;
  private item = 0;
  /** On the way to where it was asked to go: what was told and printed before is not told again. */
  private returning = false;
  /** This process was not held yet. */
  private onTheWay = true;
  private conditions: readonly Condition[] = [];

  /** Throws ERR_RECORDING_FORMAT, _VERSION, _CORRUPT, or the system's error. */
  constructor(file: string, { script, event = 0, input }: ReplaySessionOptions = {}) {
    const facts = factsOf(file);
    const absolute = path.resolve(file);
    const launch = replayProcess(facts, script, {
      do: 'replay',
      file: absolute,
      hold: { ...BEGINNING, event },
    });
    super(facts.script, facts.args, input === undefined ? {} : { input }, launch);
    this.facts = facts;
    this.stopSignal = 'SIGKILL'; // it waits for us in a system call
    this.file = absolute;
    this.script = script;
  }

  override send(command: Command): void {
    if (command.do === 'back') {
      // At the end the last item is one back.
      const next = this.over ? this.item + 1 : this.item;
      this.begin(Math.max(next - command.count, 1), 0);
    } else if (command.do === 'goto') this.begin(1, command.event);
    else if (this.over) {
      const message = 'the replay is at its end: back [N], goto EVENT, or q';
      queueMicrotask(() => this.emit('message', { type: 'refused', message }));
    } else super.send(command);
  }

  private begin(item: number, event: number): void {
    const hold: HoldFrom = { item, event, breakpoints: this.conditions };
    this.held = null;
    this.over = false;
    this.returning = this.onTheWay = true;
    this.goneMs = performance.now();
    this.launch(replayProcess(this.facts, this.script, { do: 'replay', file: this.file, hold }));
  }

  protected override print(stream: 'stdout' | 'stderr', text: string): void {
    if (!this.returning) super.print(stream, text);
  }

  protected override hear(message: Message | Verdict | Circumstances): void {
    switch (message.type) {
      case 'circumstances':
        this.item = message.items;
        this.note([...versionLines(this), ...circumstanceLines(message)], message, false);
        return;
      case 'same':
      case 'over':
      case 'differs':
      case 'damaged':
      case 'arrived':
        this.verdict = message;
        this.over = true;
        this.returning = false;
        this.note(verdictLines(message), message, true);
        return;
      case 'held':
        this.item = message.replay?.item ?? 0;
        this.conditions = message.breakpoints.map(({ condition }) => condition);
        this.returning = false;
        super.hear(this.onTheWay ? shortened(message) : message);
        this.onTheWay = false;
        return;
      case 'hello':
      case 'opened':
      case 'closed':
      case 'traced':
        if (this.returning) return;
        break;
      default:
    }
    super.hear(message);
  }

  private note(lines: readonly string[], note: object, over: boolean): void {
    if (lines.length > 0 || over) this.emit('message', { type: 'note', lines, note, over });
  }
}

function shortened(held: HeldState): HeldState {
  const last = held.events.slice(-LAST_EVENTS_MAX);
  const begin = last.findIndex(({ type }) => type === 'itemBegin' || type === 'turnBegin');
  const events = last.slice(Math.max(begin, 0));
  return { ...held, events, eventsLost: held.eventsLost + held.events.length - events.length };
}
