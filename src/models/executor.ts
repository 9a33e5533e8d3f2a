// The model `executor`: the blocking upstream call, handed to a pool of threads by the loop. The remedy for what must block.

import { executor, type Executor } from '../executor/executor.js';
import { nativeKernel } from '../kernel/native.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Waiter } from '../workload/handler.js';
import { ReactorModel, type ServerCalls } from './reactor.js';

/** As many as `pool` starts unless told otherwise, so that the two compare. They start when they are needed. */
const EXECUTOR_THREADS = 40;
/** Tasks that wait for a thread; a server's connections bound them before. */
const QUEUE_MAX = 1_000_000;
/** Threads are kept for the whole of a comparison: starting them is no part of what a request costs. */
const IDLE_MS = 600_000;

const task = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/workload/blocking-calls.js' : '../workload/blocking-calls.js',
  import.meta.url,
);

class ExecutorCalls implements ServerCalls {
  private readonly pool: Executor;
  private closed = false;

  constructor(
    private readonly reactor: Reactor,
    private readonly port: number,
    threads: number,
  ) {
    this.pool = executor(reactor, {
      workersMax: Math.min(threads, 1024),
      queueMax: QUEUE_MAX,
      idleMs: IDLE_MS,
    });
  }

  call(waiter: Waiter, waitMs: number): boolean {
    // An item of its own, so that a mistake in the handler is an error of the reactor and no unhandled rejection. After
    // close() nobody is there to be told.
    const settle = (answered: boolean): void => {
      if (!this.closed) this.reactor.post(() => waiter.waitEnded(answered));
    };
    this.pool.run(task, 'waitOnUpstream', [this.port, waitMs]).then(
      (answered) => settle(answered === true),
      () => settle(false),
    );
    return true;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.pool.close();
  }
}

export const executorModel = new ReactorModel('executor', nativeKernel.pollerKinds[0], 'level', {
  summary: 'the loop hands each blocking call to a pool of threads',
  calls: (reactor, { upstreamPort }, { threads = EXECUTOR_THREADS }) =>
    new ExecutorCalls(reactor, upstreamPort, threads),
});
