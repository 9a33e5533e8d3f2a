// The lag meter of the examples, on a virtual clock: what it says of a loop that stands still.

import { expect, test } from 'vitest';
import { run, sleep } from '../../src/async/index.js';
import { Reactor } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';

interface Lag {
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}
const lib = new URL('../../examples/lib/lag.js', import.meta.url).href;
const { lagMeter } = (await import(lib)) as {
  lagMeter(reactor: Reactor): { reset(): void; figures(): Promise<Lag> };
};

test('every tick that a loop misses counts, with the time from when it was due', async () => {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel });
  const lag = lagMeter(reactor);
  const figures = await run(reactor, async () => {
    await sleep(reactor, 25);
    kernel.clock.advance(100); // the loop stands still from 25 ms to 125 ms
    await sleep(reactor, 20);
    return lag.figures();
  });
  // Due at 10, 20, 130, 140 and 150 and on time; due at 30, 40, ... 120 and all of them dealt with at 125.
  expect(figures).toEqual({ count: 15, p50Ms: 25, p99Ms: 95, maxMs: 95 });
});

test('reset() forgets what was', async () => {
  const kernel = new ScriptedKernel();
  const reactor = new Reactor({ kernel });
  const lag = lagMeter(reactor);
  const figures = await run(reactor, async () => {
    kernel.clock.advance(500);
    await sleep(reactor, 5);
    lag.reset();
    return lag.figures();
  });
  expect(figures).toEqual({ count: 1, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});
