// The way in: runs a reactor for as long as one asynchronous function needs it.

import { UnderloopError, checkFunction } from '../errors.js';
import { checkReactor } from '../net/checks.js';
import type { Reactor } from '../reactor/reactor.js';
import { LinkedAbort, type AbortOptions } from './abort.js';
import { signalOf, type AsyncTask } from './sleep.js';

/**
 * Runs the reactor until `main` has settled, and gives its result. Unlike `reactor.run()` it does not end earlier: `main`
 * may wait for things that the reactor knows nothing of, such as fetch(). What `main` left open stays open.
 *
 * Rejects with what `main` throws; with ERR_ABORTED when somebody calls `reactor.stop()` meanwhile, and with a
 * `SystemError` when the wait fails: both abort the signal of `main` first. ERR_BUSY: the reactor is running already.
 */
export async function run<T>(reactor: Reactor, main: AsyncTask<T>, options?: AbortOptions): Promise<T> {
  checkReactor(reactor);
  checkFunction('main', main);
  const linked = new LinkedAbort(signalOf(options));
  const release = reactor.registry.hold();
  let running: Promise<void>;
  try {
    running = reactor.run();
  } catch (error) {
    release(); // and no stop(): it runs for somebody else
    linked.unlink();
    throw error;
  }
  const stopped = running.then((): never => {
    throw new UnderloopError('ERR_ABORTED', 'the reactor was stopped before main had ended');
  });
  stopped.catch((error: unknown) => linked.abort(error));
  try {
    const result = (async () => main(linked.signal))();
    return await Promise.race([result, stopped]);
  } finally {
    release();
    linked.unlink();
    reactor.stop();
  }
}
