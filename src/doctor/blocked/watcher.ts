// The watcher's thread: reads the heartbeat, and the kernel's accounts of the watched thread while an item is overdue.

import { workerData } from 'node:worker_threads';
import { addLook, openAccount, type Account } from './account.js';
import {
  ASK,
  ASLEEP,
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
import { interruptMainThread, type Interruption } from './interrupt.js';
import { ScheduleAccount, closeThreadFiles, openThreadFiles, sleepsIn } from './thread-files.js';

/** An item that was looked at, by the number that the heartbeat had while it ran. */
export interface MeasuredItem {
  readonly serial: number;
  readonly account: Account;
  /** Null: it was not interrupted, or that has not come back. */
  interruption: Interruption | null;
  /** Whether it came back before anything else ran, so that it certainly was in this item, if in one at all. */
  inTime: boolean;
}

/** The process was stopped between these: neither this thread ran nor did it want to. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Measured {
  readonly items: readonly MeasuredItem[];
  readonly gaps: readonly Gap[];
}

/** `idle`: the loop has been asleep for long. `long`: the profiler has sampled for long. */
export type WatcherMessage = 'idle' | 'long' | Measured;

/** From this part of the threshold on an item is looked at. */
const EARLY_PART = 4;
/** From this part on it is asked for its stack, once. */
const INTERRUPT_PART = 2;
/** Looks per threshold: of an item just over it, seven. */
const LOOKS_PER_THRESHOLD = 10;
/** An item that has lasted for n ms is looked at every n / 50 ms at most. */
const LOOKS_PER_AGE = 50;
const LOOK_MS_MIN = 2;
/** Nobody has asked for so many: the oldest go. */
const KEPT_MAX = 1024;
/** A thread may come late by a tick or two, and by what the hypervisor takes. */
const GAP_MS_MIN = 50;
/** The loop sleeps for so long: the profiler is stopped, which would wake it a hundred times a second. */
const IDLE_MS = 3000;
/** What the profiler keeps of so long a time costs less than a megabyte. */
const LONG_MS = 60_000;

/** So long an answer waits for an interruption that was asked for: it comes when the call that blocked has returned. */
const SETTLE_MS = 20;

const turnLoop = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

class Watcher {
  private readonly heartbeat: Heartbeat;
  private readonly schedule: ScheduleAccount;
  private readonly own: ScheduleAccount;
  private readonly bytes = new Uint8Array(256);
  private readonly earlyMs: number;
  private readonly lookMs: number;
  private current: MeasuredItem | null = null;
  private items: MeasuredItem[] = [];
  private gaps: Gap[] = [];
  private toldMs = monotonicMs();
  /** The number of the last item that was asked for its stack; and whether it has not answered yet. */
  private asked = 0;
  private asking = false;

  constructor(
    private readonly data: WatcherData,
    ownFd: number,
    private readonly tell: (message: WatcherMessage) => void,
  ) {
    this.heartbeat = new Heartbeat(data.shared);
    this.schedule = new ScheduleAccount(data.schedstatFd);
    this.own = new ScheduleAccount(ownFd);
    this.earlyMs = data.thresholdMs / EARLY_PART;
    this.lookMs = Math.max(LOOK_MS_MIN, data.thresholdMs / LOOKS_PER_THRESHOLD);
  }

  /** Never ends: the thread is ended from outside. */
  async run(): Promise<never> {
    const { words } = this.heartbeat;
    Atomics.store(words, READY, 1);
    Atomics.notify(words, READY);
    let serialBefore = -1;
    for (;;) {
      const serial = Atomics.load(words, SERIAL);
      if (this.current !== null && this.current.serial !== serial) this.keep(this.current);
      if (Atomics.load(words, ASK) === 1) {
        const untilMs = monotonicMs() + SETTLE_MS;
        while (this.asking && monotonicMs() < untilMs) await turnLoop();
        this.answer();
      }
      const running = (serial & 1) === 1;
      if (!running && serial === serialBefore) this.sleep(serial);
      else this.pause(running ? this.look(serial) : this.earlyMs);
      serialBefore = serial;
      if (this.asking) await turnLoop();
    }
  }

  private keep(item: MeasuredItem): void {
    this.current = null;
    this.items.push(item);
    if (this.items.length > KEPT_MAX) this.items.shift();
  }

  private answer(): void {
    this.tell({ items: this.items, gaps: this.gaps });
    // Whoever waits for this finds the message there.
    Atomics.store(this.heartbeat.words, ASK, 0);
    Atomics.notify(this.heartbeat.words, ASK);
    this.items = [];
    this.gaps = this.gaps.slice(-8); // an item may run that had one
  }

  /** Looks at the item that runs, if it is old enough. Returns when to look again, in ms. */
  private look(serial: number): number {
    const { words, times } = this.heartbeat;
    const beganMs = times[BEGAN_MS];
    const base = { atMs: times[BASE_MS], cpuMs: times[BASE_CPU_MS], runqueueMs: times[BASE_RUNQUEUE_MS] };
    const ageMs = monotonicMs() - beganMs;
    if (ageMs < this.earlyMs) return Math.max(1, this.earlyMs - ageMs);
    const { schedule, data } = this;
    const call = sleepsIn(data.syscallFd, this.bytes);
    if (schedule.read()) {
      const { cpuMs, runqueueMs } = schedule;
      const atMs = monotonicMs();
      // Else the times were those of two items.
      if (Atomics.load(words, SERIAL) !== serial) return 0;
      this.current ??= { serial, account: openAccount(beganMs, base), interruption: null, inTime: false };
      addLook(this.current.account, { atMs, cpuMs, runqueueMs, call });
      if (data.main && ageMs >= data.thresholdMs / INTERRUPT_PART) this.interrupt(this.current);
    }
    return Math.max(this.lookMs, ageMs / LOOKS_PER_AGE);
  }

  private interrupt(item: MeasuredItem): void {
    if (this.asking || this.asked === item.serial) return;
    this.asking = true;
    this.asked = item.serial;
    interruptMainThread((interruption) => {
      this.asking = false;
      const serial = Atomics.load(this.heartbeat.words, SERIAL);
      item.interruption = interruption;
      item.inTime = serial === item.serial || serial === item.serial + 1;
    });
  }

  private pause(ms: number): void {
    if (ms <= 0) return;
    const { words } = this.heartbeat;
    const { own } = this;
    const known = own.read();
    const usedMs = own.cpuMs + own.runqueueMs;
    const fromMs = monotonicMs();
    Atomics.wait(words, ASLEEP, 0, ms);
    const toMs = monotonicMs();
    if (toMs - this.toldMs > LONG_MS) {
      this.toldMs = toMs;
      this.tell('long');
    }
    if (toMs - fromMs - ms < GAP_MS_MIN || !known || !own.read()) return;
    if (toMs - fromMs - ms - (own.cpuMs + own.runqueueMs - usedMs) < GAP_MS_MIN) return;
    this.gaps.push({ fromMs: fromMs + ms, toMs });
    if (this.gaps.length > KEPT_MAX) this.gaps.shift();
  }

  /** Nothing runs: sleeps until something does, or somebody asks. */
  private sleep(serial: number): void {
    const { words } = this.heartbeat;
    Atomics.store(words, ASLEEP, 1);
    // It may have begun before it could see that it is to wake us.
    if (Atomics.load(words, SERIAL) === serial && Atomics.load(words, ASK) === 0) {
      const limitMs = Atomics.load(words, PROFILING) === 1 ? IDLE_MS : Infinity;
      if (Atomics.wait(words, ASLEEP, 1, limitMs) === 'timed-out') {
        this.tell('idle');
        Atomics.wait(words, ASLEEP, 1);
      }
    }
    Atomics.store(words, ASLEEP, 0);
  }
}

const data = workerData as WatcherData;
const own = openThreadFiles();
closeThreadFiles({ schedstatFd: -1, syscallFd: own.syscallFd });
void new Watcher(data, own.schedstatFd, (message) => data.port.postMessage(message)).run();
