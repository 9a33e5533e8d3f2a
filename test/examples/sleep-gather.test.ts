// examples/sleep-gather.js as its user meets it: the sum of two waits, or the longer of them.

import { expect, test } from 'vitest';
import { runProgram } from '../lifecycle/child.js';

const program = '../examples/sleep-gather.js';
const delayMs = 400;

async function secondsOf(args: string[]): Promise<number> {
  const { stdout, stderr, code } = await runProgram(program, ['--ms', String(delayMs), ...args]);
  expect([code, stderr]).toEqual([0, '']);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.slice(0, 2).sort()).toEqual(['the answer for one', 'the answer for two']);
  return Number(/^(\d+\.\d) s$/.exec(lines[2]!)![1]);
}

test('one after the other takes the sum; --fast the longer one only', async () => {
  const [slow, fast] = [await secondsOf([]), await secondsOf(['--fast'])];
  expect(slow).toBeGreaterThanOrEqual((2 * delayMs) / 1000);
  expect(fast).toBeGreaterThanOrEqual(delayMs / 1000);
  expect(fast).toBeLessThan(slow);
});
