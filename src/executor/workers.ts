// Workers of an executor: a thread or a process, one task at a time, behind one interface.

import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { TaskMessage, TaskOutcome } from './messages.js';

/** What the workers of an executor are. */
export type ExecutorKind = 'threads' | 'processes';

/** What a worker tells its executor. */
export interface WorkerEvents {
  outcome(outcome: TaskOutcome): void;
  /** It has ended, asked or not; the last call. `error` is what it failed with, if it said so. */
  ended(how: string, error: unknown): void;
}

export interface PoolWorker {
  /** Throws when the arguments cannot be cloned. */
  send(task: TaskMessage): void;
  /** Ends it, whatever it does; `ended` follows. */
  terminate(): void;
  /** Whether it keeps this process alive. */
  setReferenced(referenced: boolean): void;
}

/** The compiled file, also where a test runner runs the sources. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/executor/worker.js' : './worker.js',
  import.meta.url,
);

export function startWorker(kind: ExecutorKind, events: WorkerEvents): PoolWorker {
  return kind === 'threads' ? new ThreadWorker(events) : new ProcessWorker(events);
}

class ThreadWorker implements PoolWorker {
  private readonly worker: Worker;

  constructor(events: WorkerEvents) {
    // No options of ours: what a program was started with (--eval, --input-type) need not make sense for a worker.
    this.worker = new Worker(program, { execArgv: [], name: 'underloop executor' });
    let failure: unknown;
    this.worker.on('message', (outcome: TaskOutcome) => events.outcome(outcome));
    this.worker.on('error', (error) => (failure = error));
    this.worker.on('exit', (code) => events.ended(`the thread ended with code ${String(code)}`, failure));
  }
  send(task: TaskMessage): void {
    this.worker.postMessage(task);
  }
  terminate(): void {
    void this.worker.terminate();
  }
  setReferenced(referenced: boolean): void {
    if (referenced) this.worker.ref();
    else this.worker.unref();
  }
}

/** Where the lifeline's pipe stands in the child: behind the standard streams and the channel. */
const LIFELINE_FD = 4;

class ProcessWorker implements PoolWorker {
  private readonly child: ChildProcess;

  constructor(events: WorkerEvents) {
    this.child = fork(fileURLToPath(program), [String(LIFELINE_FD)], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
    });
    // Our end of the lifeline: nothing is written to it, and the kernel closes it however we end.
    (this.child.stdio[LIFELINE_FD] as Socket).on('error', () => undefined).unref();
    let failure: unknown;
    this.child.on('message', (outcome: TaskOutcome) => events.outcome(outcome));
    let ended = false;
    const end = (how: string): void => {
      if (!ended) events.ended(how, failure);
      ended = true;
    };
    this.child.on('error', (error) => {
      failure = error;
      if (this.child.pid === undefined) end('the process could not be started');
    });
    this.child.on('exit', (code, signal) => {
      end(`the process ended with ${signal ?? `code ${String(code)}`}`);
    });
  }
  send(task: TaskMessage): void {
    this.child.send(task);
  }
  terminate(): void {
    this.child.kill('SIGKILL');
  }
  setReferenced(referenced: boolean): void {
    const { child } = this;
    if (referenced) {
      child.ref();
      child.channel?.ref();
    } else {
      child.unref();
      child.channel?.unref();
    }
  }
}
