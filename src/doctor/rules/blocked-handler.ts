// A handler that kept the thread: nobody else had a turn meanwhile. What it did, and why it took so long.

import type { BlockedSpan } from '../blocked/index.js';
import type { HandlerHint } from '../finding.js';
import type { Rule } from '../rule.js';
import type { RunningItem, Scene } from '../scene.js';

/** A person notices, and a hundred clients wait: longer than any handler has reason to take. */
export const BLOCKED_MS = 50;
/**
 * Waiting for a core is no fault of a handler that does next to nothing: on a busy machine every line of code may meet it. It
 * concerns one that needs the core for so long, ...
 */
const RUNQUEUE_CPU_MS = 5;
/** ... and was kept from it so often, or once for so long. */
const RUNQUEUE_TIMES_MIN = 2;
const RUNQUEUE_ONCE_MS = 200;
/** Whoever computes on a busy machine waits for a core, too. So many times longer than it computed, and the machine is the cause. */
const RUNQUEUE_FACTOR = 5;
/**
 * The runtime waits on a futex for threads of its own, which wait for a core on a busy machine: one of which the watched thread
 * itself waited for so much of the time. There, it must be a long wait or a second one.
 */
const BUSY_SHARE = 0.1;
/** A system that accounts for each thread, and says nothing of this time: the machine itself stood still. More often, it did not. */
const UNKNOWN_TIMES_MIN = 3;
/** The reactor's own registrations, of the runtime's loop. */
const HOSTS = 'HostSource';

const REMEDIES: Readonly<Record<BlockedSpan['cause'], string>> = {
  cpu: 'Hand the work to another thread (reactor.runInExecutor), or cut it into pieces of a few milliseconds and post() the next.',
  gc: 'Make and keep less: reuse buffers, drop what is not needed, keep large tables outside of the JavaScript heap or in another thread.',
  syscall:
    'Use a call that does not block: watch the descriptor and read when it is ready, or hand the call to an executor.',
  runqueue:
    'The thread was ready and had no core: give the process more of one (nice, cgroup cpu.weight or cpu.max, affinity), or run less beside it.',
  unknown:
    'See what this handler does at its longest: hand it to an executor, or cut it into pieces and post() the next.',
};

interface Blocked {
  times: number;
  totalMs: number;
  longest: BlockedSpan;
}

export class BlockedHandler implements Rule {
  private readonly handlers = new Map<string, Blocked>();

  constructor(
    private readonly scene: Scene,
    private readonly thresholdMs: number,
  ) {}

  /** Over a trace nobody else measures: the cause was not recorded. */
  itemEnd({ taker, kind, beganMs, endMs }: RunningItem): void {
    if (this.scene.live || endMs - beganMs < this.thresholdMs || taker.isHosts) return;
    const { name, fd } = taker;
    this.span(
      {
        item: 0,
        kind,
        name,
        fd,
        turn: this.scene.turn,
        beganMs,
        durationMs: endMs - beganMs,
        cause: 'unknown',
        shares: { cpuMs: 0, gcMs: 0, syscallMs: 0, runqueueMs: 0 },
        call: null,
        stack: [],
      },
      taker,
    );
  }

  /** `handler`: whose it was, where that is known. `sinceMs`: when it began on the scene's clock. */
  span(span: BlockedSpan, handler: HandlerHint, sinceMs = this.scene.nowMs - span.durationMs): void {
    if (span.name === HOSTS) return;
    span = { ...span, cause: causeOf(span) };
    const key = `${span.kind} ${span.name} ${span.cause} ${span.call ?? ''} ${topOf(span)}`;
    let blocked = this.handlers.get(key);
    if (blocked === undefined) {
      blocked = { times: 0, totalMs: 0, longest: span };
      this.handlers.set(key, blocked);
    }
    blocked.times++;
    blocked.totalMs += span.durationMs;
    if (span.durationMs > blocked.longest.durationMs) blocked.longest = span;
    if (span.cause === 'runqueue' && !isKeptFromCore(blocked)) return;
    if (span.cause === 'unknown' && this.isElsewhere(blocked)) return;
    if (span.cause === 'syscall' && span.call === 'futex' && this.isRuntimes(blocked)) return;
    this.report(key, blocked, handler, sinceMs);
  }

  private isElsewhere({ times, longest: { shares } }: Blocked): boolean {
    const accounts = (this.scene.eyes?.runDelayMs() ?? 0) > 0;
    return accounts && shares.cpuMs < RUNQUEUE_CPU_MS && times < UNKNOWN_TIMES_MIN;
  }

  private isRuntimes({ times, longest: { durationMs } }: Blocked): boolean {
    if (times >= RUNQUEUE_TIMES_MIN || durationMs >= RUNQUEUE_ONCE_MS) return false;
    const { eyes, nowMs, beganMs } = this.scene;
    return (eyes?.runDelayMs() ?? 0) > (nowMs - beganMs) * BUSY_SHARE;
  }

  private report(
    key: string,
    { times, totalMs, longest }: Blocked,
    handler: HandlerHint,
    sinceMs: number,
  ): void {
    const { kind, name, fd, durationMs, cause, shares, call, stack } = longest;
    const who =
      kind === 'drain' ? 'what ran after a turn (promises, nextTick)' : `the handler ${name || '(no name)'}`;
    const why: Record<BlockedSpan['cause'], string> = {
      cpu: 'it computed',
      gc: 'its garbage was collected',
      syscall: `it was in the system call ${call ?? '(unknown)'}`,
      runqueue: 'it was ready to run and had no core',
      unknown: 'the cause is not known',
    };
    this.scene.report({
      class: 'blocked-handler',
      cause,
      severity: cause === 'runqueue' ? 'warning' : 'error',
      key,
      fd,
      handler,
      sinceMs,
      message: `${who} kept the loop for ${Math.round(durationMs)} ms: ${why[cause]}`,
      evidence: {
        ...(call !== null && { call }),
        longestMs: round(durationMs),
        totalMs: round(totalMs),
        times,
        kind,
        cpuMs: round(shares.cpuMs),
        gcMs: round(shares.gcMs),
        syscallMs: round(shares.syscallMs),
        runqueueMs: round(shares.runqueueMs),
        stack: stack.map((frame) => `${frame.function || '(no name)'} ${frame.file}:${frame.line}`),
      },
      remedy: REMEDIES[cause],
    });
  }
}

/** One mistake is one line of source: the innermost frame with a file. */
function topOf({ stack }: BlockedSpan): string {
  const top = stack.find(({ file }) => file !== '' && !file.startsWith('node:'));
  return top === undefined ? '' : `${top.file}:${top.line}`;
}

function causeOf({
  cause,
  shares: { cpuMs, gcMs, syscallMs, runqueueMs },
}: BlockedSpan): BlockedSpan['cause'] {
  return runqueueMs > (cpuMs + gcMs + syscallMs) * RUNQUEUE_FACTOR ? 'runqueue' : cause;
}

function isKeptFromCore({ times, longest: { durationMs, shares } }: Blocked): boolean {
  if (shares.cpuMs + shares.gcMs < RUNQUEUE_CPU_MS) return false;
  if (times >= RUNQUEUE_TIMES_MIN) return true;
  return durationMs >= RUNQUEUE_ONCE_MS;
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
