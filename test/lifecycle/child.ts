// Runs a test's program in a node process of its own, from dist/, with a limit of time: what hangs is a failed test.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Long against a loaded machine, short against a test's own limit, so that the message is ours. Sanitizers want more. */
export const HANG_MS = Number(process.env['UNDERLOOP_HANG_MS'] ?? 15_000);

export interface ProgramOptions {
  /** Options of node itself. */
  execArgv?: string[];
  env?: Record<string, string>;
  hangMs?: number;
  /** The limit of open files that it starts with. */
  openFilesMax?: number;
}

export interface Outcome {
  /** The exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A program that is running. */
export class Program {
  stdout = '';
  stderr = '';
  readonly outcome: Promise<Outcome>;
  private hung = false;
  private readonly waiting = new Set<() => void>();

  constructor(
    readonly child: ChildProcess,
    private readonly name: string,
    hangMs: number,
  ) {
    const limit = setTimeout(() => {
      this.hung = true;
      child.kill('SIGKILL');
    }, hangMs);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      for (const look of this.waiting) look();
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.outcome = once(child, 'close').then(([code, signal]) => {
      clearTimeout(limit);
      if (this.hung)
        throw new Error(`${name} hung for ${String(hangMs)} ms; it said:\n${this.stdout}${this.stderr}`);
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
    this.outcome.catch(() => {}); // whoever awaits it hears of it
  }

  /** Waits until the program has printed a line that begins with `beginning`, and gives the rest of that line. */
  async line(beginning: string): Promise<string> {
    const pattern = new RegExp(`^${beginning}(.*)\n`, 'm');
    const printed = new Promise<string>((resolve) => {
      const look = (): void => {
        const match = pattern.exec(this.stdout);
        if (match !== null) resolve(match[1]!.trim());
      };
      this.waiting.add(look);
      look();
    });
    const ended = this.outcome.then(({ stderr }) => {
      throw new Error(
        `${this.name} ended before it printed "${beginning}"; it said:\n${this.stdout}${stderr}`,
      );
    });
    return Promise.race([printed, ended]);
  }
}

/** Starts `program` (a path under test/). */
export function startProgram(program: string, args: string[] = [], options: ProgramOptions = {}): Program {
  const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
  const env: NodeJS.ProcessEnv = { ...process.env, ...options.env };
  // The runner's own settings are not the program's.
  delete env['NODE_OPTIONS'];
  const command = [process.execPath, ...(options.execArgv ?? []), path, ...args];
  const { openFilesMax } = options;
  if (openFilesMax !== undefined)
    command.unshift('sh', '-c', `ulimit -n ${String(openFilesMax)} && exec "$0" "$@"`);
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env });
  return new Program(child, [program, ...args].join(' '), options.hangMs ?? HANG_MS);
}

/** Runs it to its end. */
export async function runProgram(
  program: string,
  args?: string[],
  options?: ProgramOptions,
): Promise<Outcome> {
  return startProgram(program, args, options).outcome;
}
