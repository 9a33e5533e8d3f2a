// One look at a process and each of its threads, in one go or in slices.

import { checkInteger } from '../errors.js';
import { clockTicksPerSecond } from './constants.js';
import type { Figure, Reading, Unavailable } from './figure.js';
import { isKnown, isUnavailable, known, sum, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import { readMemory } from './process-memory.js';
import { MEMORY_FIGURES, NOT_ASKED, THREAD_FIGURES, THREAD_SOURCES, everyFigure } from './snapshot.js';
import type { ProcessFigure, ProcessSnapshot, ThreadFigure, ThreadSnapshot } from './snapshot.js';
import { cpuTimes, parseStat } from './stat.js';
import { readThread, schedstatKept } from './thread-files.js';
import type { ThreadReader } from './thread-files.js';

export interface ProcessOptions {
  /** Read every thread's own figures (default true). Two small files for each. */
  readonly threads?: boolean;
  /** Also each thread's user and system time, in clock ticks (default false). One more file each. */
  readonly ticks?: boolean;
  /** Also what each thread sleeps in (default false). Two more files each. */
  readonly sleep?: boolean;
  /** Read the memory figures (default true): the kernel walks all page tables of the process for PSS. */
  readonly memory?: boolean;
  readonly files?: Files;
}

export interface SlicedOptions extends ProcessOptions {
  /** Called after each slice with the number of threads read and of all. */
  readonly onProgress?: (read: number, total: number) => void;
  /** How long to read before others get their turn (default 10). */
  readonly sliceMs?: number;
}

/** Reads a process, giving way after each thread: the number read so far and the number of all. */
function* reading(
  pid: number,
  options: ProcessOptions,
): Generator<readonly [number, number], ProcessSnapshot | Unavailable> {
  checkInteger('pid', pid, 1, 2 ** 31 - 1);
  const files = options.files ?? systemFiles;
  const takenAtNs = process.hrtime.bigint();
  const stat = files.text(`/proc/${pid}/stat`);
  if (!isKnown(stat)) {
    return pid === process.pid && files === systemFiles && process.platform !== 'linux'
      ? ownUsage(stat)
      : stat;
  }
  const parsed = parseStat(stat.value);
  if (parsed === null) return unavailable(`/proc/${pid}/stat has a form that is not known here`);
  const memory =
    options.memory === false
      ? everyFigure(MEMORY_FIGURES, () => unavailable(NOT_ASKED))
      : readMemory(files, pid, files.text(`/proc/${pid}/status`));
  const ticksPerSecond = clockTicksPerSecond(files);
  const nsPerTick = isKnown(ticksPerSecond)
    ? known(1e9 / ticksPerSecond.value, ticksPerSecond.source)
    : ticksPerSecond;
  const [cpuUserNs, cpuSystemNs] = cpuTimes(stat, nsPerTick, '/proc/PID/stat');

  let threads: Reading<readonly ThreadSnapshot[]> = unavailable(NOT_ASKED);
  const ids = options.threads === false ? threads : files.list(`/proc/${pid}/task`);
  if (isKnown(ids)) {
    const reader: ThreadReader = {
      files,
      schedstat: schedstatKept(files),
      ticks: options.ticks ?? false,
      sleep: options.sleep ?? false,
      nsPerTick,
    };
    const list: ThreadSnapshot[] = [];
    for (const [index, id] of ids.value.entries()) {
      const thread = readThread(reader, pid, Number(id));
      if (thread !== null) list.push(thread);
      yield [index + 1, ids.value.length];
    }
    threads = list.length > 0 ? known(list, '/proc/PID/task') : unavailable(`process ${pid} has ended`);
  } else threads = ids;

  const list = threads;
  const ofThreads = (name: ThreadFigure): Figure =>
    isKnown(list)
      ? sum(
          list.value.map(({ figures }) => figures[name]),
          `sum over the live threads of ${THREAD_SOURCES[name]}`,
        )
      : list;
  return {
    pid,
    name: parsed.name,
    state: parsed.state,
    startTicks: parsed.startTicks,
    takenAtNs,
    figures: {
      ...memory,
      threads: known(parsed.threads, '/proc/PID/stat num_threads'),
      openFds: countFds(files, pid),
      voluntarySwitches: ofThreads('voluntarySwitches'),
      involuntarySwitches: ofThreads('involuntarySwitches'),
      cpuNs: ofThreads('cpuNs'),
      runQueueWaitNs: ofThreads('runQueueWaitNs'),
      cpuUserNs,
      cpuSystemNs,
    },
    threads,
  };
}

// Listing the folder would count them too, but has the kernel make an inode and a directory entry for each descriptor:
// 1 KiB apiece, which then stands in the slab and spoils the very bill that is being made.
function countFds(files: Files, pid: number): Figure {
  const size = files.size(`/proc/${pid}/fd`);
  if (!isKnown(size)) return size;
  return size.value === 0
    ? unavailable('the kernel does not state the number (Linux 6.2 does)')
    : known(size.value, '/proc/PID/fd size');
}

/** Where there is no /proc, a process can still ask the system about itself. */
function ownUsage({ unavailable: reason }: Unavailable): ProcessSnapshot {
  const usage = process.resourceUsage();
  const absent = unavailable(reason);
  const none = everyFigure<ProcessFigure>(
    [...MEMORY_FIGURES, ...THREAD_FIGURES, 'threads', 'openFds'],
    () => absent,
  );
  return {
    pid: process.pid,
    name: process.title,
    state: 'R',
    startTicks: null,
    takenAtNs: process.hrtime.bigint(),
    figures: {
      ...none,
      rssBytes: known(process.memoryUsage.rss(), 'process.memoryUsage.rss()'),
      voluntarySwitches: known(usage.voluntaryContextSwitches, 'getrusage ru_nvcsw'),
      involuntarySwitches: known(usage.involuntaryContextSwitches, 'getrusage ru_nivcsw'),
      cpuUserNs: known(usage.userCPUTime * 1000, 'getrusage ru_utime'),
      cpuSystemNs: known(usage.systemCPUTime * 1000, 'getrusage ru_stime'),
    },
    threads: absent,
  };
}

/**
 * One look at a process, in one go: 10,000 threads take about half a second of CPU, with their sleeps one second. The
 * kernel makes inodes and directory entries for what is read, 3 KiB per thread: look at memory first.
 */
export function readProcess(pid: number, options: ProcessOptions = {}): ProcessSnapshot | Unavailable {
  const steps = reading(pid, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in slices, for a program that has more to do meanwhile. */
export async function readProcessInSlices(
  pid: number,
  options: SlicedOptions = {},
): Promise<ProcessSnapshot | Unavailable> {
  const { onProgress, sliceMs = 10 } = options;
  const steps = reading(pid, options);
  let sliceEndsMs = performance.now() + sliceMs;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    const [read, total] = step.value;
    if (read < total && performance.now() < sliceEndsMs) continue;
    onProgress?.(read, total);
    await new Promise((resolve) => setImmediate(resolve));
    sliceEndsMs = performance.now() + sliceMs;
  }
}

/** What a descriptor of a process is: `socket:[123]`, `anon_inode:[eventpoll]`, `pipe:[45]`, a path. */
export function readFdTarget(pid: number, fd: number, files: Files = systemFiles): Reading<string> {
  return files.link(`/proc/${pid}/fd/${fd}`);
}

/** The pids of all processes visible from here. */
export function listPids(files: Files = systemFiles): Reading<readonly number[]> {
  const names = files.list('/proc');
  if (!isKnown(names)) return names;
  return known(names.value.filter((name) => /^\d+$/.test(name)).map(Number), '/proc');
}

/** Every process that has memory of its own, without its threads: what the user part of a memory bill needs. */
export function readAllProcesses(files: Files = systemFiles): Reading<readonly ProcessSnapshot[]> {
  const pids = listPids(files);
  if (!isKnown(pids)) return pids;
  const list: ProcessSnapshot[] = [];
  for (const pid of pids.value) {
    const snapshot = readProcess(pid, { threads: false, files });
    // It may have ended since the listing.
    if (isUnavailable(snapshot)) continue;
    const { virtualBytes } = snapshot.figures;
    if (isKnown(virtualBytes) && virtualBytes.value === 0) continue;
    list.push(snapshot);
  }
  return known(list, '/proc');
}
