// What the doctor inside the program tells the one outside: lines of JSON over one socket, and the one word it hears.

import type { Finding } from './finding.js';
import type { StuckMessage } from './stuck.js';

/** The descriptors of the examined process: the socket of this protocol, and its lifeline. */
export const CONTROL_FD = 3;
export const LIFELINE_FD = 4;
/** Settings as JSON, for the examined process alone: it takes them away, so that its own children are left alone. */
export const DOCTOR_ENVIRONMENT = 'UNDERLOOP_DOCTOR';

export interface DoctorSettings {
  /** A handler that takes so long has blocked the loop. */
  readonly blockedMs: number;
}

export type DoctorMessage =
  /** The program's own code is next. */
  | { readonly type: 'hello' }
  | { readonly type: 'found'; readonly finding: Finding }
  /** One told before has shown again. */
  | { readonly type: 'again'; readonly finding: Finding }
  | StuckMessage
  /**
   * All that is known has been told. `loops`: reactors and pollers examined; `workerLoops`: those in worker threads, which
   * were not; `lost`: mistakes that were too many.
   */
  | { readonly type: 'done'; readonly loops: number; readonly workerLoops: number; readonly lost: number };

/** The word: decide what is suspected, and tell everything. */
export const FINISH = 'finish\n';
