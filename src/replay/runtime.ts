// What the runtime gives to a program: the date, random numbers, timers. Put on a tape, or taken from it.

import { createRequire, syncBuiltinESMExports } from 'node:module';
import { constants } from 'node:os';
import { promisify } from 'node:util';
import { stackLines } from '../step/stack-lines.js';
import { OP } from './format.js';
import { tapedCall, type AnyTape } from './taped-call.js';

const require = createRequire(import.meta.url);

export type Callback = (...args: unknown[]) => void;

/** As in {@link TIMER_KINDS} of describe.ts. */
export const TIMEOUT = 0;
export const INTERVAL = 1;
export const IMMEDIATE = 2;

/** The runtime's own functions, whatever stands in their place. */
export const real = {
  dateNow: Date.now.bind(Date),
  performanceNow: performance.now.bind(performance),
  random: Math.random.bind(Math),
  setTimeout,
  setInterval,
  setImmediate,
  clearTimeout,
  clearInterval,
  clearImmediate,
};

/** How timers are made and cleared: for real with a tape beside, or by the tape alone. */
export interface Timers {
  make(kind: number, callback: Callback, delayMs: unknown, args: unknown[]): unknown;
  clear(kind: number, handle: unknown): void;
}

/** Puts ours in the place of the runtime's functions. */
export function installRuntime(tape: AnyTape, timers: Timers): void {
  installDate(tape);
  const { performanceNow, random } = real;
  performance.now = () => {
    if (!tape.live || tape.aside) return performanceNow();
    tape.open(OP.performanceNow);
    tape.check();
    const value = tape.resultNumber(tape.replaying ? 0 : performanceNow());
    tape.close();
    return value;
  };
  Math.random = () => {
    if (!tape.live || tape.aside) return random();
    tape.open(OP.random);
    tape.check();
    const value = tape.resultNumber(tape.replaying ? 0 : random());
    tape.close();
    return value;
  };
  installUuid(tape);
  installHttpDate(tape);
  installTimers(timers);
  // In a replay nobody is killed: the process that had this number then may be another one now.
  const kill = process.kill.bind(process);
  process.kill = (pid, signal) =>
    tapedCall(tape, 'process.kill', [pid, signal ?? null], () => kill(pid, signal)) as true;
  syncBuiltinESMExports();
}

const RealDate = Date;

function installDate(tape: AnyTape): void {
  const { dateNow } = real;
  const now = (): number => {
    if (!tape.live || tape.aside) return dateNow();
    tape.open(OP.date);
    tape.check();
    const value = tape.resultNumber(tape.replaying ? 0 : dateNow());
    tape.close();
    return value;
  };
  RealDate.now = now;
  const TapedDate = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    apply: () => new RealDate(now()).toString(),
  });
  RealDate.prototype.constructor = TapedDate;
  globalThis.Date = TapedDate;
  installFormats(now);
}

/** A date in words, which is that of now unless one is given. */
function installFormats(now: () => number): void {
  const { prototype } = Intl.DateTimeFormat;
  const { formatToParts: toParts } = prototype as { formatToParts: (date?: Date | number) => unknown };
  type Format = (date?: Date | number) => string;
  const { get } = Object.getOwnPropertyDescriptor(prototype, 'format') as { get: () => Format };
  const known = new WeakMap<object, Format>();
  Object.defineProperty(prototype, 'format', {
    configurable: true,
    get(this: object) {
      let format = known.get(this);
      if (format === undefined) {
        const own = Reflect.apply(get, this, []);
        format = (date = now()) => own(date);
        known.set(this, format);
      }
      return format;
    },
  });
  Object.assign(prototype, {
    formatToParts(this: object, date: Date | number = now()): unknown {
      return Reflect.apply(toParts, this, [date]);
    },
  });
}

/** The runtime writes the date into the head of an answer by itself, from a clock that it keeps to itself. */
function installHttpDate(tape: AnyTape): void {
  interface Message {
    _header: string;
    _storeHeader(firstLine: string, headers: unknown): void;
  }
  const { OutgoingMessage } = require('node:http') as { OutgoingMessage: { prototype: Message } };
  const { prototype } = OutgoingMessage;
  const { _storeHeader: store } = prototype as { _storeHeader: Callback };
  prototype._storeHeader = function (firstLine, headers) {
    Reflect.apply(store, this, [firstLine, headers]);
    if (!tape.live || tape.aside) return;
    const [line, text = ''] = /^Date: (.*)\r$/m.exec(this._header) ?? [];
    if (line === undefined) return;
    const given = RealDate.parse(text);
    if (new RealDate(given).toUTCString() !== text) return; // the program's own
    tape.open(OP.date);
    tape.check();
    const told = tape.resultNumber(given);
    tape.close();
    if (told !== given) {
      this._header = this._header.replace(line, `Date: ${new RealDate(told).toUTCString()}\r`);
    }
  };
}

function installUuid(tape: AnyTape): void {
  type Uuid = (options?: object) => string;
  const crypto = require('node:crypto') as { randomUUID: Uuid };
  const cover =
    (own: Uuid): Uuid =>
    (options) => {
      const given = own(options); // throws for wrong options, in a replay as well
      if (!tape.live || tape.aside) return given;
      tape.open(OP.uuid);
      tape.check();
      const value = tape.resultText(given);
      tape.close();
      return value;
    };
  crypto.randomUUID = cover(crypto.randomUUID);
  const web = globalThis.crypto as unknown as { randomUUID: Uuid };
  const own = web.randomUUID.bind(web);
  Object.defineProperty(web, 'randomUUID', { value: cover(own), configurable: true, writable: true });
}

function installTimers(timers: Timers): void {
  const replaced: Record<string, unknown> = {
    setTimeout: (callback: Callback, delayMs?: unknown, ...args: unknown[]) =>
      timers.make(TIMEOUT, callback, delayMs, args),
    setInterval: (callback: Callback, delayMs?: unknown, ...args: unknown[]) =>
      timers.make(INTERVAL, callback, delayMs, args),
    setImmediate: (callback: Callback, ...args: unknown[]) => timers.make(IMMEDIATE, callback, 0, args),
    clearTimeout: (handle: unknown) => timers.clear(TIMEOUT, handle),
    clearInterval: (handle: unknown) => timers.clear(INTERVAL, handle),
    clearImmediate: (handle: unknown) => timers.clear(IMMEDIATE, handle),
  };
  // The forms that give a promise stand on ours, too.
  const custom = promisify.custom;
  Object.assign(replaced['setTimeout'] as object, {
    [custom]: (delayMs: unknown, value: unknown) =>
      new Promise((resolve) => void timers.make(TIMEOUT, resolve, delayMs, [value])),
  });
  Object.assign(replaced['setImmediate'] as object, {
    [custom]: (value: unknown) => new Promise((resolve) => void timers.make(IMMEDIATE, resolve, 0, [value])),
  });
  Object.assign(globalThis, replaced);
  Object.assign(require('node:timers') as object, replaced);
}

/** Delays as they are put on a tape: what is no number is one that nobody would ask for. */
export const delayOf = (delayMs: unknown): number => (typeof delayMs === 'number' ? delayMs : -1);

/** Events of the process that come from outside of it, unless the program emits them itself. */
/** Names of events that come by a signal of the system's. */
export const SIGNALS: ReadonlySet<string | symbol> = new Set(Object.keys(constants.signals));

type Emit = (this: NodeJS.Process, event: string | symbol, ...args: unknown[]) => boolean;

/** Has `around` called for each event of the process, with what emits it. `isSignal`: the system has sent it. */
export function aroundEmit(
  around: (event: string | symbol, args: unknown[], emit: () => boolean, isSignal: boolean) => boolean,
): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its process again
  const emit = process.emit as unknown as Emit;
  const ours: Emit = function (event, ...args) {
    const go = (): boolean =>
      Reflect.apply<NodeJS.Process, [string | symbol, ...unknown[]], boolean>(emit, process, [
        event,
        ...args,
      ]);
    // The runtime's loop itself calls us then: nobody is below us on the stack.
    return around(event, args, go, SIGNALS.has(event) && stackLines(1, ours).length === 0);
  };
  (process as unknown as { emit: Emit }).emit = ours;
}
