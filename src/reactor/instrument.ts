// How a program's reactors are looked at without a change to the program: whoever starts it leaves an instrument here.

import type { Host } from './host.js';
import type { Observer } from './observer.js';
import type { KernelPoller } from '../poller/poller.js';
import type { ReactorOptions } from './options.js';

/** Gives each new reactor, made with these options, what its program knows nothing of. */
export type Instrument = (options: ReactorOptions) => Pick<ReactorOptions, 'observer' | 'stepper' | 'kernel'>;

/** On the global object, and by name: the program may have loaded another copy of this package. */
const PLACE = Symbol.for('underloop.instrument');
const HOST_PLACE = Symbol.for('underloop.host');

interface Global {
  [PLACE]?: Instrument;
  [HOST_PLACE]?: () => Host;
}

/** Behind those that were set before, and with what they give in its options. */
export function setInstrument(instrument: Instrument): void {
  const place = globalThis as Global;
  const before = place[PLACE];
  place[PLACE] =
    before === undefined
      ? instrument
      : (options) => {
          const first = before(options);
          return { ...first, ...instrument({ ...options, ...first }) };
        };
}

/** Who runs the turns of this thread's reactors on the real kernel, in the place of the runtime's host. */
export function setHost(host: () => Host): void {
  (globalThis as Global)[HOST_PLACE] = host;
}
export function instrumentHost(): Host | undefined {
  return (globalThis as Global)[HOST_PLACE]?.();
}

/** The options with what the instrument adds; the same ones without an instrument. */
export function instrumented(options: ReactorOptions): ReactorOptions {
  const instrument = (globalThis as Global)[PLACE];
  return instrument === undefined ? options : { ...options, ...instrument(options) };
}

/** Stands between a `Poller` of the program's own, which no reactor runs and no observer hears of, and its mechanism. */
export type PollerInstrument = (poller: KernelPoller) => KernelPoller;

const POLLER_PLACE = Symbol.for('underloop.instrument.poller');

type PollerGlobal = Partial<Record<typeof POLLER_PLACE, PollerInstrument>>;

export function setPollerInstrument(instrument: PollerInstrument): void {
  (globalThis as PollerGlobal)[POLLER_PLACE] = instrument;
}

/** What the instrument puts before it; the same one without an instrument. */
export function instrumentedPoller(poller: KernelPoller): KernelPoller {
  return (globalThis as PollerGlobal)[POLLER_PLACE]?.(poller) ?? poller;
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
/** The names of all methods of an observer. */
export const observerMethods = Object.keys(methodNames) as (keyof Observer)[];
