// An idle reactor waits in the kernel: it turns a handful of times and costs next to no CPU, however it is arranged.

import { expect, test } from 'vitest';
import { nativeKernel } from '../../src/index.js';
import { runProgram } from '../lifecycle/child.js';

/**
 * A bound on work, not on time: a loop that spins would use all of the 500 ms, one that wakes every millisecond (a slice
 * that never ends) some 30 ms. An idle one uses about 1 ms; the rest is for the runtime's own threads.
 */
const CPU_MS_MAX = 25;

/** Going quiet takes a few turns that only look; the timer that ends the measurement takes one more. */
const TURNS_MAX = 12;

const arrangements = [
  ...nativeKernel.pollerKinds,
  'two reactors',
  'worker',
  'beside idle sockets of the runtime',
];

test.each(arrangements)('%s: an idle reactor uses nearly no CPU', async (arrangement) => {
  const { stdout } = await runProgram('host/programs/idle.mjs', [arrangement]);
  const { cpuMs, turns } = JSON.parse(stdout) as { cpuMs: number; turns: number };
  expect(turns).toBeLessThanOrEqual(TURNS_MAX);
  expect(cpuMs).toBeLessThan(CPU_MS_MAX);
});
