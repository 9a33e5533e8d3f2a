// What is known of each descriptor beside what the registry believes: rows that a function gives to the screen.

import { describeReadiness } from '../../poller/poller.js';
import type { HeldState } from '../protocol.js';

/** One descriptor. */
export interface EvidenceRow {
  readonly fd: number;
  /** What it is: the name of its source, or what the kernel calls it. */
  readonly description: string;
  /** The interest that the registry believes in, such as `READABLE level`; null: it knows nothing of this one. */
  readonly believed: string | null;
  /** The interest that the kernel's own list has, in the same words; null: not there, or not known. */
  readonly kernel: string | null;
  /** What is ready now, derived from the state of the socket; null: not known. */
  readonly derived: string | null;
  /** Bytes in the kernel's receive and send queues; null: not known, or no socket. */
  readonly rxBytes: number | null;
  readonly txBytes: number | null;
  /** The state of the socket, such as `ESTABLISHED`; null: not known, or no socket. */
  readonly state: string | null;
  /** TCP's own figures, in words; null: no TCP socket, or not known. */
  readonly tcp: string | null;
  /** What is believed and what the kernel has are not the same. */
  readonly differs: boolean;
}

/** What was found at one hold. */
export interface EvidenceFound {
  readonly rows: readonly EvidenceRow[];
  /** Sentences below the rows: differences, threads, what cannot be shown. */
  readonly notes: readonly string[];
}

/** Asked once at each hold, with the pid of the held program. What it throws is shown in place of its rows. */
export type Evidence = (held: HeldState, pid: number) => EvidenceFound;

/** The registry's belief alone; what keeps the reactor going comes first. */
export function believedEvidence(held: HeldState): EvidenceFound {
  const registry = held.registry.toSorted((a, b) => Number(b.referenced) - Number(a.referenced));
  const rows = registry.map(({ fd, interest, trigger, referenced, name }) => ({
    fd,
    description: referenced ? name : `${name}, unref`,
    believed: `${describeReadiness(interest)} ${trigger}`,
    kernel: null,
    derived: null,
    rxBytes: null,
    txBytes: null,
    state: null,
    tcp: null,
    differs: false,
  }));
  return { rows, notes: [] };
}
