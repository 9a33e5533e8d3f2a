// One look at a process and each of its threads, and the difference of two looks.

import { checkInteger } from '../errors.js';
import { clockTicksPerSecond } from './constants.js';
import type { Figure, Reading, Unavailable } from './figure.js';
import { difference, firstKnown, isKnown, isUnavailable, known, sum, unavailable } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import { parseColonLines } from './meminfo.js';
import type { ThreadCall } from './syscalls.js';
import { parseSyscall } from './syscalls.js';

const THREAD_FIGURES = [
  'voluntarySwitches',
  'involuntarySwitches',
  'cpuNs',
  'runQueueWaitNs',
  'cpuUserNs',
  'cpuSystemNs',
] as const;
export type ThreadFigure = (typeof THREAD_FIGURES)[number];
export type ThreadFigures = Readonly<Record<ThreadFigure, Figure>>;

/** What a thread waits in. */
export interface ThreadSleep {
  readonly call: Reading<ThreadCall>;
  /** The kernel's function in which it sleeps: `wait_woken`, `ep_poll`, ... */
  readonly waitChannel: Reading<string>;
}

export interface ThreadSnapshot {
  readonly threadId: number;
  /** At most 15 bytes of it: what the kernel keeps. */
  readonly name: string;
  /** R runs or wants to, S sleeps, D sleeps and can't be woken by a signal, T is stopped, Z has ended. */
  readonly state: string;
  readonly figures: ThreadFigures;
  /** Null: not asked for. */
  readonly sleep: ThreadSleep | null;
}

const MEMORY_FIGURES = [
  'pssBytes',
  'pssAnonBytes',
  'pssFileBytes',
  'pssShmemBytes',
  'rssBytes',
  'rssAnonBytes',
  'rssFileBytes',
  'rssShmemBytes',
  'virtualBytes',
  'swapBytes',
  'pageTableBytes',
] as const;
type MemoryFigure = (typeof MEMORY_FIGURES)[number];

export type ProcessFigure = MemoryFigure | ThreadFigure | 'threads' | 'openFds';
export type ProcessFigures = Readonly<Record<ProcessFigure, Figure>>;

export interface ProcessSnapshot {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  /** Tells this process from a later one with the same pid: its start, in ticks since boot. Null outside Linux. */
  readonly startTicks: number | null;
  /** On the monotonic clock. */
  readonly takenAtNs: bigint;
  /** Switches, run-queue wait and `cpuNs` are sums over the threads alive now; `cpuUserNs` and `cpuSystemNs` include those that ended. */
  readonly figures: ProcessFigures;
  readonly threads: Reading<readonly ThreadSnapshot[]>;
}

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

// ---- one process's files -------------------------------------------------------------------------------------------

export interface Stat {
  readonly name: string;
  readonly state: string;
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly threads: number;
  readonly startTicks: number;
  readonly virtualBytes: number;
}

/** /proc/PID/stat or task/TID/stat. Null: another form. The name stands in brackets and may contain any character. */
export function parseStat(text: string): Stat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  // The first field after the name is the third of the manual page.
  const fields = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  const stat = {
    name: text.slice(open + 1, close),
    state: fields[0] ?? '',
    userTicks: number(14),
    systemTicks: number(15),
    threads: number(20),
    startTicks: number(22),
    virtualBytes: number(23),
  };
  return Number.isNaN(stat.virtualBytes) ? null : stat;
}

/** /proc/PID/task/TID/schedstat. Null: another form. */
export function parseSchedstat(text: string): { cpuNs: number; waitNs: number; slices: number } | null {
  const match = /^(\d+) (\d+) (\d+)\s*$/.exec(text);
  if (match === null) return null;
  return { cpuNs: Number(match[1]), waitNs: Number(match[2]), slices: Number(match[3]) };
}

/** The number in a line `name:\t123`; NaN without the line. Of all lines of a status only two are needed per thread. */
function lineNumber(text: string, line: string): number {
  const at = text.indexOf(line);
  return at < 0 ? NaN : parseInt(text.slice(at + line.length), 10);
}

function lineText(text: string, line: string): string | undefined {
  const at = text.indexOf(line);
  if (at < 0) return undefined;
  const end = text.indexOf('\n', at + 1);
  return text.slice(at + line.length, end < 0 ? undefined : end).trim();
}

const SCHEDSTAT_ABSENT = 'this kernel keeps no schedstat (CONFIG_SCHED_INFO)';
const NOT_ASKED = 'not asked for';

// A kernel without the accounting prints three zeros for everybody; we ourselves have certainly run.
function schedstatKept(files: Files): boolean {
  const text = files.text('/proc/self/schedstat');
  return isKnown(text) && (parseSchedstat(text.value)?.cpuNs ?? 0) > 0;
}

interface ThreadReader {
  readonly files: Files;
  readonly schedstat: boolean;
  readonly ticks: boolean;
  readonly sleep: boolean;
  readonly nsPerTick: Figure;
}

function switches(status: string, kind: 'voluntary' | 'nonvoluntary'): Figure {
  const value = lineNumber(status, `\n${kind}_ctxt_switches:`);
  return Number.isNaN(value)
    ? unavailable(`the thread's status has no ${kind}_ctxt_switches line`)
    : known(value, `/proc/PID/task/TID/status ${kind}_ctxt_switches`);
}

function times(stat: Reading<string>, nsPerTick: Figure, source: string): [user: Figure, system: Figure] {
  if (!isKnown(stat)) return [stat, stat];
  if (!isKnown(nsPerTick)) return [nsPerTick, nsPerTick];
  const parsed = parseStat(stat.value);
  if (parsed === null) {
    const other = unavailable(`${source} has a form that is not known here`);
    return [other, other];
  }
  return [
    known(parsed.userTicks * nsPerTick.value, `${source} utime`),
    known(parsed.systemTicks * nsPerTick.value, `${source} stime`),
  ];
}

function readSleep(files: Files, folder: string, state: string): ThreadSleep {
  const text = files.text(`${folder}/syscall`);
  let call: Reading<ThreadCall>;
  if (isKnown(text)) {
    const parsed = parseSyscall(text.value);
    call =
      parsed === null
        ? unavailable(`${folder}/syscall has a form that is not known here`)
        : known(parsed, '/proc/PID/task/TID/syscall');
  } else call = text;
  let waitChannel = files.text(`${folder}/wchan`);
  // "0" stands both for a thread that does not sleep and for a reader that may not know.
  if (isKnown(waitChannel) && waitChannel.value === '0') {
    const running =
      state === 'R' || (isKnown(call) && call.value.kind === 'running')
        ? 'the thread does not sleep'
        : 'the kernel does not say (no right to trace it, or no symbols)';
    waitChannel = unavailable(running);
  } else if (isKnown(waitChannel)) waitChannel = known(waitChannel.value, '/proc/PID/task/TID/wchan');
  return { call, waitChannel };
}

/** Null: it has ended meanwhile. */
function readThread(reader: ThreadReader, pid: number, threadId: number): ThreadSnapshot | null {
  const { files } = reader;
  const folder = `/proc/${pid}/task/${threadId}`;
  const status = files.text(`${folder}/status`);
  if (!isKnown(status)) return null;
  const text = status.value;
  const state = lineText(text, '\nState:')?.charAt(0) ?? '?';
  let cpuNs: Figure = unavailable(SCHEDSTAT_ABSENT);
  let runQueueWaitNs: Figure = cpuNs;
  if (reader.schedstat) {
    const schedstat = files.text(`${folder}/schedstat`);
    const parsed = isKnown(schedstat) ? parseSchedstat(schedstat.value) : null;
    if (parsed !== null) {
      cpuNs = known(parsed.cpuNs, '/proc/PID/task/TID/schedstat field 1');
      runQueueWaitNs = known(parsed.waitNs, '/proc/PID/task/TID/schedstat field 2');
    } else
      cpuNs = runQueueWaitNs = isKnown(schedstat)
        ? unavailable(`${folder}/schedstat has a form that is not known here`)
        : schedstat;
  }
  const [cpuUserNs, cpuSystemNs] = reader.ticks
    ? times(files.text(`${folder}/stat`), reader.nsPerTick, '/proc/PID/task/TID/stat')
    : [unavailable(NOT_ASKED), unavailable(NOT_ASKED)];
  return {
    threadId,
    name: lineText(text, 'Name:') ?? '',
    state,
    figures: {
      voluntarySwitches: switches(text, 'voluntary'),
      involuntarySwitches: switches(text, 'nonvoluntary'),
      cpuNs,
      runQueueWaitNs,
      cpuUserNs,
      cpuSystemNs,
    },
    sleep: reader.sleep ? readSleep(files, folder, state) : null,
  };
}

/** Name of the figure, line of status, and line of smaps_rollup that says the same better. */
const STATUS_MEMORY: readonly (readonly [MemoryFigure, string])[] = [
  ['rssBytes', 'VmRSS'],
  ['rssAnonBytes', 'RssAnon'],
  ['rssFileBytes', 'RssFile'],
  ['rssShmemBytes', 'RssShmem'],
  ['virtualBytes', 'VmSize'],
  ['swapBytes', 'VmSwap'],
  ['pageTableBytes', 'VmPTE'],
];
const ROLLUP_MEMORY: readonly (readonly [MemoryFigure, string])[] = [
  ['pssBytes', 'Pss'],
  ['pssAnonBytes', 'Pss_Anon'],
  ['pssFileBytes', 'Pss_File'],
  ['pssShmemBytes', 'Pss_Shmem'],
];

function everyFigure<Name extends string>(
  names: readonly Name[],
  figure: (name: Name) => Figure,
): Record<Name, Figure> {
  return Object.fromEntries(names.map((name) => [name, figure(name)])) as Record<Name, Figure>;
}

function readMemory(files: Files, pid: number, status: Reading<string>): Record<MemoryFigure, Figure> {
  const figures = everyFigure(MEMORY_FIGURES, () => (isKnown(status) ? unavailable(NOT_ASKED) : status));
  if (!isKnown(status)) return figures;
  const lines = parseColonLines(status.value);
  if (!lines.has('VmSize')) {
    // A thread of the kernel's, or a process that has ended and is not yet collected: it has no address space.
    return everyFigure(MEMORY_FIGURES, () => known(0, 'no address space (status has no VmSize)'));
  }
  for (const [name, line] of STATUS_MEMORY) {
    const value = lines.get(line);
    figures[name] =
      value === undefined
        ? unavailable(`/proc/${pid}/status has no ${line} line`)
        : known(value, `/proc/PID/status ${line}`);
  }
  const rollup = files.text(`/proc/${pid}/smaps_rollup`);
  const rolled = isKnown(rollup) ? parseColonLines(rollup.value) : null;
  for (const [name, line] of ROLLUP_MEMORY) {
    const value = rolled?.get(line);
    if (!isKnown(rollup)) figures[name] = rollup;
    else if (value === undefined)
      figures[name] = unavailable(`/proc/${pid}/smaps_rollup has no ${line} line (it came with Linux 5.3)`);
    else figures[name] = known(value, `/proc/PID/smaps_rollup ${line}`);
  }
  // Counted page by page; since Linux 6.2 status adds up per-CPU counts that may lag.
  const rss = rolled?.get('Rss');
  if (rss !== undefined) figures.rssBytes = known(rss, '/proc/PID/smaps_rollup Rss');
  return figures;
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
  const [cpuUserNs, cpuSystemNs] = times(stat, nsPerTick, '/proc/PID/stat');

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

const THREAD_SOURCES: Readonly<Record<ThreadFigure, string>> = {
  voluntarySwitches: 'status voluntary_ctxt_switches',
  involuntarySwitches: 'status nonvoluntary_ctxt_switches',
  cpuNs: 'schedstat field 1',
  runQueueWaitNs: 'schedstat field 2',
  cpuUserNs: 'stat utime',
  cpuSystemNs: 'stat stime',
};

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

// ---- differences ---------------------------------------------------------------------------------------------------

export interface ThreadDifference {
  readonly threadId: number;
  readonly name: string;
  /** It began between the looks: its figures count from its beginning. */
  readonly began: boolean;
  readonly figures: ThreadFigures;
}

export interface ProcessDifference {
  readonly pid: number;
  readonly wallNs: number;
  /**
   * `after - before`. Sums over threads are those of the threads alive at the second look: what threads that ended
   * did meanwhile is in no file.
   */
  readonly figures: ProcessFigures;
  readonly threads: Reading<readonly ThreadDifference[]>;
  /** Threads of the first look that the second no longer had. */
  readonly endedThreadIds: readonly number[];
}

const NO_THREAD_YET: ThreadFigures = everyFigure(THREAD_FIGURES, () => known(0, 'the thread began later'));

export function threadDifference(before: ThreadSnapshot | null, after: ThreadSnapshot): ThreadDifference {
  const earlier = before?.figures ?? NO_THREAD_YET;
  return {
    threadId: after.threadId,
    name: after.name,
    began: before === null,
    figures: everyFigure(THREAD_FIGURES, (name) => difference(earlier[name], after.figures[name])),
  };
}

/** What a process did between two looks at it. Unavailable if the pid was meanwhile given to another process. */
export function processDifference(
  before: ProcessSnapshot,
  after: ProcessSnapshot,
): ProcessDifference | Unavailable {
  if (before.pid !== after.pid || before.startTicks !== after.startTicks)
    return unavailable(
      `the looks are at two processes (pid ${before.pid} begun at tick ${before.startTicks ?? '?'}, pid ${after.pid} at ${after.startTicks ?? '?'})`,
    );
  const figures: Record<ProcessFigure, Figure> = everyFigure(
    Object.keys(after.figures) as ProcessFigure[],
    (name) => difference(before.figures[name], after.figures[name]),
  );
  let threads: ProcessDifference['threads'] = firstUnavailable(before.threads, after.threads);
  const ended: number[] = [];
  if (isKnown(before.threads) && isKnown(after.threads)) {
    const earlier = new Map(before.threads.value.map((thread) => [thread.threadId, thread]));
    const list = after.threads.value.map((thread) => {
      const match = earlier.get(thread.threadId);
      earlier.delete(thread.threadId);
      return threadDifference(match ?? null, thread);
    });
    ended.push(...earlier.keys());
    threads = known(list, after.threads.source);
    for (const name of ['voluntarySwitches', 'involuntarySwitches', 'cpuNs', 'runQueueWaitNs'] as const) {
      figures[name] = sum(
        list.map((thread) => thread.figures[name]),
        `sum over the live threads of ${THREAD_SOURCES[name]}`,
      );
    }
  }
  return {
    pid: after.pid,
    wallNs: Number(after.takenAtNs - before.takenAtNs),
    figures,
    threads,
    endedThreadIds: ended,
  };
}

function firstUnavailable(...readings: readonly Reading<unknown>[]): Unavailable {
  return readings.find(isUnavailable) ?? unavailable(NOT_ASKED);
}

/** The anonymous memory that is this process's: its share of pages that several have, or all of them if PSS can't be had. */
export function anonymousBytes(snapshot: ProcessSnapshot): Figure {
  return firstKnown(snapshot.figures.pssAnonBytes, snapshot.figures.rssAnonBytes);
}
