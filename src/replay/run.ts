// The command's side: starts the program to be recorded or replayed, and hears what it reports.

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync } from 'node:fs';
import * as path from 'node:path';
import type { Duplex } from 'node:stream';
import { argumentError } from '../errors.js';
import { LineReader } from '../step/protocol.js';
import { Blocks } from './blocks.js';
import type { Facts } from './format.js';
import {
  ENVIRONMENT,
  REPORT_FD,
  type Circumstances,
  type Order,
  type RecordEnded,
  type RecordSummary,
  type Verdict,
} from './protocol.js';
import { reachOf, takeFile, type Reach } from './recording-file.js';
import { ownTerminals } from './terminals.js';

const inside = new URL('./inside.js', import.meta.url).href;

/** The program's own arguments of the runtime: what is loaded before it. */
export const nodeArguments = (imports: readonly string[]): string[] =>
  [inside, ...imports].flatMap((module) => ['--import', module]);

export interface RecordRun {
  readonly script: string;
  readonly args: readonly string[];
  readonly file: string;
  readonly bytesMax: number;
  readonly imports: readonly string[];
  readonly version: string;
  /** Aborted: the program gets the signal that is the reason (SIGINT by default), and its recording is whole. */
  readonly signal?: AbortSignal;
  /** What the program prints goes where ours does, unless somebody hears it. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', text: string) => void;
  /** Called at once when the recording ends and the program goes on. */
  readonly onEnded?: (ended: RecordEnded) => void;
}

export interface Recorded {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Null: the program was killed and could report nothing. */
  readonly summary: RecordSummary | null;
  /** Null: it goes to the program's end, or until the program was killed. */
  readonly ended: RecordEnded | null;
  readonly extent: Reach;
}

/**
 * Runs a program as it is, and records it. Throws ERR_BUSY when another recording is being written to that file, or what the
 * system says of one that cannot be opened.
 */
export async function record(run: RecordRun): Promise<Recorded> {
  const fd = takeFile(path.resolve(run.file));
  try {
    return await recordTo(fd, run);
  } finally {
    closeSync(fd);
  }
}

async function recordTo(fd: number, run: RecordRun): Promise<Recorded> {
  const { bytesMax, imports, version, signal } = run;
  const file = path.resolve(run.file);
  const terminals = run.onOutput === undefined ? ownTerminals() : [];
  const order: Order = { do: 'record', bytesMax, imports, version, terminals };
  const child = spawn(process.execPath, [...nodeArguments(imports), run.script, ...run.args], {
    stdio: [...(run.onOutput === undefined ? OURS : HEARD), 'pipe', 'pipe', fd],
    env: { ...process.env, [ENVIRONMENT]: JSON.stringify(order) },
  });
  hearOutput(child, run.onOutput);
  const interrupt = (): void => {
    const reason: unknown = signal?.reason;
    child.kill(typeof reason === 'string' ? (reason as NodeJS.Signals) : 'SIGINT');
  };
  signal?.addEventListener('abort', interrupt);
  let summary: RecordSummary | null = null;
  let early: RecordEnded | null = null;
  hearReport(child, (message) => {
    if (message.type === 'ended') {
      early = message;
      run.onEnded?.(message);
    } else summary = message as RecordSummary;
  });
  const ending = await ended(child);
  signal?.removeEventListener('abort', interrupt);
  return { ...ending, summary, ended: early, extent: reachOf(file) };
}

export interface ReplayRun {
  readonly file: string;
  /** In the place of the recorded script: a changed copy of it. */
  readonly script?: string;
  /** Stop at this event. */
  readonly to?: number;
  /** Modules to be loaded beside the recorded ones, and what they find in the environment: for tests. */
  readonly imports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What the program prints; without it, nobody hears. */
  readonly onOutput?: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Replayed {
  readonly facts: Facts;
  /** Null: the process ended without one (killed, or aborted). */
  readonly verdict: Verdict | null;
  readonly circumstances: Circumstances | null;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How the process of a replay is started. */
export function replayProcess(
  facts: Facts,
  script: string | undefined,
  order: Order,
): { readonly args: string[]; readonly cwd: string; readonly env: NodeJS.ProcessEnv } {
  checkPlace(facts, script);
  return {
    args: [
      ...nodeArguments(facts.imports),
      script === undefined ? facts.script : path.resolve(script),
      ...facts.args,
    ],
    cwd: facts.cwd,
    env: { ...facts.environment, [ENVIRONMENT]: JSON.stringify(order) },
  };
}

/** Throws ERR_ARGUMENT when what was recorded cannot be run here any more. */
function checkPlace({ cwd, script }: Facts, other: string | undefined): void {
  if (!existsSync(cwd))
    throw argumentError('FILE', 'a recording whose working directory is there still', cwd);
  if (other === undefined && !existsSync(script)) {
    throw argumentError('SCRIPT', 'given, for the recorded one is not there any more', script);
  }
}

/** What a recording is of. Throws ERR_RECORDING_FORMAT, _VERSION, _CORRUPT, or the system's error. */
export function factsOf(file: string): Facts {
  const blocks = new Blocks(file);
  blocks.close();
  return blocks.facts;
}

/** Runs the recorded program again, by its recording. Throws as {@link factsOf} does. */
export async function replay(run: ReplayRun): Promise<Replayed> {
  const file = path.resolve(run.file);
  const facts = factsOf(file);
  const order: Order = { do: 'replay', file, ...(run.to !== undefined && { to: run.to }) };
  const imports = [...facts.imports, ...(run.imports ?? [])];
  const { args, cwd, env } = replayProcess({ ...facts, imports }, run.script, order);
  const child = spawn(process.execPath, args, {
    stdio: [...HEARD, 'pipe', 'pipe'],
    cwd,
    env: { ...env, ...run.environment },
  });
  hearOutput(child, run.onOutput);
  const kill = (): void => void child.kill('SIGKILL');
  run.signal?.addEventListener('abort', kill);
  let verdict: Verdict | null = null;
  let circumstances: Circumstances | null = null;
  hearReport(child, (message) => {
    if (message.type === 'circumstances') circumstances = message;
    else verdict = message as Verdict;
  });
  const ending = await ended(child);
  run.signal?.removeEventListener('abort', kill);
  return { facts, verdict, circumstances, ...ending };
}

/** What the program has left behind may hold its output open: it is none of ours to wait for. */
const LINGER_MS = 1000;

const OURS = ['inherit', 'inherit', 'inherit'] as const;
const HEARD = ['ignore', 'pipe', 'pipe'] as const;

function hearOutput(child: ChildProcess, hear: RecordRun['onOutput']): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = child[name];
    stream?.setEncoding('utf8').on('data', (text: string) => hear?.(name, text));
  }
}

type Report = RecordSummary | RecordEnded | Verdict | Circumstances;

function hearReport(child: ChildProcess, hear: (message: Report) => void): void {
  const stream = (child.stdio as ChildProcess['stdio'] | undefined)?.[REPORT_FD] as Duplex | undefined;
  const lines = new LineReader((line) => hear(line as Report));
  stream?.setEncoding('utf8').on('data', (text: string) => lines.push(text));
  for (const one of (child.stdio as ChildProcess['stdio'] | undefined) ?? [])
    one?.on('error', () => undefined);
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    let lingering: NodeJS.Timeout | undefined;
    child.once('exit', () => {
      lingering = setTimeout(() => {
        for (const stream of child.stdio) stream?.destroy();
      }, LINGER_MS);
    });
    child.once('close', (code, signal) => {
      clearTimeout(lingering);
      resolve({ code, signal });
    });
  });
}
