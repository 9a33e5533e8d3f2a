// examples/executor.js: the reactor stands still during a blocking call, and goes on when an executor makes it.

import { expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';

async function ticksOf(args: string[]): Promise<number> {
  const { stdout, stderr, code } = await runProgram('../examples/executor.js', args);
  expect([code, stderr]).toEqual([0, '']);
  return Number(/^ticks while the key was computed: (\d+)\n$/.exec(stdout)![1]);
}

test('no tick during a call in the reactor’s thread; some during one on an executor', async () => {
  expect(await ticksOf(['--blocking'])).toBe(0);
  expect(await ticksOf([])).toBeGreaterThan(0);
});
