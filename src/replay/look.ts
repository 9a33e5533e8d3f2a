// The state of a replay at one event, as data for people and machines: what a hash says in 64 digits.

import { itemName } from '../reactor/observer.js';
import type { Reactor } from '../reactor/reactor.js';

/** Of each list so much is told. */
const LIST_MAX = 100;

export interface LookedAt {
  /** Counted from 1, in the order in which the program made them. */
  readonly reactor: number;
  readonly turn: number;
  /** Items of the batch that were not begun. */
  readonly left: number;
  readonly registrations: readonly {
    readonly fd: number;
    /** READABLE | WRITABLE | PRIORITY; 0: parked. */
    readonly interest: number;
    readonly slot: number;
    readonly generation: number;
    readonly name: string;
  }[];
  readonly registrationCount: number;
  readonly timers: readonly { readonly inMs: number; readonly name: string }[];
  readonly timerCount: number;
  readonly queues: { readonly posted: number; readonly deferred: number; readonly closed: number };
}

/** All reactors that are open. `nowMs`: their clock. */
export function lookAt(reactors: readonly (Reactor | null)[], nowMs: number): LookedAt[] {
  const looked: LookedAt[] = [];
  reactors.forEach((reactor, index) => {
    if (reactor !== null) looked.push(lookAtOne(reactor, index + 1, nowMs));
  });
  return looked;
}

function lookAtOne(reactor: Reactor, number: number, nowMs: number): LookedAt {
  const { registry, timers, queues } = reactor;
  const [posted, deferred, closed] = queues.map((queue) => queue.length);
  const registrations = [];
  for (const slot of registry.slots()) {
    if (registrations.length === LIST_MAX) break;
    registrations.push({
      fd: registry.fd(slot),
      interest: registry.interest(slot),
      slot,
      generation: registry.generation(slot),
      name: itemName(registry.source(slot) ?? (() => undefined)),
    });
  }
  return {
    reactor: number,
    turn: reactor.turnNumber,
    left: reactor.batchLeft,
    registrations,
    registrationCount: registry.size,
    timers: timers.soonest(LIST_MAX).map(({ deadlineMs, name }) => ({ inMs: deadlineMs - nowMs, name })),
    timerCount: timers.size,
    queues: { posted, deferred, closed },
  };
}
