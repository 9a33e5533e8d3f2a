// Stepping without a screen: lines out, and commands in from a script or a pipe. Also as JSON for machines.

import { createInterface, type Interface } from 'node:readline';
import { COMMAND_HELP, parseCommand } from './commands.js';
import { evidenceLines, lookAtKernel } from './kernel-evidence.js';
import { narrate, narrateEvents } from './narrate.js';
import type { HeldState, Message } from './protocol.js';
import { Session } from './session.js';

/** A program that says nothing for so long, and is not held, is looked at from outside. */
const SILENCE_MS = 1000;

type Traced = Extract<Message, { type: 'traced' }>;

export interface PlainOptions {
  readonly json: boolean;
  /** Show what the kernel itself has at each hold. */
  readonly evidence?: boolean;
  /** Given one after another whenever the program is held; then it goes on by itself, item by item. */
  readonly commands: readonly string[];
  /** Holds at most so often, then the program is ended. */
  readonly holdsMax: number;
  /** Commands are read from here when the program is held and `commands` are used up; null: it goes on by itself. */
  readonly input: NodeJS.ReadableStream | null;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
  /** Modules that the program gets before its own. */
  readonly imports?: readonly string[];
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly holds: number;
  /** It was ended from here: quit, the bound of holds, an abort. */
  readonly stopped: boolean;
}

/** Steps a script to its end. Resolves when it has ended. */
export async function stepPlainly(
  script: string,
  args: readonly string[],
  options: PlainOptions,
): Promise<Ending> {
  return stepSession(new Session(script, args, { imports: options.imports ?? [] }), options);
}

/** The same with a session that has been made already: that of a replay. */
export function stepSession(session: Session, options: PlainOptions): Promise<Ending> {
  return new PlainRun(session, options).run();
}

/** Events that a free run leaves behind are shown in words only as far as somebody reads them; JSON has them all. */
const LAST_EVENTS_MAX = 40;

class PlainRun {
  private holds = 0;
  private readonly commands: string[];
  private readonly lines: Interface | null;
  private readonly typed: string[] = [];
  private inputEnded = false;
  private lastWordMs = performance.now();
  private saidSilence = false;
  /** Let go with no item in sight at which it must be held. */
  private isFree = false;
  private readonly pollers = new Map<number, string>();
  private readonly saidTraced = new Set<number>();
  private readonly partial = { stdout: '', stderr: '' };

  constructor(
    private readonly session: Session,
    private readonly options: PlainOptions,
  ) {
    this.commands = [...options.commands];
    this.lines = options.input === null ? null : createInterface({ input: options.input });
  }

  run(): Promise<Ending> {
    const { session, options, lines } = this;
    const { output, signal: abort } = options;
    const stop = (): void => void session.stop();
    const goOn = (): void => session.resumeOutput();
    abort.addEventListener('abort', stop);
    if (abort.aborted) stop();
    output.on('drain', goOn).on('error', stop); // whoever read us has gone
    lines?.on('line', (line) => {
      this.typed.push(line);
      this.next();
    });
    lines?.on('close', () => {
      this.inputEnded = true;
      this.next();
    });
    const timer = setInterval(() => this.lookAtSilence(), SILENCE_MS / 2);
    session.on('message', (message) => this.hear(message));
    session.on('output', (stream, text) => this.onOutput(stream, text));
    return new Promise((resolve, reject) => {
      session.on('ended', ({ code, signal, error }) => {
        clearInterval(timer);
        lines?.close();
        abort.removeEventListener('abort', stop);
        output.off('drain', goOn).off('error', stop);
        if (error !== null) {
          reject(error);
          return;
        }
        this.flushOutput();
        const how = signal === null ? `with exit status ${String(code)}` : `by ${signal}`;
        this.print({ type: 'ended', code, signal }, session.over ? [] : [`== the program has ended ${how}`]);
        resolve({ code, signal, holds: this.holds, stopped: session.stopping });
      });
    });
  }

  /** False: the output takes no more for now. */
  private print(value: object, lines: readonly string[]): boolean {
    const text = this.options.json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join('');
    return text === '' || this.options.output.write(text);
  }

  /** Whole lines in words; as they came in JSON. */
  private onOutput(stream: 'stdout' | 'stderr', text: string): void {
    const lines = (this.partial[stream] + text).split('\n');
    this.partial[stream] = this.options.json ? '' : (lines.pop() ?? '');
    const room = this.print(
      { type: 'output', stream, text },
      lines.map((line) => `| ${line}`),
    );
    if (!room) this.session.pauseOutput();
  }
  private flushOutput(): void {
    const { partial, options } = this;
    if (options.json) return;
    for (const line of [partial.stdout, partial.stderr]) if (line !== '') options.output.write(`| ${line}\n`);
  }

  private hear(message: Message): void {
    this.lastWordMs = performance.now();
    this.saidSilence = false;
    switch (message.type) {
      case 'hello':
        this.print(message, [`== stepping process ${String(message.pid)}`]);
        return;
      case 'opened':
        this.pollers.set(message.reactor, message.poller);
        this.print(message, [`== reactor ${String(message.reactor)} on ${message.poller}`]);
        return;
      case 'held':
        this.onHeld(message);
        return;
      case 'traced':
        this.print(message, this.narrateTraced(message));
        return;
      case 'refused':
        this.print(message, [`!! ${message.message}`]);
        this.next();
        return;
      case 'note':
        this.print(message.note, message.lines);
        if (message.over) this.next();
        return;
      case 'beat':
      case 'closed':
        this.print(message, []);
    }
  }

  private narrateTraced({ reactor, reason, events, eventsLost }: Traced): string[] {
    const shown = reason === 'end' ? events.slice(-LAST_EVENTS_MAX) : events;
    const lost = eventsLost + events.length - shown.length;
    const lines = narrateEvents(shown, lost, this.pollers.get(reactor) ?? '');
    if (reason === 'end' || this.saidTraced.has(reactor)) return lines;
    this.saidTraced.add(reactor);
    const how = reason === 'turn' ? 'the program calls turn() itself' : 'the program has given it a stepper';
    return [`!! reactor ${String(reactor)} cannot be held: ${how}. What it does is shown.`, ...lines];
  }

  private onHeld(held: HeldState): void {
    const lines = narrate(held);
    if (this.pollers.size > 1) lines.unshift(`== of reactor ${String(held.reactor)}:`);
    if (this.options.evidence === true) {
      const evidence = lookAtKernel(held, this.session.pid);
      this.print({ ...held, evidence }, [...lines, ...evidenceLines(evidence)]);
    } else this.print(held, lines);
    if (held.repeated) {
      this.next();
      return;
    }
    this.holds++;
    if (this.holds >= this.options.holdsMax) {
      this.print({ type: 'limit', holds: this.holds }, [
        `== held ${String(this.holds)} times: that was asked for`,
      ]);
      void this.session.stop();
      return;
    }
    this.next();
  }

  /** The next command: from the list, from the input, or a step of its own accord. */
  private next(): void {
    const { session } = this;
    while (!session.stopping && (session.held !== null || session.over)) {
      const line = this.commands.shift() ?? this.typed.shift();
      if (line === undefined) {
        if (this.lines !== null && !this.inputEnded) return; // whoever types is waited for
        if (session.over) {
          void session.stop();
          return;
        }
        session.send({ do: 'step', count: 1 });
        return;
      }
      this.obey(line);
    }
    // While it runs freely, or says nothing, it can be paused or ended; anything else waits until it is held.
    const mayInterrupt =
      this.isFree || this.saidSilence || (this.options.input as { isTTY?: boolean } | null)?.isTTY;
    while (
      mayInterrupt === true &&
      /^\s*(p|pause|q|quit|help|b|break|unbreak)?(\s|$)/.test(this.typed[0] ?? '-')
    ) {
      this.obey(this.typed.shift() ?? '');
    }
  }

  private obey(line: string): void {
    const { session } = this;
    if (line.trim() === 'help') {
      this.print({ type: 'help', text: COMMAND_HELP }, COMMAND_HELP.split('\n'));
      return;
    }
    try {
      const command = parseCommand(line);
      if (command === 'quit') {
        session.held = null;
        void session.stop();
      } else if (command !== null) {
        if (session.held !== null) this.isFree = command.do === 'continue' || command.do === 'until';
        session.send(command);
      }
    } catch (error) {
      this.print({ type: 'refused', message: (error as Error).message }, [`!! ${(error as Error).message}`]);
    }
  }

  private lookAtSilence(): void {
    const { session } = this;
    if (
      session.held !== null ||
      session.over ||
      this.saidSilence ||
      performance.now() - this.lastWordMs < SILENCE_MS
    )
      return;
    this.saidSilence = true;
    const call = session.mainThread();
    const what = call === 'running' ? 'computes, or wants to' : `is in ${call}`;
    this.print({ type: 'silent', call }, [
      `== nothing was heard of the program for ${String(SILENCE_MS / 1000)} s; its main thread ${what}`,
    ]);
    this.next();
  }
}
