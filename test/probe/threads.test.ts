// Threads that do the same are one group, named by the call they sleep in and what it waits on.

import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { describeThreadGroup, describeThreads, isKnown } from '../../src/probe/index.js';
import type { Reading, ThreadGroup } from '../../src/probe/index.js';
import { PROCESS_77, STATUS, recorded } from './fixtures.js';

function value<T>(reading: Reading<T>): T {
  if (!isKnown(reading)) throw new Error(reading.unavailable);
  return reading.value;
}
const said = (groups: readonly ThreadGroup[]): string[] => groups.map(describeThreadGroup);

/** Four more threads of one name: three that receive from two sockets, and one that may not be looked at. */
const five: Record<string, string | { unavailable: string }> = { ...PROCESS_77 };
for (const [id, call] of [
  [79, '45 0x9 0x0 0x0 0x0 0x0 0x0 0x1 0x2\n'],
  [80, '45 0x7 0x0 0x0 0x0 0x0 0x0 0x1 0x2\n'],
  [81, '45 0x9 0x0 0x0 0x0 0x0 0x0 0x1 0x2\n'],
  [82, { unavailable: 'no permission' }],
] as const) {
  five[`/proc/77/task/${id}/status`] = STATUS;
  five[`/proc/77/task/${id}/schedstat`] = '0 0 0\n';
  five[`/proc/77/task/${id}/syscall`] = call;
  five[`/proc/77/task/${id}/wchan`] = 'wait';
}

test.runIf(process.arch === 'x64')(
  'a recorded process: name, call and descriptors; why a call is not known',
  () => {
    const groups = value(describeThreads(77, recorded(five)));
    expect(said(groups)).toEqual([
      'serve (main): epoll_wait(fd 5)',
      'worker: running',
      '3 x serve: recvfrom(2 descriptors)',
      'serve: unknown: no permission',
    ]);
    expect(groups[2]).toEqual({ name: 'serve', main: false, count: 3, call: 'recvfrom', fds: [7, 9] });
  },
);

test.runIf(process.platform === 'linux')('this process: workers that wait stand in one group', async () => {
  const program =
    "const { workerData, parentPort } = require('node:worker_threads'); parentPort.postMessage(0); Atomics.wait(new Int32Array(workerData), 0, 0);";
  const workers = [1, 2].map(() => new Worker(program, { eval: true, workerData: new SharedArrayBuffer(4) }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  try {
    const groups = value(describeThreads(process.pid));
    expect(groups.filter(({ main }) => main)).toHaveLength(1);
    const asleep = groups.filter(({ call }) => call === 'futex').reduce((sum, { count }) => sum + count, 0);
    expect(asleep).toBeGreaterThanOrEqual(2);
    expect(groups.length).toBeLessThan(groups.reduce((sum, { count }) => sum + count, 0));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});

test('a process that is not there has a reason and no threads', () => {
  expect(describeThreads(77, recorded({}))).toEqual({ unavailable: expect.any(String) as string });
});
