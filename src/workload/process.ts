// What every process of a run does alike: says when it is ready, takes commands from standard input, and never outlives
// its parent.

import { createInterface } from 'node:readline';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { binding } from '../binding.js';
import { SystemError, UnderloopError, argumentError, checkInteger } from '../errors.js';

/** A process that has not stopped by then is ended without. */
const STOP_MS_MAX = 1400;

type Options = NonNullable<ParseArgsConfig['options']>;

/** The options of every such process, beside its own. */
const commonOptions = { 'lifeline-fd': { type: 'string' } } as const satisfies Options;

/** Options as they stand in the command line. */
export class Flags {
  private constructor(private readonly values: Readonly<Record<string, unknown>>) {}

  /** Throws ERR_ARGUMENT for options that are not known. */
  static parse(args: readonly string[], names: readonly string[]): Flags {
    const options: Options = { ...commonOptions };
    for (const name of names) options[name] = { type: 'string' };
    try {
      return new Flags(parseArgs({ args: [...args], options, strict: true }).values);
    } catch (error) {
      throw new UnderloopError('ERR_ARGUMENT', (error as Error).message, { cause: error });
    }
  }

  text(name: string): string | undefined {
    return this.values[name] as string | undefined;
  }
  integer(name: string, min: number, max: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : text;
    checkInteger(`--${name}`, value, min, max);
    return value;
  }
  requiredInteger(name: string, min: number, max: number): number {
    const value = this.integer(name, min, max);
    if (value === undefined) {
      throw argumentError(`--${name}`, `an integer from ${String(min)} to ${String(max)}`, undefined);
    }
    return value;
  }
}

/** A server that is running. */
export interface Running {
  /** What the line that says "ready" tells, beside the pid. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** The answer to the command `counters`. `usage` in it is that of further processes, and is added to this one's. */
  counters(): object | Promise<object>;
  stop(): void | Promise<void>;
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * Runs a server as a process: starts its lifeline, prints one line of JSON when it is ready, answers `counters` on
 * standard input with another, and stops and exits with 0 at that input's end or on SIGTERM or SIGINT. A mistake in the
 * options, or a refusal by the system, is one line on standard error and exit code 2 or 1.
 */
export async function runProcess(
  names: readonly string[],
  start: (flags: Flags) => Running | Promise<Running>,
): Promise<void> {
  try {
    const flags = Flags.parse(process.argv.slice(2), names);
    const lifelineFd = flags.integer('lifeline-fd', 0, 0x7fffffff);
    if (lifelineFd !== undefined) startLifeline(lifelineFd);
    const running = await start(flags);
    serve(running);
    print({ ...running.ready, pid: process.pid });
  } catch (error) {
    if (!(error instanceof UnderloopError || error instanceof SystemError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(error.code === 'ERR_ARGUMENT' ? 2 : 1);
  }
}

/** From now on this process ends when `fd` does, even if its JavaScript is blocked. */
export function startLifeline(fd: number): void {
  const result = binding.lifelineStart(fd);
  if (result < 0) throw new SystemError('start the lifeline', result, { fd });
}

/** What this process has used so far, read together with its counters: a difference of two is exact for what they count. */
export interface Usage {
  /** On the monotonic clock. */
  atNs: number;
  /** All threads, those that have ended too; getrusage(2). */
  cpuUs: number;
  voluntarySwitches: number;
  involuntarySwitches: number;
}

const NOTHING_USED: Usage = { atNs: 0, cpuUs: 0, voluntarySwitches: 0, involuntarySwitches: 0 };

/** This process's, and with it that of the processes which serve for it. */
function usageWith(others: Usage = NOTHING_USED): Usage {
  const used = process.resourceUsage();
  return {
    atNs: binding.monotonicNs(),
    cpuUs: used.userCPUTime + used.systemCPUTime + others.cpuUs,
    voluntarySwitches: used.voluntaryContextSwitches + others.voluntarySwitches,
    involuntarySwitches: used.involuntaryContextSwitches + others.involuntarySwitches,
  };
}

function serve(running: Running): void {
  let stopping = false;
  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
    await running.stop();
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  // A parent that has gone without a word: nobody reads what is printed.
  process.stdout.on('error', () => void stop());
  const answer = async (): Promise<void> => {
    const { usage, ...counters } = (await running.counters()) as { usage?: Usage };
    print({ ...counters, usage: usageWith(usage) });
  };
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (line.trim() === 'counters') void answer();
      else if (line.trim() !== '') print({ error: `unknown command: ${line.slice(0, 60)}` });
    })
    .on('close', () => void stop());
}
