// A wake that comes while the thread is blocked in the wait. The scripted kernel's clock makes it; on a real kernel
// another thread writes to the poller's own waker, once the system says that this thread sleeps.

import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { READABLE } from '../../src/poller/poller.js';
import { ScriptedKernel } from '../../src/testing.js';
import { Bench, subjects } from './subjects.js';

/** Ends a wait that no wake has ended, so that a fault fails the test and does not hang it. */
const LIMIT_MS = 20_000;

describe('on the scripted kernel', () => {
  test('a wake during the wait ends it at that moment, and brings nothing', () => {
    const bench = new Bench(subjects.find(({ isVirtual }) => isVirtual)!);
    const { clock } = bench.kernel as ScriptedKernel;
    clock.at(3.5, () => bench.poller.wake());
    expect(bench.wait(Infinity)).toEqual([]);
    expect(clock.now()).toBe(3.5);
    expect(bench.wait(10)).toEqual([]);
    expect(clock.now()).toBe(13.5);
  });
});

/** Waits for the go, then until the main thread sleeps in the kernel, and writes one wake. */
const waking = `
  const { workerData, parentPort } = require('node:worker_threads');
  const { readFileSync, writeSync } = require('node:fs');
  const { go, pid, endMs } = workerData;
  parentPort.postMessage('ready');
  Atomics.wait(go, 0, 0);
  const isAsleep = () => /\\) S /.test(readFileSync('/proc/self/task/' + pid + '/stat', 'latin1'));
  while (!isAsleep() && Date.now() < endMs);
  Atomics.store(go, 1, 1);
  const one = Buffer.alloc(8);
  one.writeBigUInt64LE(1n);
  writeSync(Atomics.load(go, 0), one);
`;

// kqueue's waker is no descriptor (EVFILT_USER): test/native wakes it.
const ownWaker = subjects
  .filter(({ kind, trigger }) => trigger === 0 && ['epoll', 'poll', 'select'].includes(kind))
  .map((subject) => [subject.kind, subject] as const);

/** The eventfds of this process. */
function eventFds(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${String(fd)}`) === 'anon_inode:[eventfd]';
      } catch {
        return false; // the directory's own descriptor
      }
    });
}

// /proc tells which thread sleeps, and which descriptor wakes it.
describe.runIf(process.platform === 'linux').each(ownWaker)('on %s', (_, subject) => {
  test('a wake from another thread ends the wait, and brings nothing', async () => {
    const before = eventFds();
    const bench = new Bench(subject);
    const [waker, ...others] = eventFds().filter((fd) => !before.includes(fd));
    expect(others).toEqual([]);
    const [near] = bench.pair();
    bench.add(near, READABLE);
    const go = new Int32Array(new SharedArrayBuffer(8));
    // The wait must be the main thread's: its number is that of the process.
    expect(readFileSync('/proc/thread-self/stat', 'latin1')).toMatch(new RegExp(`^${String(process.pid)} `));
    const worker = new Worker(waking, {
      eval: true,
      workerData: { go, pid: process.pid, endMs: Date.now() + LIMIT_MS },
    });
    try {
      await once(worker, 'message');
      Atomics.store(go, 0, waker!);
      Atomics.notify(go, 0);
      const startMs = performance.now();
      expect(bench.wait(LIMIT_MS)).toEqual([]);
      expect(performance.now() - startMs).toBeLessThan(LIMIT_MS);
      // It slept when the wake came, and the wake is used up.
      expect(Atomics.load(go, 1)).toBe(1);
      const againMs = performance.now();
      expect(bench.wait(5)).toEqual([]);
      expect(performance.now() - againMs).toBeGreaterThanOrEqual(5);
    } finally {
      await worker.terminate();
      bench.closeAll();
    }
  });
});
