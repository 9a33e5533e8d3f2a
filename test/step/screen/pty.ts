// The screen on a real pseudo-terminal: what it shows, keys and signals for it, and what it leaves behind.

import { spawn, type ChildProcess } from 'node:child_process';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Emulator } from './emulator.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const PATIENCE_MS = 15_000;

export const KEYS = {
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
  left: '\x1b[D',
  backtab: '\x1b[Z',
  pageUp: '\x1b[5~',
  pageDown: '\x1b[6~',
  home: '\x1b[H',
  end: '\x1b[F',
  escape: '\x1b',
  ctrlC: '\x03',
  ctrlL: '\x0c',
} as const;

interface End {
  readonly status: number;
  readonly before: string;
  readonly after: string;
}

/** One run of run-screen.mjs. */
export class ScreenRun {
  readonly screen: Emulator;
  readonly ended: Promise<End>;
  private readonly driver: ChildProcess;
  private failure: Error | null = null;
  private wake = (): void => undefined;

  constructor(script: string, args: string[] = [], { width = 80, height = 24, env = {} } = {}) {
    this.screen = new Emulator(width, height);
    const command = [process.execPath, path.join(here, 'run-screen.mjs'), path.join(here, script), ...args];
    this.driver = spawn('python3', [path.join(here, 'pty.py'), String(width), String(height), ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], TERM: 'xterm-256color', ...env },
    });
    this.ended = new Promise((resolve, reject) => {
      this.driver.once('exit', () => reject(new Error('the driver of the terminal has ended early')));
      createInterface({ input: this.driver.stdout! }).on('line', (line) => {
        const told = JSON.parse(line) as { output: string } | End;
        if ('output' in told) this.take(told.output);
        else resolve(told);
      });
    });
    this.ended.catch(() => undefined);
  }

  private take(output: string): void {
    try {
      this.screen.write(output);
    } catch (error) {
      this.failure ??= error as Error;
    }
    this.wake();
  }

  type(keys: string): void {
    this.tell({ input: keys });
  }
  resize(width: number, height: number): void {
    this.screen.resize(width, height);
    this.tell({ resize: [width, height] });
  }
  signal(number: number): void {
    this.tell({ signal: number });
  }
  private tell(command: object): void {
    this.driver.stdin!.write(`${JSON.stringify(command)}\n`);
  }

  /** Until the screen is as asked. */
  async until(isSo: RegExp | ((screen: Emulator) => boolean), what = String(isSo)): Promise<Emulator> {
    const untilMs = performance.now() + PATIENCE_MS;
    const asked = isSo instanceof RegExp ? (screen: Emulator) => isSo.test(screen.text) : isSo;
    for (;;) {
      if (this.failure !== null) throw this.failure;
      if (asked(this.screen)) return this.screen;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw new Error(`not seen: ${what}\n${this.screen.text}\n--\n${this.screen.main}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Types, and waits until the screen is as asked. */
  async press(keys: string, isSo: RegExp | ((screen: Emulator) => boolean)): Promise<Emulator> {
    this.type(keys);
    return this.until(isSo, `${String(isSo)} after ${JSON.stringify(keys)}`);
  }

  /** How it left the terminal: call after `ended`. */
  get ending(): { code: number | null; signal: string | null; holds: number } | null {
    const told = /ENDING (\{.*\})/.exec(this.screen.main)?.[1];
    return told === undefined ? null : (JSON.parse(told) as { code: number; signal: string; holds: number });
  }

  close(): void {
    this.driver.stdin!.end();
  }
}
