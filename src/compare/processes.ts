// Starts, pins and ends the processes of a comparison: none of them outlives the run, however it ends.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** How long a process may take to say that it is ready. Generous: a cold start on a loaded machine. */
const READY_TIMEOUT_MS = 15_000;
/** Between asking a process to end and killing it. */
const STOP_TIMEOUT_MS = 3_000;
/** What is kept of a child's stderr, to be shown when it fails. */
const STDERR_CHARACTERS_MAX = 4_000;
/** The descriptor on which children have their lifeline: they end when this process does, even by SIGKILL. */
export const LIFELINE_FD = 3;

const living = new Set<Child>();
let guarded = false;

/** Ends all children by their pids when this process ends. Of a SIGKILL their lifelines tell them. */
function guard(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', () => {
    for (const child of living) child.kill();
  });
}

/** The processors this process may run on, from the kernel's list form ("0-3,8"); empty where it cannot be had. */
export function allowedCpus(): number[] {
  let status: string;
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    return [];
  }
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? '';
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

/** A process of a run: it speaks in lines of JSON, and ends when its stdin or this process does. */
export class Child {
  readonly pid: number;
  /** Why it ended before it was asked to; null while it lives or after {@link stop}. */
  failure: string | null = null;
  private readonly process: ChildProcess;
  private readonly lines: string[] = [];
  private readonly waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  private stderr = '';
  private ended = false;
  private stopping = false;
  private readonly gone: Promise<void>;

  private constructor(
    readonly name: string,
    script: string,
    args: readonly string[],
    cpu: number | null,
  ) {
    guard();
    const command = [process.execPath, script, ...args];
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
        this.onEnd(error.message);
        resolve();
      });
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
  ): Promise<{ child: Child; ready: Record<string, unknown> }> {
    const child = new Child(name, script, args, cpu);
    try {
      return { child, ready: (await child.next(READY_TIMEOUT_MS)) as Record<string, unknown> };
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Writes one line to its stdin. */
  send(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  /** The next line that it prints, parsed. Rejects when it ends first or takes longer than `timeoutMs`. */
  async next(timeoutMs: number): Promise<unknown> {
    const line = await new Promise<string>((resolve, reject) => {
      const ready = this.lines.shift();
      if (ready !== undefined) {
        resolve(ready);
        return;
      }
      if (this.ended) {
        reject(new Error(this.describe()));
        return;
      }
      const waiter = {
        resolve: (text: string) => {
          clearTimeout(timer);
          resolve(text);
        },
        reject: (error: Error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(new Error(`${this.name} said nothing for ${String(timeoutMs)} ms`));
      }, timeoutMs);
      this.waiting.push(waiter);
    });
    return JSON.parse(line) as unknown;
  }

  /** Asks it to end by closing its stdin; kills it when it does not. Resolves when it is gone. Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true;
    if (this.ended) return;
    this.process.stdin?.end();
    const timer = setTimeout(() => {
      this.kill();
    }, STOP_TIMEOUT_MS);
    await this.gone;
    clearTimeout(timer);
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private onLine(line: string): void {
    if (line === '') return;
    const waiter = this.waiting.shift();
    if (waiter === undefined) this.lines.push(line);
    else waiter.resolve(line);
  }

  private onEnd(how: string): void {
    if (this.ended) return;
    this.ended = true;
    living.delete(this);
    if (!this.stopping) this.failure = how;
    const error = new Error(this.describe());
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }

  private describe(): string {
    const how = this.failure ?? 'has ended';
    const text = this.stderr.trim();
    return `${this.name} ${how}${text === '' ? '' : `: ${text}`}`;
  }
}

/** Ends every process that is left. */
export async function stopAll(): Promise<void> {
  await Promise.all([...living].map((child) => child.stop()));
}
