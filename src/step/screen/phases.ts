// Where in the turn the program is: which phase is lit, which have passed since the last hold.

import type { ItemKind } from '../../reactor/observer.js';
import type { TraceEvent } from '../../trace/format.js';

/** The phases in their order; docs/turn.md. `drain`: nextTick and promises, between turns. */
export const PHASES = [
  'timer',
  'wait',
  'readiness',
  'posted',
  'deferred',
  'closed',
  'flush',
  'drain',
] as const;
export type Phase = (typeof PHASES)[number];

export const PHASE_NAMES: Readonly<Record<Phase, string>> = {
  timer: 'timers',
  wait: 'wait',
  readiness: 'readiness',
  posted: 'posted',
  deferred: 'deferred',
  closed: 'closed',
  flush: 'flush',
  drain: 'nextTick+promises',
};

/** An item's kind is the name of the phase that runs it. */
export function phaseOf(kind: ItemKind): Phase {
  return kind;
}

export function passedPhases(events: readonly TraceEvent[]): ReadonlySet<Phase> {
  const passed = new Set<Phase>();
  for (const event of events) {
    if (event.type === 'itemEnd') passed.add(phaseOf(event.kind));
    else if (event.type === 'waitEnd') passed.add('wait');
    else if (event.type === 'drainEnd') passed.add('drain');
  }
  return passed;
}

const WAITS = /^(?:epoll_p?wait2?|ppoll|poll|select|pselect6|kevent)\b/;

/** Whether a thread in this call waits for readiness, as a reactor should; else something blocks it. */
export function isWait(call: string): boolean {
  return WAITS.test(call);
}
