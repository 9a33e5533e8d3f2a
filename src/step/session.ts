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

/** One program under control. It ends when this process does. */
export class Session extends EventEmitter<SessionEvents> {
  /** The last state told while held; null while the program runs, and while it makes a change that it will tell of. */
  held: HeldState | null = null;
  ended = false;
  /** {@link stop} was called. */
  stopping = false;
  /** When it was let go, or began. */
  goneMs = performance.now();
  /** What it is held at while a change that was asked for is not answered. */
  private changing: HeldState | null = null;
  private readonly child: ChildProcess;
  private readonly outputs: Readable[] = [];
  private readonly control: Duplex | null = null;

  /**
   * `input`: the program's standard input. By default a pipe on which nothing comes: what is typed here are commands.
   * `imports`: modules that the program gets before its own, as `--import` gives them.
   */
  constructor(
    script: string,
    args: readonly string[],
    { input = 'pipe', imports = [] }: SessionOptions = {},
  ) {
    super();
    const inside = new URL('./inside.js', import.meta.url);
    const loaded = [inside.href, ...imports].flatMap((module) => ['--import', module]);
    this.child = spawn(process.execPath, [...loaded, script, ...args], {
      stdio: [input, 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, [STEP_ENVIRONMENT]: '1' },
    });
    this.child.once('error', (error) => this.end(null, null, error));
    this.child.once('exit', (code, signal) => {
      setTimeout(() => this.end(code, signal, null), OUTPUT_TIMEOUT_MS).unref();
    });
    this.child.once('close', (code, signal) => this.end(code, signal, null));
    // Without a descriptor for its pipes it has none of these; 'error' follows.
    const stdio = this.child.stdio as ChildProcess['stdio'] | undefined;
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
      stream.setEncoding('utf8').on('data', (text: string) => this.emit('output', name, text));
    }
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
    this.child.kill('SIGTERM');
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

  private hear(message: Message): void {
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
