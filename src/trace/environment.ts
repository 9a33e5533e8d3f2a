// UNDERLOOP_TRACE=FILE: every reactor of the process records itself. Loaded only when the variable is set.

import { isMainThread, threadId } from 'node:worker_threads';
import { Recorder } from './recorder.js';

let made = 0;

/** A recorder for the next reactor: to `path` for the first, `path.2` for the second; workers add their thread's number. */
export function recorderFor(path: string): Recorder {
  made++;
  const ofProcess = path.replaceAll('%p', String(process.pid));
  const ofThread = isMainThread ? ofProcess : `${ofProcess}.thread${String(threadId)}`;
  return Recorder.toFile(made === 1 ? ofThread : `${ofThread}.${String(made)}`);
}
