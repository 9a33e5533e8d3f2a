// The doctor's end: starts the program to be examined, hears what is found in it, and ends it politely.

import { spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import type { Finding } from './finding.js';
import { neverReturned } from './never-returned.js';
import {
  CONTROL_FD,
  DOCTOR_ENVIRONMENT,
  FINISH,
  LIFELINE_FD,
  type DoctorMessage,
  type DoctorSettings,
} from './protocol.js';
import type { StuckMessage } from './stuck.js';

/** Between asking the program for what it suspects, and asking it to end. A blocked one does not answer. */
const FINISH_TIMEOUT_MS = 1000;
/** What was stuck so long ago is stuck no more, or it would have been told again. */
const STUCK_MS_MAX = 2000;
/** Between asking it to end and killing it. */
const END_TIMEOUT_MS = 1000;

export interface ExamineOptions extends DoctorSettings {
  readonly imports?: readonly string[];
  /** Ends the program after so long, counted from its first line; not before it ends itself unless given. */
  readonly forMs?: number;
  readonly signal?: AbortSignal;
  /** Told when a finding is new. */
  readonly onFound?: (finding: Finding) => void;
}

export interface Examination {
  readonly findings: readonly Finding[];
  /** Reactors and pollers that the program made. */
  readonly loops: number;
  /** Those that it made in worker threads, which are not examined. */
  readonly workerLoops: number;
  /** Mistakes beyond what is kept. */
  readonly lost: number;
  /** Ended by the doctor (time, signal), not by itself. */
  readonly stopped: boolean;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The program did not answer at the end: its thread was blocked, or it was killed. */
  readonly answered: boolean;
}

/** Runs `script` with `args` under examination. Rejects when it cannot be started. */
export function examine(
  script: string,
  args: readonly string[],
  options: ExamineOptions,
): Promise<Examination> {
  const { imports = [], forMs, signal, onFound, blockedMs } = options;
  const inside = new URL('./inside.js', import.meta.url);
  const loaded = [inside.href, ...imports].flatMap((module) => ['--import', module]);
  const settings: DoctorSettings = { blockedMs };
  const findings = new Map<number, Finding>();
  let loops = 0;
  let workerLoops = 0;
  let lost = 0;
  let answered = false;
  let stuck: { message: StuckMessage; atMs: number } | null = null;
  let judged = false;
  let stopped = false;

  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...loaded, script, ...args], {
      stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'],
      env: { ...process.env, [DOCTOR_ENVIRONMENT]: JSON.stringify(settings) },
    });
    child.once('error', reject);
    const control = child.stdio[CONTROL_FD] as Duplex | undefined;
    const lifeline = child.stdio[LIFELINE_FD] as Duplex | undefined;
    for (const stream of [control, lifeline]) stream?.on('error', () => undefined); // it has ended: 'close' tells
    let partial = '';
    control?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) hear(line);
    });
    const timers: NodeJS.Timeout[] = [];
    const after = (ms: number, act: () => void): void => void timers.push(setTimeout(act, ms));
    const stop = (): void => {
      if (stopped) return;
      stopped = true;
      control?.write(FINISH);
      after(FINISH_TIMEOUT_MS, terminate);
    };
    const add = (finding: Finding): void => {
      findings.set(finding.number, finding);
      onFound?.(finding);
    };
    /** It has not answered, and will not: what it is in is known from its other thread. */
    const judgeStuck = (pid: number | null): void => {
      if (answered || judged || stuck === null || performance.now() - stuck.atMs > STUCK_MS_MAX) return;
      for (const finding of neverReturned(stuck.message, pid, findings.size + 1)) add(finding);
      judged = true;
    };
    const terminate = (): void => {
      judgeStuck(child.pid ?? null);
      child.kill('SIGTERM');
      after(END_TIMEOUT_MS, () => child.kill('SIGKILL'));
    };
    const hear = (line: string): void => {
      let message: DoctorMessage;
      try {
        message = JSON.parse(line) as DoctorMessage;
      } catch {
        return; // cut off, or the program has written to our descriptor
      }
      if (message.type === 'done') {
        ({ loops, workerLoops, lost } = message);
        answered = true;
        if (stopped) terminate();
        return;
      }
      if (message.type === 'hello') {
        if (forMs !== undefined) after(forMs, stop);
        return;
      }
      if (message.type === 'stuck') {
        stuck = { message, atMs: performance.now() };
        return;
      }
      const { finding } = message;
      if (message.type === 'found') add(finding);
      else findings.set(finding.number, finding);
    };
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    child.once('close', (code, ending) => {
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      if (partial !== '') hear(partial);
      judgeStuck(null);
      resolve({
        findings: [...findings.values()],
        loops,
        workerLoops,
        lost,
        stopped,
        code,
        signal: ending,
        answered,
      });
    });
    // Descendants of the program may hold its end of the socket open: they are none of ours to wait for.
    child.once('exit', () => after(END_TIMEOUT_MS, () => control?.destroy()));
  });
}
