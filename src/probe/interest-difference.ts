// Holds the kernel's interest list against what the registry believes, and gives the differences as data.

import { EDGE, EXCLUSIVE, NONE, ONESHOT, PRIORITY, READABLE, WRITABLE } from '../poller/poller.js';
import type { Belief } from '../reactor/registry.js';
import { isKnown } from './figure.js';
import { EPOLL_FLAGS, decodeToken, describeEvents, isDisarmed } from './interest.js';
import type { InterestEntry } from './interest.js';

export type InterestDifference =
  /** Believed to be registered, and not in the kernel's set: closed, or removed, behind the registry's back. */
  | { readonly kind: 'missing-in-kernel'; readonly fd: number; readonly belief: Belief }
  /** In the set, under a token that the registry has not given out, or has taken back. */
  | { readonly kind: 'unknown-in-registry'; readonly fd: number; readonly entry: InterestEntry }
  /** In the set although the registry has parked it. */
  | {
      readonly kind: 'not-parked';
      readonly fd: number;
      readonly entry: InterestEntry;
      readonly belief: Belief;
    }
  | {
      readonly kind: 'other-events';
      readonly fd: number;
      readonly entry: InterestEntry;
      readonly belief: Belief;
      /** The bits that the belief comes to. */
      readonly expectedEvents: number;
    }
  /** The set holds a file that this fd no longer is: the number was closed, or given to another file. */
  | {
      readonly kind: 'phantom';
      readonly fd: number;
      readonly entry: InterestEntry;
      readonly target: 'closed' | 'other';
    };

/** The bits that native/poller_epoll.cc registers for an interest and its trigger, with the two the kernel adds. */
export function epollEvents(interest: number, trigger: number): number {
  const flags = EPOLL_FLAGS;
  let events: number = flags.EPOLLERR | flags.EPOLLHUP;
  if (interest & READABLE) events |= trigger & EXCLUSIVE ? flags.EPOLLIN : flags.EPOLLIN | flags.EPOLLRDHUP;
  if (interest & WRITABLE) events |= flags.EPOLLOUT;
  if (interest & PRIORITY) events |= flags.EPOLLPRI;
  if (trigger & EDGE) events |= flags.EPOLLET;
  if (trigger & ONESHOT) events |= flags.EPOLLONESHOT;
  if (trigger & EXCLUSIVE) events |= flags.EPOLLEXCLUSIVE;
  return events >>> 0;
}

/**
 * The differences, by fd; none when kernel and registry agree. Our own waker is no registration, and a oneshot that
 * has fired is no difference. A phantom is named as such beside any other difference that its entry makes.
 */
export function compareInterest(
  entries: readonly InterestEntry[],
  beliefs: Iterable<Belief>,
): readonly InterestDifference[] {
  const differences: InterestDifference[] = [];
  const key = (slot: number, generation: number, fd: number): string => `${slot} ${generation} ${fd}`;
  const believed = new Map<string, Belief>();
  for (const belief of beliefs) believed.set(key(belief.slot, belief.generation, belief.fd), belief);
  for (const entry of entries) {
    const token = decodeToken(entry.data);
    if (token?.kind === 'waker') continue;
    const { fd } = entry;
    if (isKnown(entry.target) && entry.target.value !== 'same')
      differences.push({ kind: 'phantom', fd, entry, target: entry.target.value });
    const name = token === null ? '' : key(token.slot, token.generation, fd);
    const belief = believed.get(name);
    if (belief === undefined) {
      differences.push({ kind: 'unknown-in-registry', fd, entry });
      continue;
    }
    believed.delete(name);
    if (belief.interest === NONE) {
      differences.push({ kind: 'not-parked', fd, entry, belief });
      continue;
    }
    const expectedEvents = epollEvents(belief.interest, belief.trigger);
    const fired = (belief.trigger & ONESHOT) !== 0 && isDisarmed(entry.events);
    if (entry.events !== expectedEvents && !fired)
      differences.push({ kind: 'other-events', fd, entry, belief, expectedEvents });
  }
  for (const belief of believed.values()) {
    if (belief.interest !== NONE) differences.push({ kind: 'missing-in-kernel', fd: belief.fd, belief });
  }
  return differences.sort((a, b) => a.fd - b.fd);
}

/** For people: one sentence. */
export function describeDifference(difference: InterestDifference): string {
  const { fd } = difference;
  switch (difference.kind) {
    case 'missing-in-kernel':
      return `fd ${fd}: the registry has slot ${difference.belief.slot}, the kernel has nothing`;
    case 'unknown-in-registry':
      return `fd ${fd}: the kernel has ${describeEvents(difference.entry.events)}, the registry knows nothing of it`;
    case 'not-parked':
      return `fd ${fd}: parked in the registry, ${describeEvents(difference.entry.events)} in the kernel`;
    case 'other-events':
      return `fd ${fd}: ${describeEvents(difference.expectedEvents)} believed, ${describeEvents(difference.entry.events)} in the kernel`;
    case 'phantom':
      return difference.target === 'closed'
        ? `fd ${fd}: closed, but its file is open elsewhere and still in the set`
        : `fd ${fd}: another file now; the one in the set is open elsewhere`;
  }
}
