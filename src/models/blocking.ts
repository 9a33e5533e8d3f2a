// The blocking models, thinly: a listening socket goes to native/blocking, which serves it on threads of its own.

import { binding } from '../binding.js';
import { SystemError } from '../errors.js';
import { nativeKernel as kernel } from '../kernel/native.js';
import type { InternetAddress } from '../kernel/kernel.js';
import { checkAddress } from '../net/address.js';
import { checkStart } from './checks.js';
import {
  BACKLOG,
  type Counters,
  type Model,
  type ModelOptions,
  type RunningModel,
  type Workload,
} from './model.js';

/** The numbers are those of Model in native/blocking/server.h. */
export const SEQUENTIAL = 0;
export const THREADS = 1;
export const POOL = 2;

/** As many as common executors start unless told otherwise. */
const POOL_THREADS = 40;
/** More than a process has descriptors for, as a rule: whoever wants connections to be refused gives a smaller one. */
const POOL_QUEUE_MAX = 65_536;

export class BlockingModel implements Model {
  constructor(
    readonly name: string,
    readonly summary: string,
    private readonly kind: number,
    /** Wake a blocked accept through a pipe, as systems other than Linux must; for tests. */
    private readonly wakeByPipe = false,
  ) {}

  unavailable(): string | null {
    return null;
  }

  // Async, so that a mistake is a rejection here as it is with the other models.
  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningBlocking> {
    checkStart(this, workload, options);
    const { fd, address } = listenOn(options);
    const handle = binding.blockingStart(
      this.kind,
      fd,
      workload.upstreamPort,
      options.threads ?? POOL_THREADS,
      (options.stackKib ?? 0) * 1024,
      workload.requestsPerConnection,
      options.queueMax ?? POOL_QUEUE_MAX,
      this.wakeByPipe ? 1 : 0,
    );
    if (handle < 0) {
      const hint =
        'The system gives no more threads, or no memory for their stacks: fewer threads, a smaller stackKib, ' +
        'or a higher limit (ulimit -u, pids.max of a container)';
      throw new SystemError('start threads', handle, { hint });
    }
    return new RunningBlocking(handle, address);
  }
}

/** Threads in this very process: their counters are there to be read. */
export class RunningBlocking implements RunningModel {
  /** In the order of Count() in native/blocking/exports.cc. */
  private readonly numbers = new Float64Array(8);
  private stopped = false;

  constructor(
    private readonly handle: number,
    readonly address: InternetAddress,
  ) {}

  counters(): Counters {
    if (!this.stopped) binding.blockingCounters(this.handle, this.numbers);
    const [accepted, connections, serving, served, refused, errors, queued, threads] = this.numbers;
    return { accepted, connections, serving, served, refused, errors, queued, threads };
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.counters(); // the last that can be had
    this.stopped = true;
    binding.blockingStop(this.handle);
    // What is open, served, queued or a thread has ended.
    for (const index of [1, 2, 6, 7]) this.numbers[index] = 0;
  }
}

/** A listening socket as all of these models have it. Throws a `SystemError` (EADDRINUSE). */
export function listenOn(options: ModelOptions): { fd: number; address: InternetAddress } {
  const wanted = checkAddress('options', options.host ?? '127.0.0.1', options.port ?? 0);
  const fd = kernel.socket(wanted.family);
  if (fd < 0) throw new SystemError('socket', fd);
  try {
    const must = (syscall: string, result: number): void => {
      if (result < 0) throw new SystemError(syscall, result, { address: wanted.host, port: wanted.port });
    };
    must('setsockopt', kernel.setOption(fd, 'reuseAddress', 1));
    must('setsockopt', kernel.setOption(fd, 'noDelay', 1)); // accepted connections inherit it
    must('bind', kernel.bind(fd, wanted));
    must('listen', kernel.listen(fd, options.backlog ?? BACKLOG));
    const address = kernel.localAddress(fd);
    if (typeof address === 'number') throw new SystemError('getsockname', address, { fd });
    return { fd, address: address as InternetAddress };
  } catch (error) {
    kernel.close(fd);
    throw error;
  }
}
