// How a program's reactors are looked at without a change to the program: whoever starts it leaves an instrument here.

import type { Observer } from './observer.js';
import type { ReactorOptions } from './options.js';

/** Gives each new reactor, made with these options, an observer or a stepper that its program knows nothing of. */
export type Instrument = (options: ReactorOptions) => Pick<ReactorOptions, 'observer' | 'stepper'>;

/** On the global object, and by name: the program may have loaded another copy of this package. */
const PLACE = Symbol.for('underloop.instrument');

type Global = Partial<Record<typeof PLACE, Instrument>>;

export function setInstrument(instrument: Instrument): void {
  (globalThis as Global)[PLACE] = instrument;
}

/** The options with what the instrument adds; the same ones without an instrument. */
export function instrumented(options: ReactorOptions): ReactorOptions {
  const instrument = (globalThis as Global)[PLACE];
  return instrument === undefined ? options : { ...options, ...instrument(options) };
}

/** An observer that tells two others, one after the other. */
export function both(first: Observer, second: Observer): Observer {
  const methods: Record<string, (...args: unknown[]) => void> = {};
  // Every method of the interface stands on SilentObserver's prototype: an observer has them all.
  for (const name of observerMethods) {
    methods[name] = (...args) => {
      (first[name] as (...all: unknown[]) => void)(...args);
      (second[name] as (...all: unknown[]) => void)(...args);
    };
  }
  return methods as unknown as Observer;
}

const methodNames: Record<keyof Observer, true> = {
  reactorOpened: true,
  reactorClosed: true,
  turnBegin: true,
  turnEnd: true,
  waitBegin: true,
  waitEnd: true,
  readiness: true,
  batch: true,
  itemBegin: true,
  itemEnd: true,
  drainBegin: true,
  drainEnd: true,
  queued: true,
  resumed: true,
  stale: true,
  interest: true,
  timerSet: true,
  timerCancelled: true,
  error: true,
  call: true,
};
const observerMethods = Object.keys(methodNames) as (keyof Observer)[];
