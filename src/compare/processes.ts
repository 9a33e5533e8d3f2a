// Starts, pins and ends the processes of a comparison: none of them outlives the run, however it ends.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** How long a process may take to say that it is ready. Generous: a cold start on a loaded machine. */
const READY_TIMEOUT_MS = 15_000;
/** Between asking a process to end and killing it. Ten thousand threads take a second to end. */
const STOP_TIMEOUT_MS = 5_000;
/** What is kept of a child's stderr, to be shown when it fails. */
const STDERR_CHARACTERS_MAX = 4_000;
/** The descriptor on which children have their lifeline: they end when this process does, even by SIGKILL. */
const LIFELINE_FD = 3;

const living = new Set<Child>();

/** Ends all children by their pids when this process ends. Of a SIGKILL their lifelines tell them. */
function killAll(): void {
  for (const child of living) child.kill();
}

/** The processors this process may run on, from the kernel's list form ("0-3,8"); empty where it cannot be had. */
function allowedCpus(): number[] {
  let status: string;
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    return [];
  }
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '';
  if (list === '') return [];
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Number.isInteger(first) ? Array.from({ length: last - first + 1 }, (_, i) => first + i) : [];
  });
}

/** Which cores servers and everything else are pinned to; null: not pinned, with the reason. */
export interface Pinning {
  readonly serverCpu: number | null;
  readonly clientCpu: number | null;
  readonly reason: string | null;
}

export function choosePinning(): Pinning {
  const cpus = allowedCpus();
  const unpinned = (reason: string): Pinning => ({ serverCpu: null, clientCpu: null, reason });
  if (spawnSync('taskset', ['--version']).status !== 0) return unpinned('taskset is not there');
  if (cpus.length < 2) return unpinned('only one core may be used');
  return { serverCpu: cpus[0], clientCpu: cpus[1], reason: null };
}

/** A program of this package, as a path below dist/. */
export function program(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

interface Waiter {
  resolve(line: string): void;
  reject(error: Error): void;
}

/** A process of a run: it speaks in lines of JSON, and ends when its stdin or this process does. */
export class Child {
  readonly pid: number;
  private readonly process: ChildProcess;
  private readonly lines: string[] = [];
  private waiter: Waiter | null = null;
  private stderr = '';
  private ending: string | null = null;
  private readonly gone: Promise<void>;

  private constructor(
    readonly name: string,
    script: string,
    args: readonly string[],
    cpu: number | null,
  ) {
    if (living.size === 0 && !process.listeners('exit').includes(killAll)) process.on('exit', killAll);
    const command = [process.execPath, script, ...args, '--lifeline-fd', String(LIFELINE_FD)];
    // taskset(1) replaces itself by the command: the child's pid is the command's own.
    const pinned = cpu === null ? command : ['taskset', '-c', String(cpu), ...command];
    const child = spawn(pinned[0], pinned.slice(1), { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    this.process = child;
    this.pid = child.pid ?? -1;
    living.add(this);
    let partial = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (partial + text).split('\n');
      partial = parts.pop() ?? '';
      for (const line of parts) this.onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_CHARACTERS_MAX);
    });
    child.stdin.on('error', () => undefined); // it has ended: 'close' tells
    (child.stdio[LIFELINE_FD] as Writable).on('error', () => undefined);
    this.gone = new Promise((resolve) => {
      child.once('error', (error) => {
        this.onEnd(`cannot be started: ${error.message}`);
        resolve();
      });
      // 'close' rather than 'exit': by then all that it printed has been read.
      child.once('close', (code, signal) => {
        this.onEnd(signal === null ? `ended with exit status ${String(code)}` : `was ended by ${signal}`);
        resolve();
      });
    });
  }

  /** Starts a script and waits for its first line, which says that it is ready. */
  static async start(
    name: string,
    script: string,
    args: readonly string[],
    cpu: number | null,
  ): Promise<{ child: Child; ready: unknown }> {
    const child = new Child(name, script, args, cpu);
    try {
      return { child, ready: await child.next(READY_TIMEOUT_MS) };
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Writes one line to its stdin. */
  send(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** The next line that it prints, parsed. Rejects when it ends first or takes longer than `timeoutMs`. One call at a time. */
  async next(timeoutMs: number): Promise<unknown> {
    const line = await new Promise<string>((resolve, reject) => {
      const ready = this.lines.shift();
      if (ready !== undefined) return resolve(ready);
      if (this.ending !== null) return reject(this.endError());
      const timer = setTimeout(() => {
        this.waiter = null;
        reject(new Error(`${this.name} said nothing for ${String(timeoutMs)} ms`));
      }, timeoutMs);
      this.waiter = {
        resolve: (text) => {
          clearTimeout(timer);
          resolve(text);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
    return JSON.parse(line) as unknown;
  }

  /** Asks it to end by closing its stdin; kills it when it does not. Resolves when it is gone. Idempotent. */
  async stop(): Promise<void> {
    if (this.ending === null) {
      this.process.stdin?.end();
      const timer = setTimeout(() => this.kill(), STOP_TIMEOUT_MS);
      await this.gone;
      clearTimeout(timer);
    }
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private onLine(line: string): void {
    if (line === '') return;
    const waiter = this.waiter;
    this.waiter = null;
    if (waiter === null) this.lines.push(line);
    else waiter.resolve(line);
  }

  private onEnd(how: string): void {
    if (this.ending !== null) return;
    this.ending = how;
    living.delete(this);
    this.waiter?.reject(this.endError());
    this.waiter = null;
  }

  private endError(): Error {
    const text = this.stderr.trim();
    return new Error(`${this.name} ${String(this.ending)}${text === '' ? '' : `: ${text}`}`);
  }
}

/** Ends every process that is left. */
export async function stopAll(): Promise<void> {
  await Promise.all([...living].map((child) => child.stop()));
}
