// A held program, as data: what the screen's tests show.

import { believedEvidence } from '../../../src/step/screen/evidence.js';
import { ScreenState } from '../../../src/step/screen/state.js';
import type { HeldState, NextItem } from '../../../src/step/protocol.js';

export const item = (fd: number, name: string, more: Partial<NextItem> = {}): NextItem => ({
  kind: 'readiness',
  fd,
  readiness: 1,
  name,
  stale: false,
  ...more,
});

function heldState(more: Partial<HeldState> = {}): HeldState {
  const next = [
    item(7, 'onAlpha'),
    item(8, 'onBeta', { stale: true }),
    item(-1, 'later', { kind: 'posted', readiness: 0 }),
  ];
  return {
    type: 'held',
    reactor: 1,
    reason: 'step',
    repeated: false,
    breakpoint: 0,
    turn: 12,
    poller: 'epoll',
    pollerFd: 5,
    next,
    left: next.length,
    registry: [7, 8].map((fd) => ({
      fd,
      slot: fd,
      generation: 1,
      interest: 1,
      trigger: 'level',
      referenced: true,
      name: `Watch${String(fd)}`,
    })),
    registrySize: 2,
    timers: [{ inMs: 99.5, name: 'tick' }],
    timerCount: 1,
    queues: { posted: 0, deferred: 2, closed: 0 },
    events: [],
    eventsLost: 0,
    source: null,
    breakpoints: [],
    ...more,
  };
}

export function heldScreen(more: Partial<HeldState> = {}): ScreenState {
  const state = new ScreenState('path/to/program.js');
  const held = heldState(more);
  state.hear({ type: 'hello', pid: 4711, version: 'v20' });
  state.hear({ type: 'opened', reactor: 1, poller: 'epoll', pollerFd: 5 });
  state.see(believedEvidence(held));
  state.hear(held);
  return state;
}
