// The memory bill: each page in one part, the parts against the drop in free memory wherever that lies.

import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import type { MemoryBill, MemoryLook } from '../../src/probe/index.js';
import { isKnown, memoryBill, memoryBillBetween, readMemoryLook, valueOf } from '../../src/probe/index.js';
import { AUXV, STAT, STATUS, recorded } from './fixtures.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A machine in kB, with plausible values to begin with. */
const START = {
  MemFree: 8_000_000,
  MemAvailable: 9_000_000,
  Buffers: 4000,
  Cached: 500_000,
  AnonPages: 60_000,
  Slab: 100_000,
  KernelStack: 3000,
  PageTables: 5000,
  SecPageTables: 0,
  VmallocUsed: 14_000,
  Percpu: 7000,
  Hugetlb: 4096,
  /** Not in meminfo: pages of 4 kB in the per-CPU lists. */
  perCpuPages: 20_000,
  pssAnon: 15_000,
  pssFile: 5000,
  tcpSlabs: 10,
  taskSlabs: 20,
  filpSlabs: 30,
};
type Machine = typeof START;
const change = (by: Partial<Machine>, from: Machine = START): Machine => {
  const machine = { ...from };
  for (const [name, delta] of Object.entries(by)) machine[name as keyof Machine] += delta;
  return machine;
};

const slab = (name: string, pages: number, slabs: number) =>
  `${name} 10 20 192 21 ${pages} : tunables 0 0 0 : slabdata ${slabs} ${slabs} 0\n`;

function look(machine: Machine, slabinfo = true): MemoryLook {
  const meminfo = Object.entries(machine)
    .filter(([name]) => /^[A-Z]/.test(name))
    .map(([name, value]) => `${name}: ${value} kB\n`)
    .join('');
  const texts: Record<string, string> = {
    '/proc/self/auxv': AUXV,
    '/proc/meminfo': meminfo,
    '/proc/zoneinfo': `  pagesets\n    cpu: 0\n              count: ${machine.perCpuPages}\n`,
    '/proc/77/stat': STAT,
    '/proc/77/status': STATUS,
    '/proc/77/smaps_rollup': `Rss: 30000 kB\nPss: ${machine.pssAnon + machine.pssFile} kB\nPss_Anon: ${machine.pssAnon} kB\nPss_File: ${machine.pssFile} kB\nPss_Shmem: 0 kB\n`,
  };
  if (slabinfo)
    texts['/proc/slabinfo'] =
      'slabinfo - version: 2.1\n' +
      slab('TCP', 8, machine.tcpSlabs) +
      slab('task_struct', 8, machine.taskSlabs) +
      slab('filp', 1, machine.filpSlabs);
  return readMemoryLook([77], recorded(texts));
}

const billOf = (after: Machine, options = {}): MemoryBill =>
  memoryBillBetween(look(START), look(after), options);
const kib = (reading: object): number => valueOf(reading as { value: number; source: string })! / KIB;

describe('each page is counted once', () => {
  test('parts that grow together, each by its own amount, explain the drop to the byte', () => {
    const amount = fc.integer({ min: -2000, max: 400_000 });
    const pages = fc.integer({ min: 0, max: 15_000 });
    fc.assert(
      fc.property(
        fc.record({
          anon: amount,
          tables: amount,
          cache: amount,
          slab: amount,
          percpu: amount,
          huge: amount,
        }),
        fc.record({ stacks: amount, mapped: fc.integer({ min: 0, max: 400_000 }), moved: pages }),
        ({ anon, tables, cache, slab, percpu, huge }, { stacks, mapped, moved }) => {
          const used = anon + tables + cache + slab + percpu + huge + stacks;
          const bill = billOf(
            change({
              pssAnon: anon,
              AnonPages: anon,
              PageTables: tables,
              Cached: cache,
              pssFile: mapped,
              Slab: slab,
              Percpu: percpu,
              Hugetlb: huge,
              KernelStack: stacks,
              VmallocUsed: stacks,
              // The rest of what is missing from MemFree has only moved to a CPU's list.
              MemFree: -used - 4 * moved,
              perCpuPages: moved,
            }),
            { sendingThreads: 0 },
          );
          expect(kib(bill.dropBytes)).toBe(used);
          expect(kib(bill.unexplainedBytes)).toBe(0);
          expect(valueOf(bill.reconciles)).toBe(true);
          expect(bill.missing).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
  test('mapped pages of files that were cached before cost nothing', () => {
    const bill = billOf(change({ pssFile: 30_000 }));
    expect(kib(bill.parts.userFile)).toBe(0);
    expect(kib(bill.parts.pageCache)).toBe(0);
    expect(kib(bill.notes.pssBytes)).toBe(30_000);
  });
  test('and those that came into the cache meanwhile stand in one part only', () => {
    const bill = billOf(change({ pssFile: 30_000, Cached: 50_000, MemFree: -50_000 }));
    expect(kib(bill.parts.userFile)).toBe(30_000);
    expect(kib(bill.parts.pageCache)).toBe(20_000);
    expect(kib(bill.totalBytes)).toBe(50_000);
  });
  test("kernel stacks in vmalloc space are the stacks', and the rest of vmalloc is its own part", () => {
    const bill = billOf(change({ KernelStack: 160_000, VmallocUsed: 160_500, MemFree: -160_500 }));
    expect(kib(bill.parts.kernelStacks)).toBe(160_000);
    expect(kib(bill.parts.vmalloc)).toBe(500);
  });
  test('kernel stacks outside vmalloc space are not taken off it', () => {
    const bill = billOf(change({ KernelStack: 160_000, VmallocUsed: 500, MemFree: -160_500 }));
    expect(kib(bill.parts.vmalloc)).toBe(500);
    expect(kib(bill.unexplainedBytes)).toBe(0);
  });
  test('slabs are split by what they are for, and the split sums to the whole', () => {
    const bill = billOf(change({ tcpSlabs: 100, taskSlabs: 10, filpSlabs: 7, Slab: 5000, MemFree: -5000 }));
    expect(kib(bill.parts.socketSlabs)).toBe(100 * 32);
    expect(kib(bill.parts.threadSlabs)).toBe(10 * 32);
    expect(kib(bill.parts.fileSlabs)).toBe(7 * 4);
    expect(kib(bill.parts.otherSlab)).toBe(5000 - 3200 - 320 - 28);
    expect(kib(bill.totalBytes)).toBe(5000);
  });
  test('where slabinfo may not be read the whole slab is in one part, and nothing is missing', () => {
    const after = change({ Slab: 5000, MemFree: -5000 });
    const bill = memoryBillBetween(look(START, false), look(after, false), { sendingThreads: 0 });
    expect(isKnown(bill.parts.socketSlabs)).toBe(false);
    expect(kib(bill.parts.otherSlab)).toBe(5000);
    expect(bill.missing).toEqual([]);
  });
  test('virtual size and the charge of packets are shown and in no sum', () => {
    const bill = billOf(START);
    expect(kib(bill.notes.virtualBytes)).toBe(0);
    expect(kib(bill.totalBytes)).toBe(0);
    const began = memoryBill(look(START).system, look(START).system, {
      before: [],
      after: look(START).processes,
    });
    expect(kib(began.notes.virtualBytes)).toBe(800_000);
    expect(kib(began.parts.userAnonymous)).toBe(15_000);
    expect(kib(began.totalBytes)).toBe(15_000);
  });
});

describe('threads that have sent', () => {
  const after = change({ MemFree: -64_000 });
  test('their pages are unexplained until the number is given, and listed as missing', () => {
    const bill = billOf(after);
    expect(bill.missing).toEqual(['sendPages']);
    expect(kib(bill.unexplainedBytes)).toBe(64_000);
    expect(valueOf(bill.reconciles)).toBe(false);
  });
  test('32 KiB for each', () => {
    const bill = billOf(after, { sendingThreads: 2000 });
    expect(kib(bill.parts.sendPages)).toBe(64_000);
    expect(valueOf(bill.reconciles)).toBe(true);
  });
});

describe('other processes on the machine', () => {
  const after = change({ pssAnon: 10_000, AnonPages: 90_000, MemFree: -90_000 });
  test('their memory is noted, and leaves the bill open', () => {
    const bill = billOf(after, { sendingThreads: 0 });
    expect(kib(bill.notes.anonymousElsewhereBytes)).toBe(80_000);
    expect(valueOf(bill.reconciles)).toBe(false);
    expect(bill.missing).toEqual([]);
  });
  test('and is a part where that is asked for', () => {
    const bill = billOf(after, { sendingThreads: 0, countElsewhere: true });
    expect(kib(bill.parts.anonymousElsewhere)).toBe(80_000);
    expect(kib(bill.unexplainedBytes)).toBe(0);
  });
});

describe('the tolerance', () => {
  const unexplained = (drop: number, total: number) =>
    valueOf(billOf(change({ PageTables: total, MemFree: -drop })).reconciles);
  test('is 8 MiB for small drops, to the kB and in both directions', () => {
    expect(unexplained(8192, 0)).toBe(true);
    expect(unexplained(8193, 0)).toBe(false);
    expect(unexplained(0, 8192)).toBe(true);
    expect(unexplained(0, 8193)).toBe(false);
  });
  test('is 10% of larger ones', () => {
    expect(unexplained(1_000_000, 900_000)).toBe(true);
    expect(unexplained(1_000_000, 899_999)).toBe(false);
    expect(kib(billOf(change({ MemFree: -1_000_000 })).toleranceBytes) * KIB).toBe(
      (1_000_000 / 1024) * MIB * 0.1,
    );
  });
});

describe('processes that may not be read', () => {
  const denied = { unavailable: 'no permission' };
  const own = (machine: Machine) => look(machine).processes[0]!;
  const foreign = (machine: Machine, rssAnonKib: number) => {
    const snapshot = own(machine);
    const figures = {
      ...snapshot.figures,
      pssBytes: denied,
      pssAnonBytes: denied,
      pssFileBytes: denied,
      rssAnonBytes: { value: rssAnonKib * KIB, source: 'status' },
    };
    return { ...snapshot, pid: 78, figures };
  };
  const before = look(START);
  const after = look(change({ pssAnon: 1000, pssFile: 700, Cached: 900 }));
  const bill = memoryBill(before.system, after.system, {
    before: [...before.processes, foreign(START, 500)],
    after: [...after.processes, foreign(START, 800)],
  });
  test('count with the anonymous RSS that everybody may read', () => {
    expect(kib(bill.parts.userAnonymous)).toBe(1000 + 300);
    expect(bill.parts.userAnonymous).toMatchObject({ source: expect.stringContaining('RssAnon') as string });
  });
  test('are left out of the shares of files at both looks, and the source says so', () => {
    expect(kib(bill.parts.userFile)).toBe(700);
    expect(bill.parts.userFile).toMatchObject({
      source: expect.stringContaining('without 1 of 2, which may not be read') as string,
    });
  });
  test('alone leave the part open', () => {
    const only = memoryBill(before.system, after.system, { before: [], after: [foreign(START, 1)] });
    expect(only.notes.pssBytes).toBe(denied);
  });
});

describe('mistakes', () => {
  test('looks in the wrong order are refused', () => {
    const first = look(START);
    const second = look(START);
    expect(() => memoryBillBetween(second, first)).toThrow('after must be a later snapshot than before');
  });
  test('a number of threads that is none is refused', () => {
    expect(() => billOf(START, { sendingThreads: 1.5 })).toThrow('sendingThreads must be an integer');
  });
});
