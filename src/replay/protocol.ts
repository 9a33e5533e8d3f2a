// What the command and the recorded or replayed process tell each other.

import type { Condition } from '../step/protocol.js';
import type { LookedAt } from './look.js';
import type { Difference } from './replay-tape.js';
import type { Terminal } from './terminals.js';

/** JSON, for the process alone: it takes it away, so that its own children and workers are left alone. */
export const ENVIRONMENT = 'UNDERLOOP_REPLAY';
/** The descriptors of that process: what it reports, line by line as JSON; its lifeline; and the file that it records to. */
export const REPORT_FD = 3;
export const LIFELINE_FD = 4;
export const RECORDING_FD = 5;

/** The first item at which a replay is held: item `item` of the program, and not before event `event`. */
export interface HoldFrom {
  readonly item: number;
  readonly event: number;
  /** Those that were set before. */
  readonly breakpoints: readonly Condition[];
}

/** What the process is to do. */
export type Order =
  | {
      readonly do: 'record';
      readonly bytesMax: number;
      readonly imports: readonly string[];
      /** Of the package. */
      readonly version: string;
      readonly terminals: readonly Terminal[];
    }
  | {
      readonly do: 'replay';
      readonly file: string;
      /** Stop at this event and tell the state; none: replay to the end. */
      readonly to?: number;
      /** Hold before each item from here on, and obey what comes on {@link REPORT_FD} in the words of step/protocol.ts. */
      readonly hold?: HoldFrom;
    };

/** Told at once when a recording ends before its program does. */
export interface RecordEnded {
  readonly type: 'ended';
  /** The bound of bytes, one call beyond a block, or what the system said. */
  readonly why: string;
  /** What was recorded until then. */
  readonly events: number;
  /** It could not be written. */
  readonly failed: boolean;
}

/** How a recording went. */
export interface RecordSummary {
  readonly type: 'recorded';
  readonly events: number;
  readonly bytes: number;
  readonly uncovered: readonly { readonly kind: string; readonly where: string }[];
  /** {@link RecordEnded.why}; null: it goes to the program's end. */
  readonly ended: string | null;
}

/** A place in a replay. */
export interface Place {
  readonly events: number;
  readonly turn: number;
  /** Of the replayed program's own state: see state.ts. */
  readonly stateHash: string;
}

export type Verdict =
  /** To the end, and the state there is the recorded one. */
  | ({ readonly type: 'same'; readonly code: number } & Place)
  /** As far as the recording goes. */
  | ({
      readonly type: 'over';
      readonly why: 'limit' | 'cut' | 'signal';
      readonly signal: string | null;
    } & Place)
  | ({ readonly type: 'differs' } & Difference)
  | { readonly type: 'damaged'; readonly code: string; readonly message: string }
  /** The event was reached that was asked for. */
  | ({
      readonly type: 'arrived';
      readonly recent: readonly string[];
      readonly state: readonly LookedAt[];
    } & Place);

/** What a replay says beside its verdict. */
export interface Circumstances {
  readonly type: 'circumstances';
  /** Files that are not what they were. */
  readonly changed: readonly string[];
  readonly uncovered: readonly { readonly kind: string; readonly where: string }[];
  /** Items of the program that were begun; only a held replay counts them. */
  readonly items: number;
  /** Milliseconds from the first entry to the last. */
  readonly elapsedMs: number;
}
