// The watched thread's side: an observer that keeps the heartbeat, and the spans of items that took too long.

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
import { openAccount } from './account.js';
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
  type WatcherData,
} from './heartbeat.js';
import { ProfileWindows } from './profiler.js';
import { completeSpan, type BlockedKind, type BlockedSpan, type PendingSpan } from './span.js';
import { lookAt } from './stack.js';
import { ScheduleAccount, closeThreadFiles, openThreadFiles, type ThreadFiles } from './thread-files.js';
import type { Gap, Measured, MeasuredItem, WatcherMessage } from './watcher.js';

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

  private pending: PendingSpan[] = [];
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

  private complete(pending: readonly PendingSpan[]): BlockedSpan[] {
    const spans: BlockedSpan[] = [];
    for (const one of pending) {
      const span = completeSpan(one, this.measured.get(one.serial), this.gaps, this.thresholdMs);
      if (span !== null) spans.push(span);
    }
    if (this.pending.length === 0) this.measured.clear(); // the rest were items that were not too long
    return spans;
  }
}
