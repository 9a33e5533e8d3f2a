// Adds up what a thread did during one item, from looks at the kernel's accounts of it; and what that says of the cause.

/** What the kernel says that a thread has used so far. */
export interface Usage {
  /** On the monotonic clock. */
  readonly atMs: number;
  readonly cpuMs: number;
  readonly runqueueMs: number;
}

/** One look at the thread. `call`: what it sleeps in ('' outside of any call); null: it runs, or wants to. */
export interface Look extends Usage {
  readonly call: string | null;
}

/** Plain data, for it travels between threads. */
export interface Account {
  readonly beganMs: number;
  cpuMs: number;
  runqueueMs: number;
  /** Neither on a core nor waiting for one, and seen asleep at one end of the interval at least, or before a long one. */
  asleepMs: number;
  /** The same by call. */
  readonly calls: Record<string, number>;
  /** In which it was seen asleep last; null: it was not. */
  lastCall: string | null;
  last: Look;
}

/** The kernel's account of a thread that runs lags by a tick, of 10 ms at most. */
export const LAG_MS = 10;

/** `base`: what the thread had used when the item began, or a little before. */
export function openAccount(beganMs: number, base: Usage): Account {
  return {
    beganMs,
    cpuMs: 0,
    runqueueMs: 0,
    asleepMs: 0,
    calls: {},
    lastCall: null,
    last: { ...base, call: null },
  };
}

export function addLook(account: Account, look: Look): void {
  const { last, beganMs } = account;
  const wholeMs = look.atMs - last.atMs;
  const insideMs = look.atMs - Math.max(last.atMs, beganMs);
  if (insideMs <= 0) return;
  // Of what was used since a look before the item, its share by time.
  const inside = insideMs / wholeMs;
  const cpuMs = (look.cpuMs - last.cpuMs) * inside;
  const runqueueMs = (look.runqueueMs - last.runqueueMs) * inside;
  account.cpuMs += cpuMs;
  account.runqueueMs += runqueueMs;
  account.last = look;
  const asleepMs = Math.max(0, insideMs - cpuMs - runqueueMs);
  // Where looks are rare, as under load, both may meet it awake; it sleeps on where it slept before.
  const call = look.call ?? last.call ?? (asleepMs > LAG_MS ? account.lastCall : null);
  if (call === null) return;
  account.lastCall = call;
  account.asleepMs += asleepMs;
  account.calls[call] = (account.calls[call] ?? 0) + asleepMs;
}

/** The call in which most of the sleep was spent; null without one. */
export function longestCall({ calls }: Account): string | null {
  const named = Object.entries(calls).filter(([name, ms]) => name !== '' && ms > 0);
  named.sort(([, a], [, b]) => b - a);
  return named.at(0)?.[0] ?? null;
}

/** What an item's time went to. What is missing to its duration is not known, or the process was stopped. */
export interface BlockedShares {
  /** On a core, garbage collection apart. */
  readonly cpuMs: number;
  /** Collecting garbage, on a core or waiting for the collector's threads. */
  readonly gcMs: number;
  /** Asleep in a system call. */
  readonly syscallMs: number;
  /** Ready to run, without a core. */
  readonly runqueueMs: number;
}

/** `gc`: the share of the profiler's samples that fell into collections. It samples only while the thread has a core. */
export function sharesOf(
  account: Account,
  durationMs: number,
  gc: number,
  suspendedMs: number,
): BlockedShares {
  const runqueueMs = Math.min(account.runqueueMs, durationMs);
  const cpuMs = Math.min(account.cpuMs, durationMs - runqueueMs);
  // A process that is stopped in a call is seen asleep in it.
  const unexplainedMs = Math.max(0, durationMs - runqueueMs - cpuMs - account.asleepMs);
  const stoppedAsleepMs = Math.max(0, suspendedMs - unexplainedMs);
  const asleepMs = Math.max(0, Math.min(account.asleepMs - stoppedAsleepMs, durationMs - runqueueMs - cpuMs));
  // It waits for its helpers on a futex, and for nothing else.
  const helpersMs = Math.min(asleepMs, account.calls['futex'] ?? 0);
  const gcMs = Math.min(gc * (cpuMs + asleepMs), cpuMs + helpersMs);
  const gcCpuMs = Math.min(gcMs, cpuMs);
  return { cpuMs: cpuMs - gcCpuMs, gcMs, syscallMs: asleepMs - (gcMs - gcCpuMs), runqueueMs };
}

export type BlockedCause = 'cpu' | 'gc' | 'syscall' | 'runqueue' | 'unknown';

/** Below this part of the duration, what is known says nothing. */
const KNOWN_PART_MIN = 0.5;
/**
 * A handler at fault itself is told as that, unless it waited for a core for so many times its own time: beside ten busy
 * processes on each core it waits ten to thirty times as long; with nice 19 or SCHED_IDLE beside one, 70 times and more.
 */
const RUNQUEUE_FACTOR = 40;

/**
 * What to blame. A handler that would have been too long on an idle machine too is at fault itself: under load it waits
 * for a core the longer, the more it computes. One that would not is a victim of the load.
 */
export function causeOf(shares: BlockedShares, durationMs: number, thresholdMs: number): BlockedCause {
  const { cpuMs, gcMs, syscallMs, runqueueMs } = shares;
  const ownMs = cpuMs + gcMs + syscallMs;
  if (ownMs + runqueueMs < durationMs * KNOWN_PART_MIN) return 'unknown';
  if (runqueueMs > ownMs * (ownMs >= thresholdMs ? RUNQUEUE_FACTOR : 1)) return 'runqueue';
  // By as much as the accounts may lag, it would not have been too long; and what was missing to that was mostly a core.
  const missingMs = durationMs - ownMs;
  if (ownMs < thresholdMs - LAG_MS && runqueueMs >= missingMs * KNOWN_PART_MIN) return 'runqueue';
  if (syscallMs >= cpuMs && syscallMs >= gcMs) return 'syscall';
  return gcMs > cpuMs ? 'gc' : 'cpu';
}
