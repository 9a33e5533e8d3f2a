// What a scenario is made of: a program that is stepped, commands with what to look at, and what was seen after each.

import { fileURLToPath } from 'node:url';
import type { TraceEvent } from '../../trace/format.js';
import { parseCommand } from '../commands.js';
import { narrate, narrateEvents } from '../narrate.js';
import type { HeldState, Message } from '../protocol.js';
import type { Ending } from '../plain.js';
import { Session } from '../session.js';

/** Nothing in a scenario takes so long. A command without an answer ends it with an error. */
const ANSWER_TIMEOUT_MS = 4000;

/** Where a lesson goes: to people line by line, or to machines object by object. */
export interface Teller {
  tell(value: object, lines: readonly string[]): void;
  /** Resolves when whoever reads wants to go on. */
  confirm(): Promise<void>;
}

export type Figures = Readonly<Record<string, number | string | boolean>>;

/** What a scenario ends with. All of it is computed from what happened. */
export interface Shown {
  /** Whether what it is about was seen in this run. */
  readonly shown: boolean;
  readonly text: string;
  readonly figures: Figures;
}

export interface Scenario {
  readonly title: string;
  /** The question; nothing that a run could contradict. */
  readonly about: string;
  play(lesson: Lesson): Promise<Shown>;
}

/** What followed a command. */
export interface Seen {
  /** Where the program is held now; null: it has ended. */
  readonly held: HeldState | null;
  /** What it did meanwhile. */
  readonly events: readonly TraceEvent[];
  /** What its main thread was in when it was looked at from outside; null: it had answered before. */
  readonly mainThread: string | null;
}

export class Lesson {
  private readonly programs: Program[] = [];

  constructor(
    private readonly name: string,
    private readonly teller: Teller,
  ) {}

  /** Starts the scenario's program, and resolves when it is held before its first item. */
  async start(...args: string[]): Promise<Program> {
    const script = fileURLToPath(new URL(`./programs/${this.name}.js`, import.meta.url));
    const program = new Program(new Session(script, args), this.teller);
    this.programs.push(program);
    this.teller.tell({ type: 'start', program: script, arguments: args }, [
      `== ${['node', `${this.name}.js`, ...args].join(' ')}`,
    ]);
    await program.answer();
    return program;
  }

  /** Ends every program. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.stop()));
  }

  /** Every program has ended by itself, without an error. */
  get wentWell(): boolean {
    return this.programs.every(({ ended }) => ended?.code === 0);
  }

  /** How the last program ended, and how often all of them were held. */
  get ending(): Ending {
    const last = this.programs.at(-1)?.ended ?? { code: null, signal: null };
    const holds = this.programs.reduce((sum, program) => sum + program.holds, 0);
    return {
      code: last.code,
      signal: last.signal,
      holds,
      stopped: this.programs.some((program) => program.stopping),
    };
  }
}

/** The stepped program of a lesson. */
export class Program {
  /** All that it has done until now. */
  readonly events: TraceEvent[] = [];
  /** Events that were too many to be told. */
  eventsLost = 0;
  holds = 0;
  ended: { code: number | null; signal: NodeJS.Signals | null } | null = null;
  private readonly errors: string[] = [];
  private poller = '';
  private settle: ((error?: Error) => void) | null = null;

  constructor(
    private readonly session: Session,
    private readonly teller: Teller,
  ) {
    session.on('message', (message) => this.hear(message));
    session.on('output', (stream, text) => {
      if (stream === 'stderr') this.errors.push(text);
      teller.tell(
        { type: 'output', stream, text },
        text.split('\n').flatMap((line) => (line === '' ? [] : [`| ${line}`])),
      );
    });
    session.on('ended', ({ code, signal, error }) => {
      this.ended = { code, signal };
      const how = signal === null ? `with exit status ${String(code)}` : `by ${signal}`;
      teller.tell({ type: 'ended', code, signal }, [`== the program has ended ${how}`]);
      this.settle?.(error ?? undefined);
    });
  }

  /** Where it is held. Throws when it is not: the program has ended too early. */
  get held(): HeldState {
    const { held } = this.session;
    if (held === null) throw new Error(`the program is not held: ${this.errors.join('') || 'it has ended'}`);
    return held;
  }

  /** The descriptor that the handler of this name waits on. Throws when there is none. */
  fd(handler: string): number {
    const found = this.held.registry.find(({ name }) => name === handler);
    if (found === undefined) throw new Error(`nothing called ${handler} is registered`);
    return found.fd;
  }

  /**
   * Says what to look at, waits for the reader, gives the command, and resolves when the program is held again or has
   * ended. With `lookAfterMs`, its main thread is looked at from outside when it has not answered by then.
   */
  async command(look: string, command: string, lookAfterMs = Infinity): Promise<Seen> {
    this.teller.tell({ type: 'look', text: look }, ['', `-- ${look}`]);
    await this.teller.confirm();
    const parsed = parseCommand(command);
    if (parsed === null || parsed === 'quit') throw new Error(`${command} is no command of a scenario`);
    this.teller.tell({ type: 'command', command }, [`>> ${command}`]);
    const from = this.events.length;
    this.session.send(parsed);
    let mainThread: string | null = null;
    const timer =
      lookAfterMs === Infinity
        ? undefined
        : setInterval(() => {
            // On a busy machine it may not have come as far as its call yet.
            if (mainThread === null || mainThread === 'running') mainThread = this.session.mainThread();
          }, lookAfterMs);
    try {
      // A breakpoint that is set while the program is held is answered at once, as a change is.
      await this.answer();
    } finally {
      clearInterval(timer);
    }
    return { held: this.session.held, events: this.events.slice(from), mainThread };
  }

  /** What was seen: computed by the caller from what a command gave. */
  say(text: string, figures: Figures = {}): void {
    this.teller.tell({ type: 'seen', text, figures }, [`-- ${text}`]);
  }

  /** Resolves when the program is held, or has ended. Rejects when neither happens in time. */
  async answer(): Promise<void> {
    const { session } = this;
    if (session.held !== null || this.ended !== null) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.settle = (error) => (error === undefined ? resolve() : reject(error));
        timer = setTimeout(
          () =>
            reject(new Error(`the program did not answer; its main thread is in ${session.mainThread()}`)),
          ANSWER_TIMEOUT_MS,
        );
      });
    } finally {
      clearTimeout(timer);
      this.settle = null;
    }
  }

  get stopping(): boolean {
    return this.session.stopping;
  }
  stop(): Promise<void> {
    return this.session.stop();
  }

  private hear(message: Message): void {
    switch (message.type) {
      case 'opened':
        this.poller = message.poller;
        this.teller.tell(message, []);
        return;
      case 'traced':
        this.keep(message);
        this.teller.tell(message, narrateEvents(message.events, message.eventsLost, this.poller));
        return;
      case 'held':
        this.holds++;
        this.keep(message);
        this.teller.tell(message, narrate(message));
        this.settle?.();
        return;
      case 'refused':
        this.settle?.(new Error(message.message));
        return;
      case 'hello':
      case 'closed':
      case 'beat':
      case 'note':
        this.teller.tell(message, []);
    }
  }

  private keep({ events, eventsLost }: { events: readonly TraceEvent[]; eventsLost: number }): void {
    this.events.push(...events);
    this.eventsLost += eventsLost;
  }
}

type Call = Extract<TraceEvent, { type: 'call' }>;

/** The system calls of this name on this descriptor. */
export function callsOf(events: readonly TraceEvent[], name: string, fd: number): Call[] {
  return events.filter(
    (event): event is Call => event.type === 'call' && event.name === name && event.fd === fd,
  );
}

/** How often items of this name were run. */
export function runsOf(events: readonly TraceEvent[], name: string): number {
  return events.filter((event) => event.type === 'itemBegin' && event.name === name).length;
}

/** The sum of what these calls transferred. */
export function bytesOf(calls: readonly { readonly result: number }[]): number {
  return calls.reduce((sum, { result }) => sum + Math.max(result, 0), 0);
}

/** `1 time`, `3 times`. */
export function count(number: number, what: string): string {
  return `${String(number)} ${what}${number === 1 ? '' : 's'}`;
}
