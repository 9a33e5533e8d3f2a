// The controller's end: starts the program to be stepped, sends it commands, and tells what it says and prints.

import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { readProcess, isKnown, isUnavailable, describeCall } from '../probe/index.js';
import {
  CONTROL_FD,
  LIFELINE_FD,
  LineReader,
  STEP_ENVIRONMENT,
  encode,
  type Command,
  type HeldState,
  type Message,
} from './protocol.js';

/** Between asking the program to end and killing it. */
const END_TIMEOUT_MS = 1000;
/** A program that has ended may have left its output to a child: so long that is waited for. */
const OUTPUT_TIMEOUT_MS = 300;

const NO_WAY_BACK =
  'a program that runs cannot be gone back in: record it with underloop record SCRIPT, then underloop replay FILE --step';

export interface SessionEvents {
  message: [message: Message];
  /** What the program printed. */
  output: [stream: 'stdout' | 'stderr', text: string];
  ended: [ending: { code: number | null; signal: NodeJS.Signals | null; error: Error | null }];
}

export interface SessionOptions {
  readonly input?: 'pipe' | 'inherit' | 'ignore';
  readonly imports?: readonly string[];
}

/** How the process is started: all arguments of the runtime, the script and its own behind them. */
export interface Launch {
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** One program under control. It ends when this process does. */
export class Session extends EventEmitter<SessionEvents> {
  /** The last state told while held; null while the program runs, and while it makes a change that it will tell of. */
  held: HeldState | null = null;
  ended = false;
  /** The program is over, and its process is not: it can be gone back in. Of a replay only. */
  over = false;
  /** What asks the program to end. */
  protected stopSignal: NodeJS.Signals = 'SIGTERM';
  /** {@link stop} was called. */
  stopping = false;
  /** When it was let go, or began. */
  goneMs = performance.now();
  /** What it is held at while a change that was asked for is not answered. */
  private changing: HeldState | null = null;
  private child!: ChildProcess;
  private outputs: Readable[] = [];
  private control: Duplex | null = null;
  private readonly input: 'pipe' | 'inherit' | 'ignore';

  /**
   * `input`: the program's standard input. By default a pipe on which nothing comes: what is typed here are commands.
   * `imports`: modules that the program gets before its own, as `--import` gives them.
   */
  constructor(
    script: string,
    args: readonly string[],
    { input = 'pipe', imports = [] }: SessionOptions = {},
    launch: Launch = launchOf(script, args, imports),
  ) {
    super();
    this.input = input;
    this.launch(launch);
  }

  /** Starts the process; one that runs still is killed, and not heard of any more. */
  protected launch({ args, env, cwd }: Launch): void {
    const before = this.child as ChildProcess | undefined;
    if (before !== undefined) {
      this.forget();
      before.kill('SIGKILL');
    }
    const child = spawn(process.execPath, args, {
      stdio: [this.input, 'pipe', 'pipe', 'pipe', 'pipe'],
      env,
      cwd,
    });
    this.child = child;
    const end = (code: number | null, signal: NodeJS.Signals | null, error: Error | null): void => {
      if (this.child === child) this.end(code, signal, error);
    };
    child.once('error', (error) => end(null, null, error));
    child.once('exit', (code, signal) => {
      setTimeout(() => end(code, signal, null), OUTPUT_TIMEOUT_MS).unref();
    });
    child.once('close', (code, signal) => end(code, signal, null));
    // Without a descriptor for its pipes it has none of these; 'error' follows.
    const stdio = child.stdio as ChildProcess['stdio'] | undefined;
    if (stdio === undefined) return;
    const [stdin, stdout, stderr] = stdio;
    this.control = stdio[CONTROL_FD] as Duplex;
    for (const stream of [stdin, stdio[LIFELINE_FD], this.control]) {
      stream?.on('error', () => undefined); // it has ended: 'close' tells
    }
    this.listen(this.control);
    for (const [name, stream] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      if (stream === null) continue;
      this.outputs.push(stream);
      stream.setEncoding('utf8').on('data', (text: string) => this.print(name, text));
    }
  }

  /** What the program prints. */
  protected print(stream: 'stdout' | 'stderr', text: string): void {
    this.emit('output', stream, text);
  }

  private forget(): void {
    for (const stream of this.outputs) stream.removeAllListeners('data').resume();
    this.outputs = [];
    this.control?.removeAllListeners('data').resume();
    this.held = this.changing = null;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Sends a command. Those that let the program go, and those that change it, end {@link held}; the answer sets it again. */
  send(command: Command): void {
    switch (command.do) {
      case 'step':
      case 'turn':
      case 'until':
      case 'continue':
        this.held = null;
        this.goneMs = performance.now();
        break;
      case 'pause':
        break;
      case 'back':
      case 'goto':
        queueMicrotask(() => this.emit('message', { type: 'refused', message: NO_WAY_BACK }));
        return;
      default:
        this.changing = this.held;
        this.held = null;
    }
    this.control?.write(encode(command));
  }

  /** Reads no more of what the program prints, so that it must wait, until {@link resumeOutput}. */
  pauseOutput(): void {
    for (const stream of this.outputs) stream.pause();
  }
  resumeOutput(): void {
    for (const stream of this.outputs) stream.resume();
  }

  /** What the program's main thread does now, as the kernel sees it: for one that says nothing. */
  mainThread(): string {
    const snapshot = readProcess(this.pid, { memory: false, sleep: true });
    if (isUnavailable(snapshot)) return snapshot.unavailable;
    if (!isKnown(snapshot.threads)) return snapshot.threads.unavailable;
    const main = snapshot.threads.value.find(({ threadId }) => threadId === this.pid);
    const call = main?.sleep?.call;
    if (call === undefined) return 'its main thread has ended';
    return isKnown(call) ? describeCall(call.value) : call.unavailable;
  }

  /** Ends the program: SIGTERM, then SIGKILL. Resolves when it has ended. Idempotent. */
  async stop(): Promise<void> {
    if (this.ended) return;
    this.stopping = true;
    const over = new Promise<void>((resolve) => this.once('ended', () => resolve()));
    this.child.kill(this.stopSignal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), END_TIMEOUT_MS);
    await over;
    clearTimeout(timer);
  }

  private listen(control: Duplex): void {
    const lines = new LineReader((line) => this.hear(line as Message));
    control.setEncoding('utf8').on('data', (text: string) => {
      try {
        lines.push(text);
      } catch (error) {
        // Nothing that follows can be understood: the program has written to our descriptor.
        control.destroy();
        this.child.kill('SIGKILL');
        this.end(null, null, error as Error);
      }
    });
  }

  protected hear(message: Message): void {
    const { changing } = this;
    if (message.type === 'held') {
      this.held = message;
      this.changing = null;
    } else if (message.type === 'refused') {
      this.held ??= changing;
      this.changing = null;
    } else if (message.type === 'closed') {
      if (this.held?.reactor === message.reactor) this.held = null;
      if (changing?.reactor === message.reactor) this.changing = null;
    }
    this.emit('message', message);
  }

  private end(code: number | null, signal: NodeJS.Signals | null, error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    this.held = this.changing = null;
    for (const stream of this.outputs) stream.destroy();
    this.control?.destroy();
    this.emit('ended', { code, signal, error });
  }
}

function launchOf(script: string, args: readonly string[], imports: readonly string[]): Launch {
  const inside = new URL('./inside.js', import.meta.url);
  const loaded = [inside.href, ...imports].flatMap((module) => ['--import', module]);
  return {
    args: [...loaded, script, ...args],
    env: { ...process.env, [STEP_ENVIRONMENT]: '1' },
  };
}
