// The model `worker`: one JavaScript worker thread per connection, with blocking reads. What threads cost in this runtime.

import { Worker } from 'node:worker_threads';
import { EAGAIN, ECONNABORTED } from '../kernel/errno.js';
import { SHUT_BOTH, type InternetAddress } from '../kernel/kernel.js';
import { nativeKernel as kernel } from '../kernel/native.js';
import { NONE, READABLE } from '../poller/poller.js';
import { Reactor } from '../reactor/reactor.js';
import type { Watch } from '../reactor/watch.js';
import { listenOn } from './blocking.js';
import { checkStart } from './checks.js';
import type { Counters, Model, ModelOptions, RunningModel, Workload } from './model.js';
import { ERRORS, ROW, SERVED, SERVING, type WorkerAssignment } from './worker-numbers.js';

/** Each is a JavaScript engine of its own: megabytes of memory, tens of milliseconds to start. Beyond: refused. */
export const WORKERS_MAX = 256;
/** Accepted per readiness, as a listener does. */
const ACCEPTS_PER_ITEM_MAX = 64;
/** After a failed accept (EMFILE): the connection stays in the kernel's queue, and would be reported for ever. */
const ACCEPT_BACKOFF_MS = 100;

const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/models/worker-thread.js' : './worker-thread.js',
  import.meta.url,
);

class WorkerModel implements Model {
  readonly name = 'worker';
  readonly summary = 'one JavaScript worker thread per connection, with blocking reads';

  unavailable(): string | null {
    return null;
  }

  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningModel> {
    checkStart(this, workload, options);
    const { fd, address } = listenOn(options);
    const running = new RunningWorkers(fd, address, workload);
    // Another reactor of this thread may forbid it (ERR_NOT_NESTABLE): then run() has failed already.
    await Promise.race([running.finished, Promise.resolve()]);
    return running;
  }
}

class RunningWorkers implements RunningModel {
  private readonly reactor = new Reactor();
  private readonly watch: Watch;
  private readonly workers = new Map<Worker, { fd: number; ended: Promise<void> }>();
  /** Each thread has a row of these while it lives: served and errors, where the next one counts on, and whether it serves. */
  private readonly counts = new Float64Array(new SharedArrayBuffer(WORKERS_MAX * ROW * 8));
  private readonly free = Array.from({ length: WORKERS_MAX }, (_, i) => WORKERS_MAX - 1 - i);
  private accepted = 0;
  private refused = 0;
  private failures = 0;
  private fd: number;
  readonly finished: Promise<void>;

  constructor(
    fd: number,
    readonly address: InternetAddress,
    private readonly workload: Workload,
  ) {
    this.fd = fd;
    this.watch = this.reactor.watch(fd, READABLE, () => this.accept());
    this.finished = this.reactor.run();
  }

  private accept(): void {
    for (let accepts = 0; accepts < ACCEPTS_PER_ITEM_MAX; accepts++) {
      const fd = kernel.accept(this.fd);
      if (fd >= 0) {
        this.accepted++;
        this.serve(fd);
      } else if (fd === EAGAIN) return;
      else if (fd !== ECONNABORTED) {
        this.failures++;
        this.watch.interest = NONE;
        this.reactor
          .setTimer(ACCEPT_BACKOFF_MS, () => {
            if (!this.watch.closed) this.watch.interest = READABLE;
          })
          .unref();
        return;
      }
    }
  }

  private serve(fd: number): void {
    const place = this.free.pop();
    if (place === undefined) {
      this.refused++;
      kernel.close(fd);
      return;
    }
    const assignment: WorkerAssignment = {
      fd,
      upstreamPort: this.workload.upstreamPort,
      requestsPerConnection: this.workload.requestsPerConnection,
      counts: this.counts.subarray(ROW * place, ROW * (place + 1)),
    };
    const worker = new Worker(program, { workerData: assignment, execArgv: [], name: 'underloop worker' });
    const ended = new Promise<void>((resolve) => {
      worker.on('error', () => this.failures++); // its end follows
      worker.on('exit', () => {
        this.workers.delete(worker);
        this.counts[ROW * place + SERVING] = 0;
        this.free.push(place);
        kernel.close(fd);
        resolve();
      });
    });
    this.workers.set(worker, { fd, ended });
  }

  counters(): Counters {
    let served = 0;
    let errors = this.failures;
    let serving = 0;
    for (let i = 0; i < this.counts.length; i += ROW) {
      served += this.counts[i + SERVED];
      errors += this.counts[i + ERRORS];
      serving += this.counts[i + SERVING];
    }
    const { size } = this.workers;
    return {
      accepted: this.accepted - this.refused,
      connections: size,
      serving,
      served,
      refused: this.refused,
      errors,
      queued: 0,
      threads: size,
    };
  }

  async stop(): Promise<void> {
    if (this.fd >= 0) {
      this.watch.close();
      kernel.close(this.fd);
      this.fd = -1;
    }
    // Their clients learn at once; a thread that blocks comes up for air within 50 ms, and is ended.
    await Promise.all(
      [...this.workers].map(async ([worker, { fd, ended }]) => {
        kernel.shutdown(fd, SHUT_BOTH);
        await worker.terminate();
        await ended;
      }),
    );
    this.reactor.close();
    await this.finished;
  }
}

export const worker = new WorkerModel();
