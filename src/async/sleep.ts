// Waiting for time: sleep, and a limit of time for anything else.

import { UnderloopError, checkFunction, checkMs, checkObject, checkSignal } from '../errors.js';
import { checkReactor } from '../net/checks.js';
import type { Reactor } from '../reactor/reactor.js';
import { LinkedAbort, abortError, isCancellation, onAbort, type AbortOptions } from './abort.js';

/** What runs under somebody else's control: it gets a signal, and ends when that is aborted. */
export type AsyncTask<T> = (signal: AbortSignal) => T | PromiseLike<T>;

/**
 * Resolves in `ms` milliseconds (fractions count) of the reactor's clock, never early. Equal times resolve in the order of
 * the calls. Rejects with ERR_ABORTED, ERR_ARGUMENT, ERR_CLOSED.
 */
export function sleep(reactor: Reactor, ms: number, options?: AbortOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    checkReactor(reactor);
    const signal = signalOf(options);
    if (signal === undefined) {
      // No closure of our own, unless somebody listens: a sleep is a promise, its resolver and a timer.
      reactor.setTimer(ms, reactor.observer === null ? resolve : telling(reactor, resolve));
      return;
    }
    if (signal.aborted) throw abortError('sleep()', signal);
    const timer = reactor.setTimer(ms, () => {
      forget();
      reactor.observer?.resumed('sleep');
      resolve();
    });
    const forget = onAbort(signal, () => {
      timer.cancel();
      reject(abortError('sleep()', signal));
    });
  });
}

/** What a timer calls where an observer is to hear that a promise was settled. */
function telling(reactor: Reactor, resolve: () => void): () => void {
  return function sleep() {
    reactor.observer?.resumed('sleep');
    resolve();
  };
}

/**
 * Runs `task` with a signal that is aborted after `ms`, waits until the task has ended, and rejects with ERR_TIMEOUT if it
 * gave up because of that. A result, or an error of its own, that comes all the same is the outcome: nothing is lost.
 * A task that does not look at its signal is not interrupted.
 */
export async function timeout<T>(
  reactor: Reactor,
  ms: number,
  task: AsyncTask<T>,
  options?: AbortOptions,
): Promise<T> {
  checkReactor(reactor);
  checkMs('ms', ms);
  checkFunction('task', task);
  const linked = new LinkedAbort(signalOf(options));
  const late = new UnderloopError('ERR_TIMEOUT', `not done within ${String(ms)} ms`);
  const timer = reactor.setTimer(ms, () => linked.abort(late));
  try {
    return await task(linked.signal);
  } catch (error) {
    throw linked.signal.reason === late && isCancellation(error, linked.signal) ? late : error;
  } finally {
    timer.cancel();
    linked.unlink();
  }
}

/** The signal of the options, both checked. */
export function signalOf(options: AbortOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined;
  checkObject('options', options);
  checkSignal('options.signal', options.signal);
  return options.signal;
}
