// Where a figure can't be had the probes say why; 0 never stands for "don't know".

import { describe, expect, test } from 'vitest';
import type { Figure, ProcessSnapshot } from '../../src/probe/index.js';
import {
  cgroupMemoryMax,
  cgroupPidsMax,
  difference,
  isKnown,
  isUnavailable,
  known,
  memoryBillBetween,
  pidMax,
  portRange,
  readAllProcesses,
  readMemoryLook,
  readProcess,
  readSystem,
  sum,
  threadCapacity,
  unavailable,
  valueOf,
} from '../../src/probe/index.js';
import { failureReason } from '../../src/probe/files.js';
import * as fixtures from './fixtures.js';

const { PROCESS_77, recorded } = fixtures;
const nothing = recorded({});

function process77(
  changes: Record<string, string | { unavailable: string } | undefined> = {},
): ProcessSnapshot {
  const texts = Object.entries({ ...PROCESS_77, ...changes }).filter(([, text]) => text !== undefined);
  const snapshot = readProcess(77, {
    files: recorded(Object.fromEntries(texts) as Record<string, string>),
    sleep: true,
    ticks: true,
  });
  if (isUnavailable(snapshot)) throw new Error(snapshot.unavailable);
  return snapshot;
}

describe('a system without /proc', () => {
  test('no figure of the machine is a number', () => {
    const { figures, slabs, countsFlushed } = readSystem(nothing);
    const all = Object.values(figures);
    expect(all.length).toBeGreaterThan(20);
    expect(all.filter(isKnown)).toEqual([]);
    expect(isKnown(slabs)).toBe(false);
    expect(countsFlushed).toBe(false);
  });
  test('no limit is a number, and none is called unlimited', () => {
    for (const reading of [
      portRange(nothing),
      pidMax(nothing),
      threadCapacity(nothing),
      cgroupPidsMax(nothing),
      cgroupMemoryMax(nothing),
    ])
      expect(reading).toEqual({ unavailable: expect.any(String) as string });
  });
  test('no process can be looked at', () => {
    expect(isUnavailable(readProcess(77, { files: nothing }))).toBe(true);
    expect(isKnown(readAllProcesses(nothing))).toBe(false);
  });
  test('a bill has no total, no drop, and does not claim to reconcile', () => {
    const bill = memoryBillBetween(readMemoryLook('all', nothing), readMemoryLook('all', nothing));
    expect(Object.values(bill.parts).filter(isKnown)).toEqual([]);
    for (const figure of [bill.totalBytes, bill.dropBytes, bill.unexplainedBytes, bill.reconciles])
      expect(isKnown<unknown>(figure)).toBe(false);
  });
  test('the reason names the system', () => {
    expect(failureReason('/proc/meminfo', 'ENOENT', 'darwin')).toBe(
      'darwin has no /proc/meminfo: this figure is read on Linux only',
    );
    expect(failureReason('/proc/1/syscall', 'EPERM', 'linux')).toContain(
      'no permission to read /proc/1/syscall',
    );
  });
});

describe('an older or a smaller kernel', () => {
  test('lines that it does not print are unavailable, with the kernel that brought them', () => {
    const { figures } = readSystem(recorded({ '/proc/meminfo': fixtures.MEMINFO_4_9 }));
    expect(figures.secondaryPageTablesBytes).toEqual({
      unavailable: '/proc/meminfo has no SecPageTables line (it came with Linux 6.1)',
    });
    expect(isKnown(figures.percpuBytes)).toBe(false);
    expect(valueOf(figures.swapCachedBytes)).toBe(164 * 1024);
  });
  test('a VmallocUsed of 0 is the 0 of kernels that do not add it up', () => {
    const { figures } = readSystem(recorded({ '/proc/meminfo': fixtures.MEMINFO_4_9 }));
    expect(isKnown(figures.vmallocUsedBytes)).toBe(false);
  });
  test('a PSS that is not split leaves the anonymous share open, and the total known', () => {
    const { figures } = process77({ '/proc/77/smaps_rollup': fixtures.ROLLUP_4_14 });
    expect(valueOf(figures.pssBytes)).toBe(26_000 * 1024);
    expect(isKnown(figures.pssAnonBytes)).toBe(false);
    expect(valueOf(figures.rssAnonBytes)).toBe(20_000 * 1024);
  });
  test('zeros of a kernel without schedstat are no CPU time and no wait', () => {
    const zeros = '0 0 0\n';
    const { figures } = process77({
      '/proc/self/schedstat': zeros,
      '/proc/77/task/77/schedstat': zeros,
      '/proc/77/task/78/schedstat': zeros,
    });
    expect(isKnown(figures.cpuNs)).toBe(false);
    expect(isKnown(figures.runQueueWaitNs)).toBe(false);
    expect(valueOf(figures.cpuUserNs)).toBe(120e6);
  });
  test('but of a thread that has never run, where others have, they are', () => {
    const { threads } = process77({ '/proc/77/task/78/schedstat': '0 0 0\n' });
    if (!isKnown(threads)) throw new Error(threads.unavailable);
    expect(valueOf(threads.value[1]!.figures.cpuNs)).toBe(0);
  });
  test('a descriptor folder that states no size is not an empty one', () => {
    expect(isKnown(process77({ '/proc/77/fd': '0' }).figures.openFds)).toBe(false);
    expect(valueOf(process77().figures.openFds)).toBe(23);
  });
});

describe("another user's process", () => {
  const denied = { unavailable: 'no permission' };
  const snapshot = process77({
    '/proc/77/smaps_rollup': denied,
    '/proc/77/fd': denied,
    '/proc/77/task/77/syscall': denied,
    '/proc/77/task/77/wchan': '0',
  });
  test('keeps what everybody may read', () => {
    expect(valueOf(snapshot.figures.rssBytes)).toBe(50_000 * 1024);
    expect(valueOf(snapshot.figures.voluntarySwitches)).toBe(1041);
    expect(valueOf(snapshot.figures.threads)).toBe(2);
  });
  test('has no PSS and no descriptors', () => {
    expect(snapshot.figures.pssBytes).toEqual(denied);
    expect(snapshot.figures.openFds).toEqual(denied);
  });
  test('the wait channel that the kernel hides is not "0"', () => {
    const { threads } = snapshot;
    if (!isKnown(threads)) throw new Error(threads.unavailable);
    expect(threads.value[0]!.sleep!.call).toEqual(denied);
    expect(threads.value[0]!.sleep!.waitChannel).toEqual({
      unavailable: expect.stringContaining('does not say') as string,
    });
  });
});

test('a thread that runs sleeps in nothing, and one that sleeps says where', () => {
  const { threads } = process77();
  if (!isKnown(threads)) throw new Error(threads.unavailable);
  const [sleeper, runner] = threads.value;
  expect(valueOf(sleeper!.sleep!.waitChannel)).toBe('ep_poll');
  expect(valueOf(runner!.sleep!.call)).toEqual({ kind: 'running' });
  expect(runner!.sleep!.waitChannel).toEqual({ unavailable: 'the thread does not sleep' });
});

test("a process's switches are all its threads', not the first one's, as its own status has them", () => {
  const { figures } = process77();
  expect(valueOf(figures.voluntarySwitches)).toBe(41 + 1000);
  expect(valueOf(figures.involuntarySwitches)).toBe(14);
  expect(valueOf(figures.cpuNs)).toBe(12_000_000);
  expect(valueOf(figures.runQueueWaitNs)).toBe(344);
});

describe('arithmetic', () => {
  const absent = unavailable('reason');
  const five: Figure = known(5, 'five');
  test('what one side lacks, a difference lacks, for the same reason', () => {
    expect(difference(absent, five)).toBe(absent);
    expect(difference(five, absent)).toBe(absent);
    expect(difference(five, known(7, 'seven'))).toEqual({ value: 2, source: 'seven' });
  });
  test('a sum without one of its figures is no sum', () => {
    expect(sum([five, absent], 'all')).toBe(absent);
    expect(sum([five, five], 'all')).toEqual({ value: 10, source: 'all' });
  });
});
