// Checks what a model is started with, before any system call.

import { UnderloopError, checkInteger, checkObject, checkPort } from '../errors.js';
import type { Model, ModelOptions, Workload } from './model.js';

/** As the fds of a process are bounded, so are threads; more than any system gives. */
const THREADS_MAX = 32_768;
/** Less leaves no room for the C library's own part of a stack, and a page or two of ours. */
const STACK_KIB_MIN = 64;
const STACK_KIB_MAX = 1024 * 1024;
const QUEUE_MAX = 1024 * 1024;

export function checkStart(model: Model, workload: Workload, options: ModelOptions): void {
  checkObject('workload', workload);
  checkPort('workload.upstreamPort', workload.upstreamPort);
  checkInteger('workload.requestsPerConnection', workload.requestsPerConnection, 0, 0x7fffffff);
  checkObject('options', options);
  const { port, backlog, threads, stackKib, queueMax } = options;
  if (port !== undefined) checkPort('options.port', port);
  if (backlog !== undefined) checkInteger('options.backlog', backlog, 1, 65_535);
  if (threads !== undefined) checkInteger('options.threads', threads, 1, THREADS_MAX);
  if (stackKib !== undefined) checkInteger('options.stackKib', stackKib, STACK_KIB_MIN, STACK_KIB_MAX);
  if (queueMax !== undefined) checkInteger('options.queueMax', queueMax, 0, QUEUE_MAX);
  const reason = model.unavailable();
  if (reason !== null) throw new UnderloopError('ERR_UNSUPPORTED', `the model ${model.name}: ${reason}`);
}
