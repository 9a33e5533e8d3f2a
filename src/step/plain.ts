// Stepping without a screen: lines out, and commands in from a script or a pipe. Also as JSON for machines.

import { createInterface, type Interface } from 'node:readline';
import { COMMAND_HELP, parseCommand } from './commands.js';
import { narrate } from './narrate.js';
import type { HeldState, Message } from './protocol.js';
import { Session } from './session.js';

/** A program that says nothing for so long, and is not held, is looked at from outside. */
const SILENCE_MS = 1000;

export interface PlainOptions {
  readonly json: boolean;
  /** Given one after another whenever the program is held; then it goes on by itself, item by item. */
  readonly commands: readonly string[];
  /** Holds at most so often, then the program is ended. */
  readonly holdsMax: number;
  /** Commands are read from here when the program is held and `commands` are used up; null: it goes on by itself. */
  readonly input: NodeJS.ReadableStream | null;
  readonly output: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly holds: number;
  /** It was ended by us: quit, the bound of holds, or an abort. */
  readonly stopped: boolean;
}

/** Steps a script to its end. Resolves when it has ended. */
export async function stepPlainly(
  script: string,
  args: readonly string[],
  options: PlainOptions,
): Promise<Ending> {
  return new PlainRun(new Session(script, args), options).run();
}

class PlainRun {
  private holds = 0;
  private readonly commands: string[];
  private readonly lines: Interface | null;
  private typed: string[] = [];
  private inputEnded = false;
  private lastWordMs = performance.now();
  private saidSilence = false;

  constructor(
    private readonly session: Session,
    private readonly options: PlainOptions,
  ) {
    this.commands = [...options.commands];
    this.lines = options.input === null ? null : createInterface({ input: options.input });
  }

  run(): Promise<Ending> {
    const { session, options, lines } = this;
    const onAbort = (): void => void session.stop();
    options.signal.addEventListener('abort', onAbort);
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
    session.on('output', (stream, text) =>
      this.print({ type: 'output', stream, text }, [...prefixed('| ', text)]),
    );
    return new Promise((resolve, reject) => {
      session.on('ended', ({ code, signal, error }) => {
        clearInterval(timer);
        lines?.close();
        options.signal.removeEventListener('abort', onAbort);
        if (error !== null) {
          reject(error);
          return;
        }
        const how = signal === null ? `with exit status ${String(code)}` : `by ${signal}`;
        this.print({ type: 'ended', code, signal }, [`== the program has ended ${how}`]);
        resolve({ code, signal, holds: this.holds, stopped: session.stopping });
      });
    });
  }

  private print(value: object, lines: readonly string[]): void {
    const text = this.options.json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join('');
    if (text !== '') this.options.output.write(text);
  }

  private hear(message: Message): void {
    this.lastWordMs = performance.now();
    this.saidSilence = false;
    switch (message.type) {
      case 'hello':
        this.print(message, [`== stepping process ${String(message.pid)}`]);
        return;
      case 'opened':
        this.print(message, [`== reactor ${String(message.reactor)} on ${message.poller}`]);
        return;
      case 'held':
        this.onHeld(message);
        return;
      case 'refused':
        this.print(message, [`!! ${message.message}`]);
        this.next();
        return;
      case 'beat':
      case 'closed':
        this.print(message, []);
    }
  }

  private onHeld(held: HeldState): void {
    this.holds++;
    this.print(held, narrate(held));
    if (this.holds >= this.options.holdsMax) {
      this.print({ type: 'limit', holds: this.holds }, [
        `== held ${String(this.holds)} times: that was asked for`,
      ]);
      void this.session.stop();
      return;
    }
    this.next();
  }

  /** The next command, if the program is held: from the list, from the input, or a step of its own accord. */
  private next(): void {
    const { session } = this;
    while (session.held !== null) {
      const line = this.commands.shift() ?? this.typed.shift();
      if (line === undefined) {
        if (this.lines !== null && !this.inputEnded) return; // whoever types is waited for
        session.send({ do: 'step', count: 1 });
        return;
      }
      if (line.trim() === 'help') {
        this.print({ type: 'help' }, COMMAND_HELP.split('\n'));
        continue;
      }
      try {
        const command = parseCommand(line);
        if (command === 'quit') {
          void session.stop();
          return;
        }
        if (command !== null) session.send(command);
      } catch (error) {
        this.print({ type: 'refused', message: (error as Error).message }, [
          `!! ${(error as Error).message}`,
        ]);
      }
    }
  }

  private lookAtSilence(): void {
    const { session } = this;
    if (session.held !== null || this.saidSilence || performance.now() - this.lastWordMs < SILENCE_MS) return;
    this.saidSilence = true;
    const call = session.mainThread();
    this.print({ type: 'silent', call }, [`== the program runs; its main thread is in ${call}`]);
  }
}

function* prefixed(prefix: string, text: string): Generator<string> {
  for (const line of text.split('\n')) if (line !== '') yield prefix + line;
}
