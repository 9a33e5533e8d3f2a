// Structured concurrency: tasks that are started together end together; none is left behind.

import { UnderloopError, argumentError, checkFunction } from '../errors.js';
import { LinkedAbort, abortError, isCancellation, type AbortOptions } from './abort.js';
import { signalOf, type AsyncTask } from './sleep.js';

/** What a group rejects with when tasks of it failed: all their `errors`, the first one first. */
export class TaskGroupError extends AggregateError {
  /** Stable from version to version. */
  readonly code = 'ERR_TASKS_FAILED';
  /** The name of the class. */
  override readonly name = 'TaskGroupError';
}

/**
 * Tasks that live no longer than the group. The first that fails cancels the others through their signals. {@link join}
 * waits for all; leaving the scope of `await using` cancels those that still run, and waits until they have ended.
 */
export class TaskGroup implements AsyncDisposable {
  private readonly linked: LinkedAbort;
  private readonly parent: AbortSignal | undefined;
  private failed: unknown[] = [];
  private count = 0;
  private open = true;
  private waiting: (() => void)[] = [];

  /** `signal` cancels the whole group. */
  constructor(options?: AbortOptions) {
    this.parent = signalOf(options);
    this.linked = new LinkedAbort(this.parent);
  }

  /**
   * Runs `body` with a group, then waits for all of its tasks; a `body` that throws cancels them first. For programs
   * without `await using`. Rejects with what `body` threw, or with a {@link TaskGroupError}.
   */
  static async run<T>(body: (group: TaskGroup) => T | PromiseLike<T>, options?: AbortOptions): Promise<T> {
    checkFunction('body', body);
    const group = new TaskGroup(options);
    let result: T;
    try {
      result = await body(group);
    } catch (error) {
      group.cancel(error);
      await group.ended();
      group.close();
      throw error;
    }
    await group.join();
    return result;
  }

  /** Aborted when the group is cancelled, or when one of its tasks has failed. */
  get signal(): AbortSignal {
    return this.linked.signal;
  }
  /** Tasks that have not ended. */
  get running(): number {
    return this.count;
  }
  /** What tasks failed with so far. Those that gave up because they were cancelled are not among it. */
  get failures(): readonly unknown[] {
    return this.failed;
  }

  /**
   * Starts a task at once, up to its first await. The promise has its result; nobody needs to await it, for the group
   * reports failures. Throws ERR_CLOSED after {@link join}; a cancelled group starts nothing and rejects with ERR_ABORTED.
   */
  start<T>(task: AsyncTask<T>): Promise<T> {
    checkFunction('task', task);
    if (!this.open) throw new UnderloopError('ERR_CLOSED', 'the group is over; make a new one');
    this.count++;
    const promise = this.runTask(task);
    promise.then(
      () => this.taskEnded(),
      (error: unknown) => {
        if (!isCancellation(error, this.signal)) {
          this.failed.push(error);
          this.cancel(error);
        }
        this.taskEnded();
      },
    );
    return promise;
  }

  /** Asks all tasks to end. Idempotent; {@link join} still waits for them. */
  cancel(reason?: unknown): void {
    this.linked.abort(reason);
  }

  /**
   * Waits until all tasks have ended, also those that tasks start meanwhile, and closes the group. Rejects with a
   * {@link TaskGroupError} when some failed, with ERR_ABORTED when the group's own `signal` ended it.
   */
  async join(): Promise<void> {
    await this.ended();
    const wasOpen = this.open;
    this.close();
    this.throwFailures();
    if (wasOpen && this.parent?.aborted === true) throw abortError('the group', this.parent);
  }

  /** Resolves when no task runs; never rejects. */
  async ended(): Promise<void> {
    // Again: whoever was told first may have started another one.
    while (this.count > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** The end of an `await using` block: waits for all its tasks. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.open) return;
    this.cancel();
    await this.ended();
    this.close();
    this.throwFailures();
  }

  /** Takes no more tasks, and forgets the outer signal. @internal */
  close(): void {
    this.open = false;
    this.linked.unlink();
  }

  private async runTask<T>(task: AsyncTask<T>): Promise<T> {
    if (this.signal.aborted) throw abortError('the task', this.signal);
    return task(this.signal);
  }

  private taskEnded(): void {
    if (--this.count > 0) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private throwFailures(): void {
    const errors = this.failed;
    if (errors.length === 0) return;
    this.failed = []; // told once
    const first = errors[0] instanceof Error ? errors[0].message : String(errors[0]);
    const others = errors.length === 1 ? '' : ` (and ${String(errors.length - 1)} more)`;
    throw new TaskGroupError(errors, `a task failed: ${first}${others}`, { cause: errors[0] });
  }
}

/** The results of tasks, in the order of the tasks. */
export type Results<T extends readonly AsyncTask<unknown>[]> = {
  -readonly [K in keyof T]: Awaited<ReturnType<T[K]>>;
};

/**
 * Runs all tasks together and gives their results in order. When one fails, the others are cancelled, and this rejects
 * with the first failure only after all of them have ended.
 */
export async function gather<const T extends readonly AsyncTask<unknown>[]>(
  tasks: T,
  options?: AbortOptions,
): Promise<Results<T>> {
  checkTasks(tasks);
  const group = new TaskGroup(options);
  const results = tasks.map((task) => group.start(task));
  await group.ended();
  group.close();
  if (group.failures.length > 0) throw group.failures[0];
  return (await Promise.all(results)) as Results<T>;
}

/**
 * Runs all tasks together; the first that settles, either way, decides. The others are cancelled, and this settles only
 * after they have ended; what they end with is dropped.
 */
export async function race<const T extends readonly AsyncTask<unknown>[]>(
  tasks: T,
  options?: AbortOptions,
): Promise<Results<T>[number]> {
  checkTasks(tasks);
  if (tasks.length === 0) throw argumentError('tasks', 'at least one task: of none, no one is first', tasks);
  const group = new TaskGroup(options);
  try {
    return (await Promise.race(tasks.map((task) => group.start(task)))) as Results<T>[number];
  } finally {
    group.cancel();
    await group.ended();
    group.close();
  }
}

function checkTasks(tasks: unknown): void {
  if (!Array.isArray(tasks)) throw argumentError('tasks', 'an array of functions', tasks);
  tasks.forEach((task: unknown, i) => {
    if (typeof task === 'function') return;
    const expected =
      'a function that starts the work: (signal) => promise (a promise has begun already, and cannot be cancelled)';
    throw argumentError(`tasks[${String(i)}]`, expected, task);
  });
}
