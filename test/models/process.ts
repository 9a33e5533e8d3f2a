// Starts one of dist/'s server processes as a run does: ready line, commands on standard input, lifeline on descriptor 3.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** Long against a loaded machine, short against a test's own limit, so that the message is ours. */
const HANG_MS = 15_000;

export interface Ready {
  port: number;
  pid: number;
  model?: string;
}

export class ServerProcess {
  stderr = '';
  private readonly lines: string[] = [];
  private readonly looks = new Set<() => void>();
  readonly exit: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private gone = false;
  ready: Ready = { port: 0, pid: 0 };

  private constructor(
    readonly child: ChildProcess,
    private readonly name: string,
  ) {
    let rest = '';
    (child.stdout as Readable).setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      this.lines.push(...parts);
      this.look();
    });
    (child.stderr as Readable).setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.look();
    });
    child.stdin?.on('error', () => {});
    child.stdio[3]?.on('error', () => {}); // it is reset when the process ends without having read it
    this.exit = once(child, 'close').then(([code, signal]) => {
      this.gone = true;
      this.look();
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** `file` is below dist/. It has ended, at the latest, when {@link end} has resolved. */
  static async start(
    file: string,
    args: readonly string[] = [],
    wrapper: readonly string[] = [],
  ): Promise<ServerProcess> {
    const server = ServerProcess.spawn(file, ['--port', '0', '--lifeline-fd', '3', ...args], wrapper);
    server.ready = JSON.parse(await server.line()) as Ready;
    return server;
  }
  /** `wrapper`: a command that runs it, such as prlimit. */
  static spawn(file: string, args: readonly string[], wrapper: readonly string[] = []): ServerProcess {
    const path = fileURLToPath(new URL(`../../dist/${file}`, import.meta.url));
    const [command, ...all] = [...wrapper, process.execPath, path, ...args];
    const child = spawn(command!, all, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    return new ServerProcess(child, [file, ...args].join(' '));
  }

  get lifeline(): Writable {
    return this.child.stdio[3] as Writable;
  }

  async until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(limit);
        this.looks.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const fail = (why: string): void =>
        settle(new Error(`${this.name}: ${why} without ${what}; it said:\n${this.stderr}`));
      const look = (): void => {
        if (done()) settle();
        else if (this.gone) fail('ended');
      };
      const limit = setTimeout(() => fail(`${String(HANG_MS)} ms`), HANG_MS);
      this.looks.add(look);
    });
  }
  async line(): Promise<string> {
    await this.until(() => this.lines.length > 0, 'a line');
    return this.lines.shift()!;
  }
  async counters(): Promise<Record<string, number>> {
    this.child.stdin?.write('counters\n');
    return JSON.parse(await this.line()) as Record<string, number>;
  }
  /** Asks for the counters until they are so. */
  async untilCounters(done: (counters: Record<string, number>) => boolean): Promise<Record<string, number>> {
    const deadlineMs = performance.now() + HANG_MS;
    for (;;) {
      const counters = await this.counters();
      if (done(counters)) return counters;
      if (performance.now() > deadlineMs)
        throw new Error(`${this.name}: counters stay ${JSON.stringify(counters)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async end(): Promise<void> {
    if (!this.gone) this.child.kill('SIGKILL');
    await this.exit;
  }

  private look(): void {
    for (const look of [...this.looks]) look();
  }
}

/** How many threads of a process (this one unless given) have this name; -1 where there is no /proc. */
export function threadsNamed(name: string, pid: number | 'self' = 'self'): number {
  if (process.platform !== 'linux') return -1;
  let count = 0;
  for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
    try {
      if (readFileSync(`/proc/${String(pid)}/task/${thread}/comm`, 'utf8').trim() === name) count++;
    } catch {
      // It has ended meanwhile.
    }
  }
  return count;
}
