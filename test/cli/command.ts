// Runs the real command line as a child process, and finds every process and listening socket that it brought about.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../src/compare/report.js';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Inherited by all that a command starts, and by nothing else on the machine. */
const MARK = 'UNDERLOOP_TEST_RUN';
/**
 * Against a hang only, and shorter than a test's own limit so that the message is ours. Long: on a machine that is busy
 * with other work each cell of idle waits 4 s for memory to be at rest.
 */
const HANG_MS = 80_000;
export const TEST_TIMEOUT_MS = HANG_MS + 10_000;
const LOOK_MS = 10;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Relative {
  pid: number;
  /** `server`, `upstream`, `generator`; other programs by their command line. */
  role: string;
}

const roles: readonly (readonly [string, string])[] = [
  ['server', 'models/serve.js'],
  ['upstream', 'workload/upstream.js'],
  ['generator', 'load/generate.js'],
  ['runner', 'cli/main.js'],
];

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has ended, or is not ours
  }
}

export class CommandRun {
  readonly mark = `${MARK}=${randomUUID()}`;
  readonly process: ChildProcess;
  readonly outcome: Promise<Outcome>;
  /** All pids that {@link processes} has found so far. */
  readonly seen = new Set<number>();
  stdout = '';
  stderr = '';
  private over = false;

  /** In a process group of its own, as a shell starts it: {@link interrupt} does what the interrupt key does. */
  constructor(args: readonly string[], command: readonly string[] = [process.execPath, MAIN]) {
    const [name, value] = this.mark.split('=') as [string, string];
    const [file, ...rest] = [...command, ...args] as [string, ...string[]];
    this.process = spawn(file, rest, {
      env: { ...process.env, [name]: value },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.outcome = once(this.process, 'close').then(([code, signal]) => {
      this.over = true;
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** A signal to the whole process group, as a terminal sends it. */
  interrupt(signal: NodeJS.Signals = 'SIGINT'): void {
    process.kill(-this.pid, signal);
  }

  /** Every process that is alive and was started by the command, itself included. */
  processes(): Relative[] {
    const found: Relative[] = [];
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      if (!read(`/proc/${name}/environ`).split('\0').includes(this.mark)) continue;
      const words = read(`/proc/${name}/cmdline`).split('\0');
      // taskset(1), for the moment before it turns into the command, has the command's words too.
      const role = roles.find(([, script]) => words.some((word) => word.endsWith(script)))?.[0];
      this.seen.add(Number(name));
      found.push({ pid: Number(name), role: role ?? words.join(' ') });
    }
    return found;
  }

  /** Waits for a process of this role. */
  async find(role: string): Promise<Relative> {
    let found: Relative | undefined;
    await this.until(() => (found = this.processes().find((one) => one.role === role)) !== undefined, role);
    return found!;
  }

  /** Waits until it is so; throws when the command ends before. */
  async until(done: () => boolean, what: string): Promise<void> {
    const deadlineMs = performance.now() + HANG_MS;
    while (!done()) {
      if (this.over || performance.now() > deadlineMs)
        throw new Error(`${this.over ? 'it ended' : 'too long'} without ${what}: ${this.stderr}`);
      await pause(LOOK_MS);
    }
  }

  /** Ends it and all that it started, at whatever point a test has failed. */
  async end(): Promise<void> {
    for (const { pid } of this.processes()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    await this.outcome;
  }
}

/** Not even ending: a process loses its memory, and with it its environment, before it closes its descriptors. */
function isAlive(pid: number): boolean {
  const state = /\) (\S)/.exec(read(`/proc/${pid}/stat`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/**
 * Waits until none of its processes is left, nor a listening socket out of `inodes`. Gives what is after `limitMs`:
 * two empty lists when all is well.
 */
export async function leftAfter(
  run: CommandRun,
  limitMs: number,
  inodes: ReadonlySet<string> = new Set(),
): Promise<{ processes: number[]; sockets: string[] }> {
  const deadlineMs = performance.now() + limitMs;
  for (;;) {
    // The time before the look: a slow look shall not be held against them.
    const late = performance.now() > deadlineMs;
    run.processes();
    const processes = [...run.seen].filter(isAlive);
    const listening = listeningInodes();
    const sockets = [...inodes].filter((inode) => listening.has(inode));
    if (late || (processes.length === 0 && sockets.length === 0)) return { processes, sockets };
    await pause(LOOK_MS);
  }
}

export async function runCommand(args: readonly string[], command?: readonly string[]): Promise<Outcome> {
  const run = new CommandRun(args, command);
  const timer = setTimeout(() => void run.end(), HANG_MS);
  try {
    return await run.outcome;
  } finally {
    clearTimeout(timer);
  }
}

/** `compare` with its report read back. */
export async function compareJson(args: readonly string[]): Promise<Outcome & { report: Report }> {
  const outcome = await runCommand(['compare', ...args, '--json', '--quiet']);
  if (outcome.stdout === '') throw new Error(`no report: ${outcome.stderr}`);
  return { ...outcome, report: JSON.parse(outcome.stdout) as Report };
}

type TcpState = '0A' | '01';
export const ESTABLISHED: TcpState = '01';

/** The inodes of all TCP sockets of this network namespace that listen, or are in another state. */
export function listeningInodes(state: TcpState = '0A'): Set<string> {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => read(path).split('\n').slice(1));
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === state)
      .map((fields) => fields[9]!),
  );
}

/** Those among them that these processes hold. A port may be given to somebody else; an inode's number is not, so soon. */
export function inodesOf(processes: readonly Relative[], state?: TcpState): Set<string> {
  const held = new Set<string>();
  for (const { pid } of processes) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode !== undefined) held.add(inode);
      }
    } catch {
      // It has ended.
    }
  }
  const listening = listeningInodes(state);
  return new Set([...held].filter((inode) => listening.has(inode)));
}
