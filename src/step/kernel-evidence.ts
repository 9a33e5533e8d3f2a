// What the kernel itself has of a held program: its interest list beside the registry's belief, sockets, threads.

import { EDGE, ONESHOT, describeReadiness } from '../poller/poller.js';
import {
  compareInterest,
  describeDescriptor,
  describeDifference,
  describeEvents,
  describeThreadGroup,
  describeThreads,
  entryReadiness,
  isKnown,
  readDescriptors,
  readInterest,
  valueOf,
  type DerivedReadiness,
  type DescriptorFacts,
  type InterestEntry,
  type TcpFigures,
} from '../probe/index.js';
import type { BelievedInterest, HeldState } from './protocol.js';
import type { EvidenceRow } from './screen/evidence.js';

export interface KernelEvidence {
  readonly rows: readonly EvidenceRow[];
  /** Sentences: where kernel and registry differ. */
  readonly differences: readonly string[];
  /** What each thread of the program sleeps in. */
  readonly threads: readonly string[];
  /** What cannot be shown here, and why. */
  readonly unavailable: readonly string[];
}

const TRIGGERS: Readonly<Record<string, number>> = {
  level: 0,
  edge: EDGE,
  oneshot: ONESHOT,
  'edge-oneshot': EDGE | ONESHOT,
};

/**
 * Looks from outside, by /proc and sock_diag: it opens, duplicates and consumes nothing of the program's. A pending edge
 * cannot be seen, and no row claims one.
 */
export function lookAtKernel(held: HeldState, pid: number): KernelEvidence {
  const reasons: string[] = [];
  const threads = describeThreads(pid);
  if (!isKnown(threads)) reasons.push(`threads: ${threads.unavailable}`);
  const descriptors = readDescriptors(pid);
  if (!isKnown(descriptors)) reasons.push(`descriptors: ${descriptors.unavailable}`);
  const facts = valueOf(descriptors) ?? new Map<number, DescriptorFacts>();

  let entries: readonly InterestEntry[] = [];
  let differences: string[] = [];
  const differing = new Set<number>();
  const list =
    held.poller === 'epoll'
      ? readInterest(pid, held.pollerFd)
      : { unavailable: `${held.poller} keeps no list in the kernel that could be read` };
  if (isKnown(list)) {
    ({ entries } = list.value);
    const beliefs = held.registry.map((one) => ({ ...one, trigger: TRIGGERS[one.trigger] ?? 0 }));
    // Of a registry too large to be told whole, what is not told would look as if it were unknown.
    if (held.registry.length === held.registrySize) {
      const found = compareInterest(entries, beliefs);
      differences = found.map(describeDifference);
      for (const { fd } of found) differing.add(fd);
    } else reasons.push(`${held.registrySize} registrations are too many to be compared here`);
  } else reasons.push(`interest list: ${list.unavailable}`);

  const entryByFd = new Map(entries.map((entry) => [entry.fd, entry]));
  const believed = held.registry.toSorted((a, b) => Number(b.referenced) - Number(a.referenced));
  const unknown = entries.filter(({ fd }) => differing.has(fd) && !believed.some((one) => one.fd === fd));
  const rows = [
    ...believed.map((one) => row(one.fd, one, entryByFd.get(one.fd), facts.get(one.fd), differing)),
    ...unknown.map((entry) => row(entry.fd, null, entry, facts.get(entry.fd), differing)),
  ];
  return {
    rows,
    differences,
    threads: isKnown(threads) ? threads.value.map(describeThreadGroup) : [],
    unavailable: reasons,
  };
}

function row(
  fd: number,
  belief: BelievedInterest | null,
  entry: InterestEntry | undefined,
  facts: DescriptorFacts | undefined,
  differing: ReadonlySet<number>,
): EvidenceRow {
  const socket = facts?.kind === 'socket' ? valueOf(facts.socket) : null;
  const derived = entry === undefined ? null : entryReadiness(entry, facts);
  return {
    fd,
    description: facts === undefined ? (belief?.name ?? '?') : describeDescriptor(facts),
    believed: belief === null ? null : `${describeReadiness(belief.interest)} ${belief.trigger}`,
    kernel: entry === undefined ? null : describeEvents(entry.events),
    derived: derived === null ? null : describeDerived(derived),
    rxBytes: socket === null ? null : valueOf(socket.receiveBytes),
    txBytes: socket === null ? null : valueOf(socket.sendBytes),
    state: socket?.state ?? null,
    tcp: socket === null ? null : describeTcp(valueOf(socket.tcp)),
    differs: differing.has(fd),
  };
}

/** `rtt 0.05 ms, window 10, 2 unacknowledged, 0 retransmitted`; tcp_info in tcp(7). */
function describeTcp(tcp: TcpFigures | null): string | null {
  if (tcp === null) return null;
  const { rttMs, congestionWindow, unackedSegments, retransmitsTotal, notSentBytes } = tcp;
  const unsent = notSentBytes === null ? '' : `, ${String(notSentBytes)} bytes not sent`;
  return (
    `rtt ${rttMs.toFixed(2)} ms, window ${String(congestionWindow)}, ${String(unackedSegments)} unacknowledged, ` +
    `${String(retransmitsTotal)} retransmitted${unsent}`
  );
}

/** `readable writable`, `nothing`, and `?` for what cannot be derived. */
function describeDerived(derived: DerivedReadiness): string {
  const names = ['readable', 'writable', 'priority', 'readClosed', 'hangup', 'error'] as const;
  const said = names
    .filter((name) => derived[name] !== 'no')
    .map((name) => (derived[name] === 'yes' ? name : `${name}?`));
  return said.length === names.length && said.every((name) => name.endsWith('?'))
    ? '?'
    : said.join(' ') || 'nothing';
}

/** As lines, for people. */
export function evidenceLines({ rows, differences, threads, unavailable }: KernelEvidence): string[] {
  const lines = rows.map(
    ({ fd, description, believed, kernel, derived, tcp, differs }) =>
      `   ${differs ? '!!' : '  '} fd ${String(fd)} ${description}; believed ${believed ?? 'nothing'}; in the kernel ` +
      `${kernel ?? 'nothing'}; now ${derived ?? '?'}` +
      (tcp === null ? '' : `; ${tcp}`),
  );
  return [
    ...lines,
    ...differences.map((text) => `   !! ${text}`),
    ...threads.map((text) => `      thread ${text}`),
    ...unavailable.map((text) => `      not shown: ${text}`),
  ];
}
