// What the next items of a batch are: for whoever steps through them.

import { EVENT_STRIDE } from '../poller/poller.js';
import { itemName, type ItemKind } from './observer.js';
import type { Reactor } from './reactor.js';
import type { Task } from './run-queue.js';
import type { Timer } from './timer-heap.js';

/** One item of a batch, before it is run. */
export interface Step {
  /** The turn that it belongs to, counted from 1. */
  readonly turn: number;
  /** What kind of item it is. */
  readonly kind: ItemKind;
  /** What it waits on; -1 for what waits on none, and for a readiness whose registration has gone. */
  readonly fd: number;
  /** For a readiness: what its handler would be called with, were it called now. Else 0. */
  readonly readiness: number;
  /** What will be run: a function, or an object with run(). Null for a readiness whose registration has gone. */
  readonly task: Task | Timer | null;
  /** The name of the function, of the watch's handler, of the timer's callback, or of the object's class. */
  readonly name: string;
  /** It will not be run: its timer was cancelled, its registration has gone, or nobody asks for this readiness any more. */
  readonly stale: boolean;
}

/** What is left of the batch, at most `max` items, in the order in which they will run. Changes nothing. */
export function describeNext(reactor: Reactor, max: number): Step[] {
  const steps: Step[] = [];
  const turn = reactor.turnNumber;
  const add = (kind: ItemKind, task: Task | Timer | null, stale = false, fd = -1, readiness = 0): boolean => {
    if (steps.length >= max) return false;
    const name = task === null ? '' : itemName(task);
    steps.push({ turn, kind, fd, readiness, task, name, stale });
    return true;
  };
  for (let i = reactor.dueNext; i < reactor.due.length; i++) {
    const timer = reactor.due[i];
    if (!add('timer', timer, !timer.pending)) return steps;
  }
  const { events, registry } = reactor;
  for (let at = reactor.eventNext; at < reactor.eventEnd; at += EVENT_STRIDE) {
    const slot = events[at];
    const current = registry.isCurrent(slot, events[at + 1]);
    const readiness = registry.readinessNow(slot, events[at + 1], events[at + 2]);
    const [task, fd] = current ? [registry.source(slot), registry.fd(slot)] : [null, -1];
    if (!add('readiness', task, readiness === 0, fd, readiness)) return steps;
  }
  for (const queue of reactor.queues) {
    for (let i = 0; i < queue.left; i++) if (!add(queue.kind, queue.peek(i))) return steps;
  }
  for (let i = 0; i < reactor.flushes.length; i++) if (!add('flush', reactor.flushes.peek(i))) return steps;
  return steps;
}
