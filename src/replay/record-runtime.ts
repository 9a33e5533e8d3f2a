// The recorded program's runtime: its timers and signals are real, and the tape hears when they come.

import { OP } from './format.js';
import type { RecordTape } from './record-tape.js';
import { stackLines } from '../step/stack-lines.js';
import { IMMEDIATE, INTERVAL, SIGNALS, TIMEOUT, aroundEmit, delayOf, real } from './runtime.js';
import type { Callback, Timers } from './runtime.js';

type Make = (callback: Callback, ...rest: unknown[]) => object;

/** What the recorder does when the program ends. */
export interface RecordedEnd {
  /** After all that listens to `exit` has been called. */
  ended(code: number): void;
  /** Nobody of the program's listens to this signal, which therefore ends it. */
  endedBy(signal: NodeJS.Signals, letGo: () => void): void;
  /** A message of the process that has started this one. */
  message(): void;
  /** The system has sent this signal. */
  signalled(signal: NodeJS.Signals): void;
}

export class RecordTimers implements Timers {
  private lastId = 0;
  private readonly ids = new WeakMap<object, number>();

  constructor(private readonly tape: RecordTape) {}

  make(kind: number, callback: Callback, delayMs: unknown, args: unknown[]): unknown {
    const { tape } = this;
    const own = (kind === TIMEOUT
      ? real.setTimeout
      : kind === INTERVAL
        ? real.setInterval
        : real.setImmediate) as unknown as Make;
    const rest = kind === IMMEDIATE ? args : [delayMs, ...args];
    if (!tape.live || typeof callback !== 'function') return own(callback, ...rest);
    const id = ++this.lastId;
    tape.open(OP.timeout);
    tape.putInt(id);
    tape.putInt(kind);
    tape.putNumber(delayOf(delayMs));
    const fired = function (this: unknown, ...given: unknown[]): void {
      if (tape.live) {
        tape.open(OP.callback);
        tape.putInt(id);
      }
      Reflect.apply(callback, this, given);
    };
    const handle = own(fired, ...rest);
    this.ids.set(handle, id);
    return handle;
  }

  clear(kind: number, handle: unknown): void {
    const { tape } = this;
    const id = typeof handle === 'object' && handle !== null ? this.ids.get(handle) : undefined;
    if (id !== undefined && tape.live) {
      tape.open(OP.clearTimeout);
      tape.putInt(id);
    }
    if (kind === IMMEDIATE) real.clearImmediate(handle as NodeJS.Immediate);
    else real.clearTimeout(handle as NodeJS.Timeout);
  }
}

/** Hears signals and the end of the process. `caught`: they would end it, and the recording is to be whole then. */
export function recordProcess(tape: RecordTape, end: RecordedEnd): void {
  const caught = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const ours = new Map<string | symbol, () => void>(caught.map((name) => [name, (): void => undefined]));
  let over = false;
  const finish = (code: number): void => {
    if (over) return;
    over = true;
    end.ended(code);
  };
  aroundEmit((event, args, emit, isSignal) => {
    if (isSignal) {
      end.signalled(event as NodeJS.Signals);
      if (tape.live) {
        tape.open(OP.signal);
        tape.putText(String(event));
      }
      if (ours.has(event) && process.listenerCount(event) === 0) {
        // First of all: the same signal once more would end the process at once when nobody listens.
        end.endedBy(event as NodeJS.Signals, () => {
          for (const [name, one] of ours) process.removeListener(name, one);
        });
      }
      return emit();
    }
    if (event === 'message') end.message();
    if (event === 'beforeExit' && tape.live) {
      tape.open(OP.beforeExit);
      tape.putInt(Number(args[0]));
    }
    const heard = emit();
    if (event === 'exit') finish(Number(process.exitCode ?? args[0]));
    return heard;
  });
  // Only now: the runtime binds emit() when the first listener of a signal comes. Some are there already: Node 24 has opened
  // the terminal, which listens to SIGWINCH, before us.
  for (const signal of SIGNALS) {
    const early = process.rawListeners(signal) as (() => void)[];
    for (const one of early) process.removeListener(signal, one);
    for (const one of early) process.on(signal, one);
  }
  for (const [name, listener] of ours) process.on(name, listener);
  hideListeners(ours);
  // process.exit() within a listener of `exit` comes here at once.
  const inner = process as unknown as { reallyExit(code?: number): never };
  const reallyExit = inner.reallyExit.bind(process);
  inner.reallyExit = (code) => {
    finish(Number(process.exitCode ?? code ?? 0));
    return reallyExit(code);
  };
}

/** Whoever counts those who listen to a signal finds the program's own only: some libraries end the process when they are alone. */
function hideListeners(ours: ReadonlyMap<string | symbol, () => void>): void {
  type Event = string | symbol;
  type Listeners = (event: Event) => unknown[];
  const { listeners, rawListeners, listenerCount, eventNames } = process as unknown as {
    listeners: Listeners;
    rawListeners: Listeners;
    listenerCount: (event: Event, ...rest: unknown[]) => number;
    eventNames: () => Event[];
  };
  const others =
    (all: Listeners): Listeners =>
    (event) =>
      Reflect.apply(all, process, [event]).filter((one) => one !== ours.get(event));
  const count = function (event: Event, ...rest: unknown[]): number {
    const own = Reflect.apply(listenerCount, process, [event, ...rest]);
    const hidden = ours.get(event);
    if (hidden === undefined || !Reflect.apply(listeners, process, [event]).includes(hidden)) return own;
    if (rest.length > 0 && rest[0] !== undefined) return own;
    // The runtime asks whether it is to hear of the signal still.
    return stackLines(2, count).some((line) => line.includes('node:internal/process/signal')) ? own : own - 1;
  };
  Object.assign(process, {
    listeners: others(listeners),
    rawListeners: others(rawListeners),
    listenerCount: count,
    eventNames: () =>
      Reflect.apply(eventNames, process, []).filter((event) => !ours.has(event) || count(event) > 0),
  });
}
