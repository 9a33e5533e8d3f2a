// What the doctor says of one mistake: its class, whose it is, the numbers that show it, and what to do.

import type { BlockedCause } from './blocked/index.js';

/** The classes of mistakes. Others depend on these words. */
export const FINDING_CLASSES = [
  'edge-not-drained',
  'write-interest-left-on',
  'starvation',
  'accept-emfile',
  'blocked-handler',
  'unbounded-write-queue',
  'stale-readiness',
] as const;
export type FindingClass = (typeof FINDING_CLASSES)[number];

/** `error`: something is lost or stands still. `warning`: it costs, or will do harm when it is busier. */
export type Severity = 'error' | 'warning';

/** The program's function that it concerns. */
export interface FoundHandler {
  readonly name: string;
  /** A path; null: no file of the program's, or not known (in a trace). */
  readonly file: string | null;
  /** From 1; 0 without a file. */
  readonly line: number;
}

/** Numbers and words that show it; units last in the names. */
export type Evidence = Readonly<Record<string, string | number | readonly string[] | null>>;

/** One mistake of one registration or handler, however often it shows. */
export interface Finding {
  /** From 1, in the order in which they were found. */
  readonly number: number;
  readonly class: FindingClass;
  /** Of a blocked handler: why it took so long. Else null. */
  readonly cause: BlockedCause | null;
  readonly severity: Severity;
  /** Which reactor of the program, from 1, or which `Poller` of its own. */
  readonly loop: string;
  readonly poller: string;
  /** -1: it concerns no descriptor. */
  readonly fd: number;
  readonly handler: FoundHandler | null;
  /** The turn (of a `Poller`: the wait) in which it was found, from 1. */
  readonly turn: number;
  /** When the mistake began, in milliseconds since the loop was first seen. */
  readonly sinceMs: number;
  /** How often it has shown. */
  readonly times: number;
  /** One sentence. */
  readonly message: string;
  readonly evidence: Evidence;
  readonly remedy: string;
}

/** What a rule reports; the diagnosis adds the rest. */
export interface Draft {
  readonly class: FindingClass;
  readonly cause?: BlockedCause;
  readonly severity: Severity;
  /** With the class: one mistake. Said again, it only counts. */
  readonly key: string;
  readonly fd: number;
  /** The function, or whatever has a name; see handlers.ts. */
  readonly handler: HandlerHint | null;
  readonly sinceMs: number;
  readonly message: string;
  readonly evidence: Evidence;
  readonly remedy: string;
}

/** A call in the program: the function, and where. */
export interface Place {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** What is known of a handler without asking the debugger. */
export interface HandlerHint {
  readonly name: string;
  /** The function, for its line of source; else null. */
  readonly subject: unknown;
  /** `file:line` where it is known already: of a call, from a stack. */
  readonly place?: Place | null | undefined;
}
