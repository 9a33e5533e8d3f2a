// How late a reactor is: the time between when a timer was due and when its handler ran.

import { summary } from './statistics.js';

const EVERY_MS = 10;

/** Measures from now on, or from `reset()`. */
export function lagMeter(reactor) {
  let lags = [];
  let dueMs = reactor.now() + EVERY_MS;
  const wait = () => reactor.setTimer(Math.max(dueMs - reactor.now(), 0), tick);
  function tick() {
    // A loop that stood still has missed many times: each of them counts, for each could have been somebody's.
    for (const nowMs = reactor.now(); dueMs <= nowMs; dueMs += EVERY_MS) lags.push(nowMs - dueMs);
    wait();
  }
  wait();
  return {
    reset() {
      lags = [];
    },
    /** After the next tick, which may be late. */
    figures: () =>
      new Promise((resolve) => {
        const seen = lags.length;
        const look = () => (lags.length > seen ? resolve(summary(lags)) : reactor.setTimer(1, look));
        look();
      }),
  };
}
