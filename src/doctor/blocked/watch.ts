// The watched thread's side: an observer that keeps the heartbeat, and the spans of items that took too long.

import { url as inspectorUrl } from 'node:inspector';
import { getHeapStatistics } from 'node:v8';
import {
  MessageChannel,
  Worker,
  isMainThread,
  receiveMessageOnPort,
  type MessagePort,
} from 'node:worker_threads';
import { HostSource } from '../../reactor/host.js';
import { SilentObserver, itemName, type ItemKind, type Observer } from '../../reactor/observer.js';
import type { Task } from '../../reactor/run-queue.js';
import type { Timer } from '../../reactor/timer-heap.js';
import { addLook, causeOf, longestCall, openAccount, sharesOf } from './account.js';
import type { Account, BlockedCause, BlockedShares } from './account.js';
import { callLine, lastLine, readSource } from './call-line.js';
import {
  ASK,
  ASLEEP,
  BASE_AGE_MS,
  BASE_CPU_MS,
  BASE_MS,
  BASE_RUNQUEUE_MS,
  BEGAN_MS,
  Heartbeat,
  PROFILING,
  READY,
  SERIAL,
  monotonicMs,
  startMs,
  type WatcherData,
} from './heartbeat.js';
import { ProfileWindows } from './profiler.js';
import { lookAt, mergeStacks, type FoundFrame, type ProfileLook, type StackFrame } from './stack.js';
import { ScheduleAccount, closeThreadFiles, openThreadFiles, type ThreadFiles } from './thread-files.js';
import type { Gap, Measured, MeasuredItem, WatcherMessage } from './watcher.js';

export type BlockedKind = ItemKind | 'drain';

/** An item, or a drain of microtasks, that kept the thread for longer than the threshold. */
export interface BlockedSpan {
  /** The how manieth item, drains among them, that was observed. */
  readonly item: number;
  /** `drain`: process.nextTick and the reactions of promises, after a turn. */
  readonly kind: BlockedKind;
  /** Of the handler, or of what was run. */
  readonly name: string;
  /** -1 for what does not wait on one. */
  readonly fd: number;
  readonly turn: number;
  /** On the monotonic clock, which is that of the reactor. */
  readonly beganMs: number;
  readonly durationMs: number;
  readonly cause: BlockedCause;
  /** What is missing to the duration is not known, or the process was stopped. */
  readonly shares: BlockedShares;
  /** The system call in which it slept the longest; null when it did not. */
  readonly call: string | null;
  /** Where it was while it blocked, the function that was called last first. Empty: the profiler had no core. */
  readonly stack: readonly StackFrame[];
}

export interface BlockedWatch {
  /** For one reactor, or for several of this thread. */
  readonly observer: Observer;
  /** The spans that ended since the last call. */
  take(): Promise<BlockedSpan[]>;
  /** The same at once, for the end of a process: waits for the watcher for 100 ms at most. */
  takeNow(): BlockedSpan[];
  /** Ends the watcher. May be called again. */
  close(): Promise<void>;
}

/** A span of which the watcher has not yet said what it measured. */
interface Pending {
  readonly serial: number;
  readonly span: Omit<BlockedSpan, 'cause' | 'shares' | 'call' | 'stack'>;
  /** What this thread itself has read: at the begin, and at the end if it could. */
  readonly account: Account;
  readonly end: { readonly atMs: number; readonly cpuMs: number; readonly runqueueMs: number } | null;
  readonly look: ProfileLook;
}

/** Samples of the profiler per threshold. */
const SAMPLES_PER_THRESHOLD = 5;
const START_MS_MAX = 5000;
/** The watcher says that the loop sleeps; meanwhile something may have begun to run. */
const RECENT_MS = 1000;
/** To start the profiler again takes 7 ms with a small heap, and 20 ms with one of this size. */
const HEAP_BYTES_LARGE = 32 * 1024 * 1024;
const ASK_MS_MAX = 100;
/** Nobody takes them: the oldest go. */
const PENDING_MAX = 1000;

/** The compiled file, also where a test runner runs the sources. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/doctor/blocked/watcher.js' : './watcher.js',
  import.meta.url,
);

export class Watch extends SilentObserver implements BlockedWatch {
  readonly observer: Observer = this;
  private readonly heartbeat = new Heartbeat();
  private readonly files: ThreadFiles = openThreadFiles();
  private readonly schedule = new ScheduleAccount(this.files.schedstatFd);
  private readonly profiler: ProfileWindows;
  private readonly worker: Worker;
  private readonly port: MessagePort;
  private ended = false;
  private closed = false;

  // What runs now. An item in which another reactor of the thread is turned is the outer one alone.
  private depth = 0;
  private items = 0;
  private turn = 0;
  private kind: BlockedKind = 'drain';
  private subject: Task | Timer | null = null;
  private fd = -1;
  private handler: unknown = null;

  private pending: Pending[] = [];
  private readonly measured = new Map<number, MeasuredItem>();
  private gaps: readonly Gap[] = [];
  private answered: (() => void)[] = [];

  constructor(private readonly thresholdMs: number) {
    super();
    this.profiler = new ProfileWindows(thresholdMs / SAMPLES_PER_THRESHOLD);
    const { port1, port2 } = new MessageChannel();
    const workerData: WatcherData = {
      shared: this.heartbeat.shared,
      thresholdMs,
      main: isMainThread,
      port: port2,
      ...this.files,
    };
    // No options or environment of the program's: it shall not run what the program asks Node to load.
    this.worker = new Worker(program, {
      workerData,
      transferList: [port2],
      execArgv: [],
      env: {},
      name: 'underloop watcher',
    });
    this.worker.unref();
    this.worker.on('error', () => (this.ended = true));
    this.worker.on('exit', () => {
      this.ended = true;
      this.resume();
    });
    this.port = port1;
    this.port.on('message', (message: WatcherMessage) => this.hear(message));
    this.port.unref();
    this.startProfiler();
    // The first items of the program are to be watched too.
    Atomics.wait(this.heartbeat.words, READY, 0, START_MS_MAX);
  }

  // ---- The heartbeat: nothing here is made per item -------------------------------------------------------------

  override turnBegin(turn: number): void {
    this.turn = turn;
  }
  override itemBegin(kind: ItemKind, item: Task | Timer, fd: number, readiness: number): void {
    if (item instanceof HostSource || this.depth++ > 0) return;
    this.kind = kind;
    this.subject = item;
    this.fd = fd;
    // Now, for a timer that has fired knows its callback no more.
    this.handler = typeof item === 'function' ? item : item.handlerFor?.(readiness);
    this.begin();
  }
  override itemEnd(_kind: ItemKind, item: Task | Timer): void {
    if (!(item instanceof HostSource) && --this.depth === 0) this.end();
  }
  override drainBegin(): void {
    if (this.depth++ > 0) return;
    this.kind = 'drain';
    this.subject = this.handler = null;
    this.fd = -1;
    this.begin();
  }
  override drainEnd(): void {
    if (--this.depth === 0) this.end();
  }

  private begin(): void {
    if (this.closed) return;
    const { words, times } = this.heartbeat;
    this.items++;
    const nowMs = monotonicMs();
    if (nowMs - times[BASE_MS] > BASE_AGE_MS) this.readBase(nowMs);
    times[BEGAN_MS] = nowMs;
    Atomics.add(words, SERIAL, 1);
    if (Atomics.load(words, ASLEEP) === 1) this.rouse();
  }
  private end(): void {
    if (this.closed) return;
    const { words, times } = this.heartbeat;
    const endedMs = monotonicMs();
    Atomics.add(words, SERIAL, 1);
    if (endedMs - times[BEGAN_MS] >= this.thresholdMs) this.blocked(endedMs);
    this.subject = this.handler = null; // keeps nothing alive
  }

  private readBase(nowMs: number): void {
    const { times } = this.heartbeat;
    this.schedule.read();
    times[BASE_MS] = nowMs;
    times[BASE_CPU_MS] = this.schedule.cpuMs;
    times[BASE_RUNQUEUE_MS] = this.schedule.runqueueMs;
  }

  private rouse(): void {
    const { words, times } = this.heartbeat;
    Atomics.store(words, ASLEEP, 0);
    Atomics.notify(words, ASLEEP);
    // The runtime makes drains of its own when nothing happens, and is not to be woken for them a hundred times a second.
    if (this.profiler.running || this.kind === 'drain') return;
    this.startProfiler();
    // What that took is not the item's.
    this.readBase((times[BEGAN_MS] = monotonicMs()));
  }

  private startProfiler(): void {
    this.profiler.start();
    Atomics.store(this.heartbeat.words, PROFILING, 1);
  }

  /** Not with a large heap, of which the start makes a list: the next item would wait for it. */
  private rest(): void {
    const { words, times } = this.heartbeat;
    const recent = this.kind !== 'drain' && monotonicMs() - times[BEGAN_MS] < RECENT_MS;
    if (recent || getHeapStatistics().used_heap_size > HEAP_BYTES_LARGE) return;
    this.profiler.stop();
    Atomics.store(words, PROFILING, 0);
  }

  // ---- An item that was too long --------------------------------------------------------------------------------

  private blocked(endedMs: number): void {
    const { words, times } = this.heartbeat;
    const { kind, fd, turn, items: item } = this;
    const beganMs = times[BEGAN_MS];
    const base = { atMs: times[BASE_MS], cpuMs: times[BASE_CPU_MS], runqueueMs: times[BASE_RUNQUEUE_MS] };
    this.readBase(endedMs);
    const { cpuMs, runqueueMs } = this.schedule;
    const profile = this.profiler.take();
    const look = profile === null ? { samples: 0, gc: 0, stack: [] } : lookAt(profile, beganMs, endedMs);
    Atomics.notify(words, ASLEEP); // it may not look again for long
    this.pending.push({
      serial: Atomics.load(words, SERIAL) - 1,
      span: { item, kind, name: this.name, fd, turn, beganMs, durationMs: endedMs - beganMs },
      account: openAccount(beganMs, base),
      end: cpuMs > 0 ? { atMs: endedMs, cpuMs, runqueueMs } : null,
      look,
    });
    if (this.pending.length > PENDING_MAX) this.pending.shift();
  }

  private get name(): string {
    const { subject, handler } = this;
    if (subject === null) return 'drain';
    return (typeof handler === 'function' ? handler.name : '') || itemName(subject) || '(anonymous)';
  }

  async take(): Promise<BlockedSpan[]> {
    const { pending } = this;
    if (pending.length === 0) return [];
    this.pending = [];
    if (!this.ended) {
      const answered = new Promise<void>((resolve) => this.answered.push(resolve));
      this.port.ref(); // whoever awaits this is to go on, even if nothing else keeps the process
      this.ask();
      await answered;
    }
    return this.complete(pending);
  }

  takeNow(): BlockedSpan[] {
    const { pending } = this;
    if (pending.length === 0) return [];
    this.pending = [];
    if (!this.ended) {
      this.ask();
      Atomics.wait(this.heartbeat.words, ASK, 1, ASK_MS_MAX);
      for (;;) {
        const received = receiveMessageOnPort(this.port) as { message: WatcherMessage } | undefined;
        if (received === undefined) break;
        this.hear(received.message);
      }
    }
    return this.complete(pending);
  }

  async close(): Promise<void> {
    const { closed } = this;
    this.closed = true;
    this.profiler.stop();
    await this.worker.terminate();
    if (!closed) closeThreadFiles(this.files); // now that nobody reads them
  }

  private ask(): void {
    const { words } = this.heartbeat;
    Atomics.store(words, ASK, 1);
    Atomics.store(words, ASLEEP, 0);
    Atomics.notify(words, ASLEEP);
  }

  private hear(message: WatcherMessage): void {
    if (message === 'long') this.profiler.take();
    else if (message !== 'idle') this.keep(message);
    else this.rest();
  }
  private keep({ items, gaps }: Measured): void {
    for (const item of items) this.measured.set(item.serial, item);
    this.gaps = gaps;
    this.resume();
  }
  private resume(): void {
    const { answered } = this;
    this.answered = [];
    this.port.unref();
    for (const resolve of answered) resolve();
  }

  private complete(pending: readonly Pending[]): BlockedSpan[] {
    const spans: BlockedSpan[] = [];
    for (const { serial, span, account: ownAccount, end, look } of pending) {
      const { durationMs } = span;
      const item = this.measured.get(serial);
      const account = item?.account ?? ownAccount;
      if (end !== null) addLook(account, { ...end, call: null });
      // A wait for a core that began before the item is in the account of its first ms, and longer than the item.
      const unusedMs = Math.max(0, durationMs - account.cpuMs - account.runqueueMs);
      const suspendedMs = Math.min(overlapMs(this.gaps, span), unusedMs);
      // Whoever stopped the process has kept the loop, and not this handler.
      if (durationMs - suspendedMs < this.thresholdMs) continue;
      const shares = sharesOf(account, durationMs, look.gc, suspendedMs);
      const call = shares.syscallMs > 0 ? longestCall(account) : null;
      let cause = causeOf(shares, durationMs - suspendedMs, this.thresholdMs);
      // Held by a debugger, the thread sleeps on a futex too; nothing tells the two apart.
      if (cause === 'syscall' && call === 'futex' && inspectorUrl() !== undefined) cause = 'unknown';
      spans.push({
        ...span,
        cause,
        shares,
        call,
        stack: withLines(mergeStacks(look, interruptedIn(item, span))),
      });
    }
    if (this.pending.length === 0) this.measured.clear(); // the rest were items that were not too long
    return spans;
  }
}

/** The stack of an interruption, if it was in the item. */
function interruptedIn(
  item: MeasuredItem | undefined,
  { beganMs, durationMs }: Pending['span'],
): readonly StackFrame[] | null {
  if (item === undefined || item.interruption === null) return null;
  const { stack, now } = item.interruption;
  const sinceMs = now + startMs - beganMs;
  return item.inTime || (sinceMs >= 0 && sinceMs <= durationMs) ? stack : null;
}

function overlapMs(gaps: readonly Gap[], { beganMs, durationMs }: Pending['span']): number {
  let sumMs = 0;
  for (const { fromMs, toMs } of gaps) {
    sumMs += Math.max(0, Math.min(toMs, beganMs + durationMs) - Math.max(fromMs, beganMs));
  }
  return sumMs;
}

/** Lines that the profiler does not know, or has wrong, are looked up in the source. */
function withLines(stack: readonly FoundFrame[]): StackFrame[] {
  return stack.map((frame, index) => {
    const { function: name, file, line } = frame;
    return { function: name, file, line: lineIn(frame, index === 0 ? null : stack[index - 1]) ?? line };
  });
}

/** Null: the line that is known stands. */
function lineIn(
  { file, line, exact, beginLine, column }: FoundFrame,
  callee: FoundFrame | null,
): number | null {
  if (beginLine === 0 || (!exact && callee === null)) return null;
  const source = readSource(file);
  if (source === null) return null;
  // Of a caller the profiler knows only where it begins.
  if (!exact && callee !== null) return callLine(source, beginLine, column, callee.function);
  // Optimized code has the lines of what was inlined into it, of other files even.
  return line < beginLine || line > lastLine(source, beginLine, column) ? beginLine : null;
}
