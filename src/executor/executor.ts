// Work that would block or burn the reactor's thread: exports of modules, called on a bounded pool of threads or processes.

import { availableParallelism } from 'node:os';
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { abortError, onAbort, type AbortOptions } from '../async/abort.js';
import { signalOf } from '../async/sleep.js';
import { UnderloopError, argumentError, checkInteger, checkMs, checkObject } from '../errors.js';
import { checkReactor } from '../net/checks.js';
import type { Reactor } from '../reactor/reactor.js';
import type { TaskMessage, TaskOutcome } from './messages.js';
import { startWorker, type ExecutorKind, type PoolWorker } from './workers.js';

/** Tasks that wait for a worker at most, unless told otherwise. */
const QUEUE_MAX = 1000;
/** An idle worker ends after this time, unless told otherwise: it holds megabytes. */
const IDLE_MS = 10_000;

/** Options of {@link executor}. */
export interface ExecutorOptions {
  /** `threads` share the process and start in milliseconds; `processes` survive a crash of native code. */
  kind?: ExecutorKind;
  /** Workers at most, 1 to 1024; as many as there are cores unless given. They start when they are needed. */
  workersMax?: number;
  /** Tasks that wait for a worker at most, 0 to 1,000,000; 1000 unless given. Beyond: ERR_QUEUE_FULL. */
  queueMax?: number;
  /** An idle worker ends after so long; 10,000 unless given. */
  idleMs?: number;
}

/** What an executor has done. Times are since it was made. */
export interface ExecutorFigures {
  /** Waiting for a worker now. */
  queued: number;
  /** On a worker now. */
  running: number;
  /** Workers that live now. */
  workers: number;
  /** Returned a result. */
  completed: number;
  /** Threw, or lost their worker. */
  failed: number;
  /** Aborted, while queued or running. */
  cancelled: number;
  /** Milliseconds that tasks have waited for a worker, all together. */
  waitedMs: number;
  /** The longest of these waits. */
  waitedMsMax: number;
}

interface Task {
  readonly message: TaskMessage;
  readonly queuedMs: number;
  /** Settles the promise, once, and lets go of the reactor. */
  settle(error: unknown, value?: unknown): void;
}

/** A worker and what it does. */
interface Place {
  worker: PoolWorker;
  task: Task | null;
  idle: NodeJS.Timeout | null;
  /** Why it was told to end, where the task shall say so. */
  reason: Error | null;
}

/** A bounded pool of threads or processes that calls exports of modules; made by {@link executor}. */
export class Executor implements AsyncDisposable {
  private readonly kind: ExecutorKind;
  private readonly workersMax: number;
  private readonly queueMax: number;
  private readonly idleMs: number;
  private readonly queue: Task[] = [];
  private readonly places = new Set<Place>();
  private readonly counts = { completed: 0, failed: 0, cancelled: 0, waitedMs: 0, waitedMsMax: 0 };
  private open = true;
  private waiting: (() => void)[] = [];

  /** @internal Use {@link executor}. */
  constructor(
    private readonly reactor: Reactor,
    options: ExecutorOptions,
  ) {
    checkReactor(reactor);
    checkObject('options', options);
    const { kind = 'threads', queueMax = QUEUE_MAX, idleMs = IDLE_MS } = options;
    const { workersMax = availableParallelism() } = options;
    if (!['threads', 'processes'].includes(kind)) {
      throw argumentError('options.kind', "'threads' or 'processes'", kind);
    }
    checkInteger('options.workersMax', workersMax, 1, 1024);
    checkInteger('options.queueMax', queueMax, 0, 1_000_000);
    checkMs('options.idleMs', idleMs);
    this.kind = kind;
    this.workersMax = workersMax;
    this.queueMax = queueMax;
    this.idleMs = Math.min(idleMs, 0x7fffffff);
  }

  /**
   * Calls the export `name` of `module` with clones of `args` on a worker. `module`: a URL such as
   * `new URL('./work.js', import.meta.url)`, an absolute path, or `node:...`. The result arrives as an item of the reactor,
   * which stays alive meanwhile.
   *
   * Rejects with what the function threw; with ERR_QUEUE_FULL; with ERR_ABORTED, after a task that ran has been ended with
   * its worker; with ERR_WORKER_ENDED when the worker died; with ERR_EXECUTOR_FUNCTION for a bare function.
   */
  run(
    module: string | URL,
    name: string,
    args: readonly unknown[] = [],
    options?: AbortOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const message = { module: moduleURL(module), name: checkName(name), args: checkArgs(args) };
      const signal = signalOf(options);
      if (signal?.aborted === true) throw abortError('the task', signal);
      if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the executor is closed; make a new one');
      if (this.queue.length >= this.queueMax && this.free() === null && this.places.size >= this.workersMax) {
        const text = `${String(this.queue.length)} tasks wait already; await some, or raise options.queueMax`;
        throw new UnderloopError('ERR_QUEUE_FULL', text);
      }
      const release = this.reactor.registry.hold();
      const task: Task = {
        message,
        queuedMs: performance.now(),
        settle: (error, value) => {
          forget();
          this.arrive(() => {
            release();
            this.reactor.observer?.resumed('runInExecutor');
            if (error === undefined) resolve(value);
            // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- whatever was thrown
            else reject(error);
          });
        },
      };
      const forget = onAbort(signal, () => this.cancel(task, abortError('the task', signal as AbortSignal)));
      this.queue.push(task);
      this.next();
    });
  }

  /** What it has done. */
  get figures(): ExecutorFigures {
    let running = 0;
    for (const { task } of this.places) if (task !== null) running++;
    return { queued: this.queue.length, running, workers: this.places.size, ...this.counts };
  }

  /** Ends all workers and waits until they have ended; tasks that wait or run reject with ERR_CLOSED. Idempotent. */
  async close(): Promise<void> {
    this.open = false;
    const error = new UnderloopError('ERR_CLOSED', 'the executor was closed');
    for (const task of this.queue.splice(0)) {
      this.counts.cancelled++;
      task.settle(error);
    }
    for (const place of this.places) this.end(place, error);
    if (this.places.size > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
  /** The end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private free(): Place | null {
    for (const place of this.places) if (place.task === null && place.reason === null) return place;
    return null;
  }

  /** Gives the oldest task to a worker, as long as there are both. */
  private next(): void {
    while (this.queue.length > 0) {
      const place = this.free() ?? (this.places.size < this.workersMax ? this.start() : null);
      if (place === null) return;
      const task = this.queue.shift() as Task;
      this.counted(task);
      if (place.idle !== null) clearTimeout(place.idle);
      try {
        place.worker.send(task.message);
      } catch (cause) {
        this.counts.failed++;
        const text = `args must be what a structured clone can copy: ${(cause as Error).message}`;
        task.settle(new UnderloopError('ERR_ARGUMENT', text, { cause }));
        this.rest(place);
        continue;
      }
      place.task = task;
      place.worker.setReferenced(true);
    }
  }

  private counted(task: Task): void {
    const waitedMs = performance.now() - task.queuedMs;
    this.counts.waitedMs += waitedMs;
    this.counts.waitedMsMax = Math.max(this.counts.waitedMsMax, waitedMs);
  }

  private start(): Place {
    const worker = startWorker(this.kind, {
      outcome: (outcome) => this.done(place, outcome),
      ended: (how, error) => this.ended(place, how, error),
    });
    const place: Place = { worker, task: null, idle: null, reason: null };
    this.places.add(place);
    return place;
  }

  private done(place: Place, outcome: TaskOutcome): void {
    const { task } = place;
    if (task === null || place.reason !== null) return; // cancelled while the answer was on its way
    place.task = null;
    if ('value' in outcome) {
      this.counts.completed++;
      task.settle(undefined, outcome.value);
    } else {
      this.counts.failed++;
      const { error, fields } = outcome;
      // A thrown undefined is an error, too.
      task.settle(
        error instanceof Error ? Object.assign(error, fields) : (error ?? new Error(String(error))),
      );
    }
    this.rest(place);
    this.next();
  }

  /** It has nothing to do: it keeps no process alive, and ends when that goes on for long. */
  private rest(place: Place): void {
    place.worker.setReferenced(false);
    place.idle = setTimeout(() => this.end(place, new Error('idle')), this.idleMs).unref();
  }

  private cancel(task: Task, error: UnderloopError): void {
    this.counts.cancelled++;
    const at = this.queue.indexOf(task);
    if (at >= 0) {
      this.queue.splice(at, 1);
      task.settle(error);
      return;
    }
    for (const place of this.places) if (place.task === task) this.end(place, error);
  }

  private end(place: Place, reason: Error): void {
    if (place.idle !== null) clearTimeout(place.idle);
    if (place.reason !== null) return;
    place.reason = reason;
    place.worker.setReferenced(true); // its end is waited for
    place.worker.terminate();
  }

  private ended(place: Place, how: string, cause: unknown): void {
    this.places.delete(place);
    const { task, reason } = place;
    if (task !== null) {
      if (reason === null) this.counts.failed++;
      else if (!this.open && (reason as { code?: unknown }).code === 'ERR_CLOSED') this.counts.cancelled++;
      const text = `${how} while it ran ${task.message.name}() of ${task.message.module}`;
      task.settle(reason ?? new UnderloopError('ERR_WORKER_ENDED', text, { cause }));
    }
    if (this.places.size === 0) for (const resolve of this.waiting.splice(0)) resolve();
    this.next();
  }

  /** What comes from a worker becomes an item of the reactor, as everything else does. */
  private arrive(settle: () => void): void {
    try {
      this.reactor.post(settle);
    } catch {
      settle(); // the reactor is closed: nobody makes turns any more, and nobody shall wait for ever
    }
  }
}

/** A pool of workers whose results arrive on `reactor`. Workers start when they are needed. Throws ERR_ARGUMENT. */
export function executor(reactor: Reactor, options: ExecutorOptions = {}): Executor {
  return new Executor(reactor, options);
}

function moduleURL(module: unknown): string {
  if (typeof module === 'function') {
    throw new UnderloopError(
      'ERR_EXECUTOR_FUNCTION',
      'a function cannot be sent to a worker. In Python a thread of the executor shares the heap, so any function will do. ' +
        'In JavaScript a worker has a heap of its own, and a function is bound to the variables around it, which stay ' +
        "here. So name a module and an export of it: run(new URL('./work.js', import.meta.url), 'work', [arguments])",
    );
  }
  if (module instanceof URL) return module.href;
  if (typeof module === 'string') {
    if (/^(file|data|node):/.test(module)) return module;
    if (isAbsolute(module)) return pathToFileURL(module).href;
  }
  const expected =
    "a URL such as new URL('./work.js', import.meta.url), an absolute path, or a module of Node such as node:zlib";
  throw argumentError('module', expected, module);
}

function checkName(name: unknown): string {
  if (typeof name !== 'string' || name === '') throw argumentError('name', 'the name of an export', name);
  return name;
}

function checkArgs(args: unknown): readonly unknown[] {
  if (!Array.isArray(args)) throw argumentError('args', 'an array of the arguments', args);
  return args;
}
