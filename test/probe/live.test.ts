// The probes on this machine: figures that must move by known amounts, and agree with what others say of the same.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import type { ProcessDifference, ProcessOptions, ProcessSnapshot, Reading } from '../../src/probe/index.js';
import {
  describeCall,
  freeMemory,
  isUnavailable,
  memoryBillBetween,
  processDifference,
  readAllProcesses,
  readFdTarget,
  readMemoryLook,
  readProcess,
  readProcessInSlices,
  readSystem,
  valueOf,
} from '../../src/probe/index.js';

const MIB = 1024 * 1024;
const linux = process.platform === 'linux';

function present<T extends object>(reading: T): Exclude<T, { unavailable: string }> {
  if (isUnavailable(reading)) throw new Error(reading.unavailable);
  return reading as Exclude<T, { unavailable: string }>;
}
const value = <T>(reading: Reading<T>): T => present(reading).value;
const own = (options: ProcessOptions = {}): ProcessSnapshot => present(readProcess(process.pid, options));
const changed = (before: ProcessSnapshot, after: ProcessSnapshot): ProcessDifference =>
  present(processDifference(before, after));

// What a test has allocated stays, or its collection would show in the next test's figures.
const kept: unknown[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** A child that prints a line when it is where the test wants it, and stays until killed. */
async function childAt(program: string): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

/** Looks until it is so; a bounded number of times, giving way in between. */
async function until<T>(look: () => T | null, what: string): Promise<T> {
  const deadlineMs = performance.now() + 10_000;
  while (performance.now() < deadlineMs) {
    const found = look();
    if (found !== null) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`not within 10 s: ${what}`);
}

describe.runIf(linux)('own process', () => {
  test('PSS grows by what is allocated and touched, within 10%; virtual size by no less', () => {
    const before = own({ threads: false });
    const block = Buffer.alloc(64 * MIB, 1);
    kept.push(block);
    const { figures } = changed(before, own({ threads: false }));
    expect(block[block.length - 1]).toBe(1);
    for (const name of ['pssBytes', 'pssAnonBytes', 'rssBytes', 'rssAnonBytes'] as const) {
      expect(value(figures[name])).toBeGreaterThan(0.9 * 64 * MIB);
      expect(value(figures[name])).toBeLessThan(1.1 * 64 * MIB);
    }
  });

  test('addresses that are never touched cost virtual size and no PSS', () => {
    const before = own({ threads: false });
    // Fresh pages of the kernel's are zero already: calloc maps them and leaves them alone.
    const block = new ArrayBuffer(256 * MIB);
    kept.push(block);
    const { figures } = changed(before, own({ threads: false }));
    expect(block.byteLength).toBe(256 * MIB);
    expect(value(figures.virtualBytes)).toBeGreaterThan(0.9 * 256 * MIB);
    expect(value(figures.pssBytes)).toBeLessThan(16 * MIB);
  });

  test('the parts of PSS are the whole, to the kB rounding of each', () => {
    const { figures } = own({ threads: false });
    const parts = value(figures.pssAnonBytes) + value(figures.pssFileBytes) + value(figures.pssShmemBytes);
    expect(Math.abs(parts - value(figures.pssBytes))).toBeLessThanOrEqual(3 * 1024);
    expect(value(figures.pssBytes)).toBeLessThanOrEqual(value(figures.rssBytes));
  });

  test('CPU time grows by what getrusage says was burnt, in ns and in ticks', () => {
    const outerStart = process.cpuUsage();
    const before = own({ memory: false });
    const innerStart = process.cpuUsage();
    let used: NodeJS.CpuUsage;
    do used = process.cpuUsage(innerStart);
    while (used.user + used.system < 100_000);
    const after = own({ memory: false });
    const outer = process.cpuUsage(outerStart);
    const { figures } = changed(before, after);
    const leastNs = (used.user + used.system) * 1000;
    const mostNs = (outer.user + outer.system) * 1000;
    // The scheduler adds to a running thread's time at its tick; a tick is 10 ms at most, at either end.
    const tickNs = 10e6;
    expect(value(figures.cpuNs)).toBeGreaterThan(leastNs - tickNs);
    expect(value(figures.cpuNs)).toBeLessThan(mostNs + tickNs);
    const inTicks = value(figures.cpuUserNs) + value(figures.cpuSystemNs);
    expect(inTicks).toBeGreaterThan(leastNs - 2 * tickNs);
    expect(inTicks).toBeLessThan(mostNs + 2 * tickNs);
  });

  test('each sleep is a voluntary switch of the thread that slept', () => {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const before = own({ memory: false });
    for (let i = 0; i < 25; i++) Atomics.wait(cell, 0, 0, 1);
    const { threads } = changed(before, own({ memory: false }));
    const main = value(threads).find(({ threadId }) => threadId === process.pid)!;
    expect(main.began).toBe(false);
    expect(value(main.figures.voluntarySwitches)).toBeGreaterThanOrEqual(25);
  });

  test('a worker is a thread more, which began, sleeps in futex when it waits, and has ended after', async () => {
    const before = own({ memory: false });
    const cell = new SharedArrayBuffer(4);
    const worker = new Worker(
      "const { workerData, parentPort } = require('node:worker_threads'); parentPort.postMessage('up'); Atomics.wait(new Int32Array(workerData), 0, 0);",
      { eval: true, workerData: cell },
    );
    await once(worker, 'message');
    const known = new Set(value(before.threads).map(({ threadId }) => threadId));
    const blocked = await until(() => {
      const threads = value(own({ memory: false, sleep: true }).threads);
      const fresh = threads.filter(({ threadId }) => !known.has(threadId));
      // Its state is read before its call: a thread on its way to sleep still runs in the one, and waits in the other.
      const asleep = fresh.find(({ state, sleep }) => {
        const call = valueOf(sleep!.call);
        return state === 'S' && call !== null && describeCall(call) === 'futex';
      });
      return asleep ?? null;
    }, 'the worker asleep in futex');
    expect(value(blocked.sleep!.waitChannel)).toMatch(/futex/);
    const during = own({ memory: false });
    const start = changed(before, during);
    expect(value(start.threads).find(({ threadId }) => threadId === blocked.threadId)!.began).toBe(true);
    expect(value(start.figures.threads)).toBeGreaterThanOrEqual(1);
    await worker.terminate();
    const gone = await until(() => {
      const end = changed(during, own({ memory: false }));
      return end.endedThreadIds.includes(blocked.threadId) ? end : null;
    }, 'the end of the worker');
    expect(value(gone.figures.threads)).toBeLessThanOrEqual(-1);
  });

  test('opened descriptors are counted without being listed: the look leaves no inode behind for them', async () => {
    const { openSync, closeSync } = await import('node:fs');
    const before = value(own({ threads: false }).figures.openFds);
    const fds = Array.from({ length: 40 }, () => openSync('/dev/null', 'r'));
    const opened = value(own({ threads: false }).figures.openFds) - before;
    for (const fd of fds) closeSync(fd);
    expect(opened).toBe(40);
  });

  test('in slices the answer is the same, others run meanwhile, and progress ends at the number of all', async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const progress: [number, number][] = [];
    const snapshot = present(
      await readProcessInSlices(process.pid, {
        sliceMs: 0,
        onProgress: (read, total) => progress.push([read, total]),
      }),
    );
    clearInterval(counting);
    expect(value(snapshot.threads).map(({ threadId }) => threadId)).toContain(process.pid);
    expect(progress.at(-1)).toEqual([progress.length, value(snapshot.figures.threads)]);
    expect(progress.length).toBeGreaterThan(1);
    expect(turns).toBeGreaterThanOrEqual(1);
  });
});

describe.runIf(linux)('another process', () => {
  test('asleep in a read of its standard input: the call, the descriptor, and the pipe behind it', async () => {
    const child = await childAt(
      "process.stdout.write('.'); require('node:fs').readSync(0, Buffer.alloc(1));",
    );
    const call = await until(() => {
      const threads = value(present(readProcess(child.pid, { sleep: true, memory: false })).threads);
      const main = threads.find(({ threadId }) => threadId === child.pid)!;
      const found = valueOf(main.sleep!.call);
      return found?.kind === 'call' && found.name === 'read' ? found : null;
    }, 'the child in read');
    expect(describeCall(call)).toBe('read(fd 0)');
    expect(value(readFdTarget(child.pid, call.fd!))).toMatch(/^(pipe|socket):\[\d+\]$/);
  });

  test('asleep in its event loop: one wait, on an epoll set', async () => {
    const child = await childAt("process.stdout.write('.'); setInterval(() => {}, 1e6);");
    const call = await until(() => {
      const threads = value(present(readProcess(child.pid, { sleep: true, memory: false })).threads);
      const main = threads.find(({ threadId }) => threadId === child.pid)!;
      const found = valueOf(main.sleep!.call);
      return found?.kind === 'call' && found.fd !== null && found.name!.startsWith('epoll') ? found : null;
    }, 'the child in its loop');
    expect(value(readFdTarget(child.pid, call.fd!))).toBe('anon_inode:[eventpoll]');
  });

  test('one that has ended is unavailable, and a difference across two processes is none', async () => {
    const child = await childAt("process.stdout.write('.'); setInterval(() => {}, 1e6);");
    const snapshot = present(readProcess(child.pid, { memory: false }));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isUnavailable(readProcess(child.pid))).toBe(true);
    expect(isUnavailable(processDifference(snapshot, own({ memory: false })))).toBe(true);
    const reused = { ...snapshot, startTicks: snapshot.startTicks! + 1 };
    expect(isUnavailable(processDifference(snapshot, reused))).toBe(true);
  });

  test('all processes: this one is among them, threads of the kernel are not', () => {
    const pids = value(readAllProcesses()).map(({ pid }) => pid);
    expect(pids).toContain(process.pid);
    expect(pids).not.toContain(2);
  });
});

// Free memory is the whole machine's, and what other programs have in flight (packets, pages of theirs that send) is in
// no count: an attempt may be spoilt from outside. An error of ours spoils every attempt.
const DISTURBED = { retry: 4 };

describe.runIf(linux)('the machine', () => {
  test('what is free lies below the total, and the parts of the slab are the slab', () => {
    const { figures } = readSystem();
    expect(value(freeMemory(figures))).toBeLessThan(value(figures.memTotalBytes));
    expect(value(figures.slabReclaimableBytes) + value(figures.slabUnreclaimableBytes)).toBe(
      value(figures.slabBytes),
    );
  });

  test(
    'memory that a child takes reconciles: it is its anonymous memory, and free memory drops by it',
    DISTURBED,
    async () => {
      const before = readMemoryLook('all');
      const child = await childAt(
        `globalThis.block = Buffer.alloc(${128 * MIB}, 1); process.stdout.write('.'); setInterval(() => {}, 1e6);`,
      );
      const after = readMemoryLook('all');
      expect(after.processes.map(({ pid }) => pid)).toContain(child.pid);
      // Other test files run beside this one, and their memory is not the question.
      const bill = memoryBillBetween(before, after, { countElsewhere: true, sendingThreads: 0 });
      const alone = memoryBillBetween(
        { ...before, processes: [] },
        { ...after, processes: after.processes.filter(({ pid }) => pid === child.pid) },
      );
      expect(value(alone.parts.userAnonymous)).toBeGreaterThan(128 * MIB);
      expect(value(alone.parts.userAnonymous)).toBeLessThan(170 * MIB);
      expect(bill.missing).toEqual([]);
      expect(Math.abs(value(bill.unexplainedBytes))).toBeLessThanOrEqual(value(bill.toleranceBytes));
      expect(value(bill.reconciles)).toBe(true);
    },
  );

  test(
    '1,000 idle connections are found in the slabs of sockets: more than 2 KiB for each end',
    DISTURBED,
    async () => {
      const before = readMemoryLook('all');
      await childAt(`
      const net = require('node:net');
      const held = [];
      const server = net.createServer((socket) => held.push(socket)).listen(0, '127.0.0.1', () => {
        let open = 0;
        const next = () => {
          const socket = net.connect(server.address().port, '127.0.0.1', () => {
            held.push(socket);
            if (++open < 1000) next(); else process.stdout.write('.');
          });
        };
        next();
      });`);
      const after = readMemoryLook('all');
      const bill = memoryBillBetween(before, after, { countElsewhere: true, sendingThreads: 1 });
      const slabs = valueOf(bill.parts.socketSlabs) ?? value(bill.parts.otherSlab);
      expect(slabs).toBeGreaterThan(2000 * 2048);
      expect(value(bill.reconciles)).toBe(true);
    },
  );
});

test.runIf(!linux)('elsewhere a process still knows its own CPU time and switches', () => {
  const { figures } = own();
  expect(value(figures.cpuUserNs)).toBeGreaterThan(0);
  expect(value(figures.rssBytes)).toBeGreaterThan(0);
  expect(isUnavailable(figures.pssBytes)).toBe(true);
});
