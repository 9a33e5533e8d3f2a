// The controller's end: starts the program to be stepped, sends it commands, and tells what it says and prints.

import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { readProcess, isKnown, isUnavailable, describeCall } from '../probe/index.js';
import {
  CONTROL_FD,
  LIFELINE_FD,
  LineReader,
  encode,
  type Command,
  type HeldState,
  type Message,
} from './protocol.js';

/** Between asking the program to end and killing it. */
const END_TIMEOUT_MS = 1000;

export interface SessionEvents {
  message: [message: Message];
  /** What the program printed. */
  output: [stream: 'stdout' | 'stderr', text: string];
  ended: [ending: { code: number | null; signal: NodeJS.Signals | null; error: Error | null }];
}

/** One program under control. It ends when this process does. */
export class Session extends EventEmitter<SessionEvents> {
  /** The last state told while held; null while the program runs. */
  held: HeldState | null = null;
  ended = false;
  /** {@link stop} was called. */
  stopping = false;
  /** When it was let go, or began. */
  goneMs = performance.now();
  private readonly child: ChildProcess;
  private readonly control: Duplex;

  constructor(script: string, args: readonly string[]) {
    super();
    const inside = new URL('./inside.js', import.meta.url);
    this.child = spawn(process.execPath, ['--import', inside.href, script, ...args], {
      stdio: ['inherit', 'pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: process.env['FORCE_COLOR'] ?? '0' },
    });
    const [, stdout, stderr] = this.child.stdio;
    this.control = this.child.stdio[CONTROL_FD] as Duplex;
    const lifeline = this.child.stdio[LIFELINE_FD] as Duplex;
    lifeline.on('error', () => undefined);
    this.control.on('error', () => undefined); // it has ended: 'close' tells
    const lines = new LineReader((line) => this.hear(line as Message));
    this.control.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    for (const [name, stream] of [
      ['stdout', stdout],
      ['stderr', stderr],
    ] as const) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.emit('output', name, text));
    }
    this.child.once('error', (error) => this.end(null, null, error));
    this.child.once('close', (code, signal) => this.end(code, signal, null));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  send(command: Command): void {
    const goes =
      command.do === 'step' || command.do === 'turn' || command.do === 'until' || command.do === 'continue';
    if (goes) {
      this.held = null;
      this.goneMs = performance.now();
    }
    this.control.write(encode(command));
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

  private hear(message: Message): void {
    if (message.type === 'held') this.held = message;
    this.emit('message', message);
  }
  private end(code: number | null, signal: NodeJS.Signals | null, error: Error | null): void {
    if (this.ended) return;
    this.ended = true;
    this.held = null;
    this.emit('ended', { code, signal, error });
  }
}
