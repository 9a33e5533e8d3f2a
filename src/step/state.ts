// Everything that is told of one held reactor: what comes next, what the registry believes, timers and queues.

import { EDGE, ONESHOT } from '../poller/poller.js';
import type { Held } from '../reactor/hold.js';
import type { Step } from '../reactor/next.js';
import { itemName } from '../reactor/observer.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';
import { short } from './events.js';
import type { BelievedInterest, HeldState } from './protocol.js';

/** Of a held state only so much is told: a million registrations do not fit on a screen. */
const NEXT_MAX = 64;
const REGISTRY_MAX = 512;
const TIMERS_MAX = 16;

type Seen = Pick<
  HeldState,
  | 'turn'
  | 'poller'
  | 'pollerFd'
  | 'next'
  | 'left'
  | 'registry'
  | 'registrySize'
  | 'timers'
  | 'timerCount'
  | 'queues'
>;

/** What is seen of the reactor itself, and the first step of its batch. */
export function look(reactor: Reactor, held: Held): { seen: Seen; first: Step | undefined } {
  const steps = held.peek(NEXT_MAX);
  const { registry, poller, queues, timers } = reactor;
  const [posted, deferred, closed] = queues.map((queue) => queue.length - queue.left);
  const nowMs = reactor.now();
  const seen: Seen = {
    turn: reactor.turnNumber,
    poller: poller.kind,
    pollerFd: poller.fd,
    next: steps.map(({ kind, fd, readiness, name, stale }) => ({
      kind,
      fd,
      readiness,
      name: short(name),
      stale,
    })),
    left: reactor.batchLeft,
    registry: believed(reactor),
    registrySize: registry.size,
    timers: timers
      .soonest(TIMERS_MAX)
      .map(({ deadlineMs, name }) => ({ inMs: deadlineMs - nowMs, name: short(name) })),
    timerCount: timers.size,
    queues: { posted, deferred, closed },
  };
  return { seen, first: steps.at(0) };
}

function believed({ registry }: Reactor): BelievedInterest[] {
  const list: BelievedInterest[] = [];
  for (const slot of registry.slots()) {
    const source = registry.source(slot);
    if (source === null) continue;
    if (list.push(describe(registry, slot, source)) === REGISTRY_MAX) break;
  }
  return list;
}

function describe(registry: Reactor['registry'], slot: number, source: Source): BelievedInterest {
  const flags = registry.trigger(slot);
  const words = [...((flags & EDGE) !== 0 ? ['edge'] : []), ...((flags & ONESHOT) !== 0 ? ['oneshot'] : [])];
  return {
    fd: registry.fd(slot),
    slot,
    generation: registry.generation(slot),
    interest: registry.interest(slot),
    trigger: words.join('-') || 'level',
    referenced: registry.isReferenced(slot),
    name: short(itemName(source)),
  };
}

/** The function of the program's that this item will call; null: none that can be named. */
export function handlerOf(step: Step | undefined): unknown {
  const task = step?.task;
  // A flush calls nobody: net/ sends what the program has written before.
  if (step === undefined || step.kind === 'flush' || task === null || task === undefined) return null;
  return typeof task === 'function' ? task : task.handlerFor?.(step.readiness);
}
