// What a reactor can be told, with the checks and the defaults.

import { createRequire } from 'node:module';
import { checkFunction, checkInteger, checkObject } from '../errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { checkPollerKind } from '../poller/checks.js';
import type { PollerKind } from '../poller/poller.js';
import { observedKernel } from '../kernel/observed.js';
import type * as environment from '../trace/environment.js';
import type { Stepper } from './hold.js';
import { instrumented } from './instrument.js';
import { Injections, injectable } from './inject.js';
import type { ItemKind, Observer } from './observer.js';

/** Readinesses that one wait may bring: with more, one turn would keep timers and the runtime waiting. */
const EVENTS_MAX = 512;

/** What `new Reactor()` can be told. */
export interface ReactorOptions {
  /** The mechanism to wait with; by default the best one here. */
  poller?: PollerKind;
  /** The seam to the system; by default the real one. Tests give `ScriptedKernel` of `underloop/testing`. */
  kernel?: Kernel;
  /** Receives what a handler throws. Without it, the runtime's `uncaughtException` does. */
  onError?: (error: unknown, kind: ItemKind) => void;
  /** Is told everything that happens. */
  observer?: Observer;
  /** Is asked before each item, and may hold the reactor there: see docs/turn.md. */
  stepper?: Stepper;
  /** Poison the shared read buffer after each `data` call, so that a handler that keeps it fails at once. */
  development?: boolean;
  /** Bound of readinesses per wait, 1 to 65,536; 512 unless given. */
  eventsMax?: number;
}

/** Checks and completes the options. Throws `ERR_ARGUMENT`. */
export function readOptions(given: ReactorOptions) {
  checkObject('options', given);
  const options = instrumented(given);
  const { kernel = nativeKernel, stepper = null } = options;
  const { onError = null, eventsMax = EVENTS_MAX } = options;
  checkObject('options.kernel', kernel);
  const observer = options.observer ?? recorderOfEnvironment(kernel);
  if (observer !== null) checkObject('options.observer', observer);
  if (stepper !== null) {
    checkObject('options.stepper', stepper);
    checkFunction('options.stepper.hold', (stepper as { hold: unknown }).hold);
  }
  if (onError !== null) checkFunction('options.onError', onError);
  checkInteger('options.eventsMax', eventsMax, 1, 65_536);
  const kind = checkPollerKind('options.poller', options.poller, kernel);
  const development = options.development ?? process.env['UNDERLOOP_DEVELOPMENT'] === '1';
  // Whoever looks at the system calls stands between the reactor and its kernel; nobody does without being asked to.
  const observed = observer === null ? kernel : observedKernel(kernel, observer);
  const injections = stepper === null ? null : new Injections();
  const seam = injections === null ? observed : injectable(kernel, observed, observer, injections);
  return { kernel: seam, kind, observer, stepper, injections, onError, eventsMax, development };
}

/** UNDERLOOP_TRACE=FILE records every reactor that has no observer of its own. The recorder is loaded only then. */
function recorderOfEnvironment(kernel: Kernel): Observer | null {
  const path = process.env['UNDERLOOP_TRACE'];
  if (path === undefined || path === '' || kernel.name !== 'native') return null;
  const load = createRequire(import.meta.url);
  const { recorderFor } = load('../trace/environment.js') as typeof environment;
  return recorderFor(path);
}
