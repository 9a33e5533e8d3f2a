// Says what kept the thread: handlers that took longer than a threshold, with their stack and the cause.

import { checkInteger, checkObject } from '../../errors.js';
import { Watch, type BlockedWatch } from './watch.js';

export type { BlockedCause, BlockedShares } from './account.js';
export type { BlockedKind, BlockedSpan } from './span.js';
export type { StackFrame } from './stack.js';
export type { BlockedWatch } from './watch.js';

/** What is too long: below it nobody notices that others have waited. */
export const BLOCKED_THRESHOLD_MS = 50;

const THRESHOLD_MS_MAX = 3_600_000;

/**
 * Watches items and drains of the reactors of this thread that are given its observer, from now on: it returns when its
 * thread runs. `thresholdMs`: 1 to an hour. Linux says the causes; elsewhere each is `unknown`. Throws `ERR_ARGUMENT`.
 */
export function watchBlocked(options: { thresholdMs: number }): BlockedWatch {
  checkObject('options', options);
  checkInteger('options.thresholdMs', options.thresholdMs, 1, THRESHOLD_MS_MAX);
  return new Watch(options.thresholdMs);
}
