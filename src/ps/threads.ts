// What each thread of a process does or sleeps in: its state, the system call with what it waits for, and for how long.

import type { Figure, Files, ProcessSnapshot, Reading, ThreadCall, ThreadSnapshot } from '../probe/index.js';
import { clockTicksPerSecond, isKnown, known, systemFiles, unavailable } from '../probe/index.js';

/** How long a call waits at most, as far as its arguments say: `none` is for ever; `some`: the figure lies in memory. */
export type CallTimeout =
  { readonly kind: 'none' } | { readonly kind: 'some' } | { readonly kind: 'ms'; readonly ms: number };

export interface PsThread {
  readonly threadId: number;
  /** At most 15 bytes: what the kernel keeps. */
  readonly name: string;
  readonly main: boolean;
  /** proc_pid_stat(5): R, S, D, T, t, Z, X, I. */
  readonly state: string;
  readonly call: Reading<ThreadCall>;
  /** Null: the call has none, or it is not known where it stands. */
  readonly timeout: CallTimeout | null;
  /** The kernel's function in which it sleeps. */
  readonly waitChannel: Reading<string>;
  /** Milliseconds since it last ran; about, for it is read off the scheduler's own clock. */
  readonly asleepMs: Figure;
  /** Milliseconds for which it has certainly not run: only known after a second look at the same process. */
  readonly notRunMs: Figure;
}

const STATES: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'asleep',
  D: 'asleep, cannot be interrupted',
  T: 'stopped by a signal',
  t: 'stopped by a tracer',
  Z: 'ended, not collected yet',
  X: 'ended',
  I: 'idle',
};

/** For people; the letter itself where it is none of the known. */
export const describeState = (state: string): string => STATES[state] ?? `state ${state}`;

/**
 * What an argument says of the time: `ms` an int of milliseconds, `pointer` the address of a timespec, of which only
 * whether there is one can be told without reading the process's memory.
 */
const TIMEOUTS: Readonly<Record<string, readonly ['ms' | 'pointer', number]>> = {
  epoll_wait: ['ms', 3],
  epoll_pwait: ['ms', 3],
  epoll_pwait2: ['pointer', 3],
  poll: ['ms', 2],
  ppoll: ['pointer', 2],
  select: ['pointer', 4],
  pselect6: ['pointer', 4],
  futex: ['pointer', 3],
  rt_sigtimedwait: ['pointer', 2],
  recvmmsg: ['pointer', 4],
  io_getevents: ['pointer', 4],
  semtimedop: ['pointer', 3],
};

export function timeoutOf(call: Reading<ThreadCall>): CallTimeout | null {
  if (!isKnown(call) || call.value.kind !== 'call' || call.value.name === null) return null;
  const place = TIMEOUTS[call.value.name] as (typeof TIMEOUTS)[string] | undefined;
  if (place === undefined) return null;
  const argument = BigInt(call.value.arguments[place[1]]);
  if (place[0] === 'pointer') return argument === 0n ? { kind: 'none' } : { kind: 'some' };
  const ms = Number(BigInt.asIntN(32, argument));
  return ms < 0 ? { kind: 'none' } : { kind: 'ms', ms };
}

/**
 * Whether a process has 32-bit words, and so another table of system calls: its auxiliary vector is pairs of words, the
 * first of each a small number. Unavailable: it may not be read, or has none (a thread of the kernel's).
 */
export function has32BitWords(pid: number, files: Files = systemFiles): Reading<boolean> {
  const auxv = files.bytes(`/proc/${pid}/auxv`);
  if (!isKnown(auxv)) return auxv;
  if (auxv.value.length < 16) return unavailable(`/proc/${pid}/auxv is empty`);
  const { buffer, byteOffset } = auxv.value;
  const view = new DataView(buffer, byteOffset);
  const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
  return known(view.getBigUint64(0, littleEndian) > 0xffffn, '/proc/PID/auxv');
}

/** A number of another table would be named wrongly: then it is not named at all. */
export function unnamed(call: Reading<ThreadCall>): Reading<ThreadCall> {
  if (!isKnown(call) || call.value.kind !== 'call') return call;
  return known({ ...call.value, name: null, fd: null }, call.source);
}

// ---- since when ----------------------------------------------------------------------------------------------------

interface Ran {
  readonly ms: number;
  readonly cpu: number;
}

/** When a thread last ran on which CPU, on the clock of that CPU's scheduler (CONFIG_SCHED_DEBUG). Null: not to be had. */
function lastRan(folder: string, files: Files): Ran | null {
  const sched = files.text(`${folder}/sched`);
  const stat = files.text(`${folder}/stat`);
  if (!isKnown(sched) || !isKnown(stat)) return null;
  const at = /^se\.exec_start\s*:\s*(\d+\.\d+)$/m.exec(sched.value);
  // Field 39; the name in brackets may contain anything, blanks too.
  const cpu = Number(stat.value.slice(stat.value.lastIndexOf(')') + 2).split(' ')[36]);
  return at === null || !Number.isInteger(cpu) ? null : { ms: Number(at[1]), cpu };
}

interface Lost {
  readonly stolenMs: number;
  readonly interruptMs: number;
}

/** Time that a CPU did not have for threads. A scheduler's clock stands still meanwhile, or may. */
function lostTimes(files: Files): ReadonlyMap<number, Lost> {
  const stat = files.text('/proc/stat');
  const ticks = clockTicksPerSecond(files);
  const lost = new Map<number, Lost>();
  if (!isKnown(stat) || !isKnown(ticks)) return lost;
  for (const [, cpu, rest] of stat.value.matchAll(/^cpu(\d+) (.*)$/gm)) {
    const fields = rest.trim().split(' ').map(Number);
    const ms = (i: number): number => ((fields[i] ?? 0) * 1000) / ticks.value;
    lost.set(Number(cpu), { stolenMs: ms(7), interruptMs: ms(5) + ms(6) });
  }
  return lost;
}

const UNCERTAIN_SHARE_MAX = 0.1;

/** Answers for each thread how long ago it ran, held against this thread, which runs now. */
export function sleepClock(files: Files = systemFiles): (pid: number, threadId: number) => Figure {
  const own = lastRan('/proc/thread-self', files);
  const lost = lostTimes(files);
  return (pid, threadId) => {
    const ran = lastRan(`/proc/${pid}/task/${threadId}`, files);
    if (own === null || ran === null)
      return unavailable('this kernel does not say when a thread last ran, or not to this user');
    const source = '/proc/PID/task/TID/sched se.exec_start';
    if (ran.cpu === own.cpu) return known(Math.max(0, own.ms - ran.ms), source);
    const [ours, theirs] = [lost.get(own.cpu), lost.get(ran.cpu)];
    if (ours === undefined || theirs === undefined)
      return unavailable(`it ran on CPU ${ran.cpu}, whose clock cannot be compared`);
    const ms = own.ms - ran.ms + ours.stolenMs - theirs.stolenMs;
    const uncertainMs = 100 + Math.abs(ours.interruptMs - theirs.interruptMs);
    return ms > 0 && uncertainMs <= ms * UNCERTAIN_SHARE_MAX
      ? known(ms, `${source}, CPUs compared by their stolen time`)
      : unavailable(`it ran on CPU ${ran.cpu}, whose clock may differ by ${Math.round(uncertainMs)} ms`);
  };
}

// ---- all threads ---------------------------------------------------------------------------------------------------

const NO_LOOK_BEFORE = unavailable('known from a second look on (--watch)');
const NOT_ASLEEP = unavailable('it does not sleep');

/** The threads of a look that was taken with `sleep`, by thread id, the main thread first. */
export function threadsOf(
  snapshot: ProcessSnapshot,
  files: Files = systemFiles,
): Reading<readonly PsThread[]> {
  const { pid } = snapshot;
  if (!isKnown(snapshot.threads)) return snapshot.threads;
  const words = has32BitWords(pid, files);
  const otherTable = isKnown(words) && words.value;
  const asleepMs = sleepClock(files);
  const one = ({ threadId, name, state, sleep }: ThreadSnapshot): PsThread => {
    const call = sleep?.call ?? unavailable('not asked for');
    const named = otherTable ? unnamed(call) : call;
    return {
      threadId,
      name,
      main: threadId === pid,
      state,
      call: named,
      timeout: timeoutOf(named),
      waitChannel: sleep?.waitChannel ?? unavailable('not asked for'),
      asleepMs: state === 'S' || state === 'D' ? asleepMs(pid, threadId) : NOT_ASLEEP,
      notRunMs: NO_LOOK_BEFORE,
    };
  };
  const list = snapshot.threads.value.map(one);
  list.sort((a, b) => Number(b.main) - Number(a.main) || a.threadId - b.threadId);
  return known(list, '/proc/PID/task');
}
