// The addon is loaded more than once: each environment has its own state, and one thread has one pump.

import { expect, test } from 'vitest';
import { runProgram } from './child.js';

async function loaded(way: string): Promise<unknown> {
  const { stdout, stderr, code } = await runProgram('lifecycle/programs/load.mjs', [way]);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

/** socketPair, pollerAdd, sendBytes, pollerWait, recv, the event (slot, generation, readable), close twice. */
const works = '0,0,5,1,5,5,6,1,0,0';

test('twice in one environment, the module cache emptied in between: two of everything, and both work', async () => {
  expect(await loaded('twice in one environment')).toEqual({ same: false, used: Array(4).fill(works) });
});

test('in a worker beside the main thread, twice there as well, and again after that worker has gone', async () => {
  const result = await loaded('in a worker beside the main thread, and again after it has gone');
  expect(result).toEqual({ used: [works], count: 13 });
});

test('two copies of the package in one thread: their reactors run side by side', async () => {
  const result = await loaded('two copies of the package in one thread');
  expect(result).toEqual({ different: true, log: ['one', 'two', 'alone', 'alone'] });
});
