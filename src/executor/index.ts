// The public subpath `underloop/executor`: what a reactor cannot wait for, on threads and processes.

import './method.js'; // reactor.runInExecutor()

export { executor } from './executor.js';
export type { Executor, ExecutorFigures, ExecutorOptions } from './executor.js';
export type { ExecutorKind } from './workers.js';
export { systemCalls } from './system-calls.js';
export type { ReadFileOptions, SystemCallOptions, SystemCalls } from './system-calls.js';
