// reactor.runInExecutor(): a pool of threads per reactor, with all defaults, made when it is first used.

import { Reactor } from '../reactor/reactor.js';
import { executor, type Executor } from './executor.js';

declare module '../reactor/reactor.js' {
  interface Reactor {
    /**
     * Calls the export `name` of `module` with clones of `args` on a thread of its own: `Executor.run` of
     * `underloop/executor` on a pool with all defaults, whose threads end by themselves when they idle.
     */
    runInExecutor(module: string | URL, name: string, ...args: unknown[]): Promise<unknown>;
  }
}

const executors = new WeakMap<Reactor, Executor>();

// Here and not in the class: reactor/ is a floor below, and knows no threads.
Reactor.prototype.runInExecutor = function (module, name, ...args) {
  let pool = executors.get(this);
  if (pool === undefined) executors.set(this, (pool = executor(this)));
  return pool.run(module, name, args);
};
