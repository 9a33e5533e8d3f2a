// The reader's own numbers, checked.

import { argumentError, checkInteger, checkMs } from '../../errors.js';
import { CPU_US_MAX, WAIT_MS_MAX } from '../../workload/frames.js';
import type { Question } from './report.js';

const CONNECTIONS_MAX = 10_000_000;
const CORES_MAX = 4096;

/** Throws ERR_ARGUMENT, with the option's name and value, for whatever is wrong. */
export function checkQuestion(question: Question): void {
  checkInteger('--connections', question.connections, 1, CONNECTIONS_MAX);
  checkMs('--wait', question.waitMs);
  if (question.waitMs > WAIT_MS_MAX)
    throw argumentError('--wait', `at most ${WAIT_MS_MAX} ms`, question.waitMs);
  checkInteger('--cpu (microseconds)', question.cpuUs, 0, CPU_US_MAX);
  checkInteger('--cores', question.cores, 1, CORES_MAX);
  for (const [name, value] of [
    ['--memory (bytes)', question.memoryBytes],
    ['--rate (per second)', question.ratePerSecond],
    ['--p99 (microseconds)', question.p99Us],
  ] as const) {
    if (value !== null && !(value > 0 && value < Infinity))
      throw argumentError(name, 'a number above 0', value);
  }
}
