// The replayed program's runtime: its timers and signals come when the recording says so, and no clock is asked.

import { AsyncResource } from 'node:async_hooks';
import { constants } from 'node:os';
import { TIMER_KINDS } from './describe.js';
import { OP } from './format.js';
import type { ReplayTape } from './replay-tape.js';
import { INTERVAL, aroundEmit, delayOf, real } from './runtime.js';
import type { Callback, Timers } from './runtime.js';

/** Something beside the recording keeps the program alive: so long its end is waited for. */
const END_MS = 15_000;

/** Stands for NodeJS.Timeout and NodeJS.Immediate. */
class ReplayTimer {
  private referenced = true;
  readonly resource: AsyncResource;

  constructor(
    private readonly owner: ReplayRuntime,
    readonly id: number,
    readonly kind: number,
    readonly callback: Callback,
    readonly args: unknown[],
  ) {
    this.resource = new AsyncResource(TIMER_KINDS[kind]);
  }
  ref(): this {
    this.referenced = true;
    return this;
  }
  unref(): this {
    this.referenced = false;
    return this;
  }
  hasRef(): boolean {
    return this.referenced;
  }
  refresh(): this {
    this.owner.timers.set(this.id, this);
    return this;
  }
  close(): this {
    this.owner.timers.delete(this.id);
    return this;
  }
  [Symbol.toPrimitive](): number {
    return this.id;
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What the process is told when the program ends. */
export interface ReplayedEnd {
  ended(code: number): void;
  /** The recorded program ended by this signal. */
  endedBy(signal: string): never;
  /** A signal that is no part of the recording. */
  interrupted(): never;
}

export class ReplayRuntime implements Timers {
  readonly timers = new Map<number, ReplayTimer>();
  private lastId = 0;
  private emitting: string | null = null;

  constructor(
    private readonly tape: ReplayTape,
    private readonly end: ReplayedEnd,
  ) {}

  make(kind: number, callback: Callback, delayMs: unknown, args: unknown[]): unknown {
    const { tape } = this;
    if (typeof callback !== 'function') return real.setTimeout(callback); // throws as it should
    const id = ++this.lastId;
    tape.open(OP.timeout);
    tape.putInt(id);
    tape.putInt(kind);
    tape.putNumber(delayOf(delayMs));
    tape.closeChecked();
    const timer = new ReplayTimer(this, id, kind, callback, args);
    this.timers.set(id, timer);
    return timer;
  }

  clear(_kind: number, handle: unknown): void {
    if (handle instanceof ReplayTimer) {
      this.tape.open(OP.clearTimeout);
      this.tape.putInt(handle.id);
      this.tape.closeChecked();
      this.timers.delete(handle.id);
    } else if (typeof handle === 'number' || typeof handle === 'string') this.timers.delete(Number(handle));
    else real.clearTimeout(handle as NodeJS.Timeout); // one that the runtime has made for itself
  }

  /** The recording says that this timer fires. */
  fire(id: number): void {
    const timer = this.timers.get(id);
    if (timer === undefined) return this.tape.untake('it was cleared, or was not made');
    this.tape.close();
    if (timer.kind !== INTERVAL) this.timers.delete(id);
    timer.resource.runInAsyncScope(timer.callback, timer, ...timer.args);
  }

  signal(name: string): void {
    if (process.listenerCount(name) === 0) {
      if (name === 'SIGWINCH') return this.tape.close(); // the runtime's own listener, where it had a terminal
      if (this.tape.peek() < 0) this.end.endedBy(name);
      return this.tape.untake(`nobody listens to ${name}`);
    }
    this.tape.close();
    this.emitting = name;
    const numbers: Readonly<Record<string, number | undefined>> = constants.signals;
    (process as NodeJS.EventEmitter).emit(name, name, numbers[name]);
    this.emitting = null;
  }

  /** The next entry is the program's end. */
  expectEnd(): void {
    const timer = real.setTimeout(() => {
      this.tape.missing('it has not ended: something that is not in the recording keeps it alive');
    }, END_MS);
    timer.unref();
  }

  /** Hears what the process itself emits. `restart`: the program may go on after `beforeExit`. */
  install(restart: () => void): void {
    const { tape, end } = this;
    let over = false;
    const finish = (code: number): void => {
      if (over) return;
      over = true;
      end.ended(code);
    };
    aroundEmit((event, args, emit, isSignal) => {
      // Somebody wants to end the replay; the program hears of the recorded ones only.
      if (isSignal && event !== this.emitting) end.interrupted();
      if (event === 'beforeExit') {
        tape.open(OP.beforeExit);
        tape.putInt(Number(args[0]));
        tape.closeChecked();
      }
      const heard = emit();
      // Whoever listens may have given the program more to do.
      if (event === 'beforeExit' && tape.peek() !== OP.exit) restart();
      if (event === 'exit') finish(Number(process.exitCode ?? args[0]));
      return heard;
    });
    const inner = process as unknown as { reallyExit(code?: number): never };
    const reallyExit = inner.reallyExit.bind(process);
    inner.reallyExit = (code) => {
      finish(Number(process.exitCode ?? code ?? 0));
      return reallyExit(code);
    };
  }
}
