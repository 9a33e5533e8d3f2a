// The all-in bill of memory between two looks at the machine: each page in one part, held against the drop in free memory.

import { argumentError, checkInteger } from '../errors.js';
import type { Figure, Reading } from './figure.js';
import { difference, isKnown, isUnavailable, known, minus, sum, unavailable, valueOf } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import type { SlabUse } from './meminfo.js';
import { slabUse } from './meminfo.js';
import { readAllProcesses, readProcess } from './process.js';
import { anonymousBytes } from './snapshot.js';
import type { ProcessSnapshot } from './snapshot.js';
import type { SystemSnapshot } from './system.js';
import { freeMemory, pageCache, pageTables, readSystem, systemDifference } from './system.js';

/** The parts, in the order of a price list. Every page of memory is in at most one. */
export const BILL_PARTS = {
  userAnonymous: 'heaps, stacks and other memory of the processes',
  userFile: 'pages of files that the processes have mapped and that came into the cache meanwhile',
  anonymousElsewhere: 'memory of processes not listed, or that changed while they were being read',
  kernelStacks: 'a stack in the kernel for each thread',
  pageTables: 'page tables of the processes',
  socketSlabs: "sockets' control blocks, inodes and packets",
  fileSlabs: 'open files, directory entries and epoll items, those of sockets included',
  threadSlabs: "the kernel's records of threads, processes and their mappings",
  otherSlab: 'all other small objects of the kernel',
  sendPages: 'the 32 KiB that every thread keeps once it has sent on a socket',
  vmalloc: 'tables of the kernel that are too large for slabs',
  percpu: 'per-CPU data of the kernel',
  hugePages: 'pages reserved as huge pages',
  pageCache: 'files read or written, mapped by none of these processes',
} as const;
export type BillPart = keyof typeof BILL_PARTS;

/** Figures that stand beside the bill and are in no sum: they are not pages, or their pages are in a part already. */
export const BILL_NOTES = {
  pssBytes: 'PSS of the processes, anonymous and file: the file part may have been in the cache before',
  rssBytes: 'RSS of the processes: counts a page once for each that maps it',
  virtualBytes: 'virtual size: addresses, not memory',
  tcpMemoryBytes: 'what queued packets are charged: their pages are in slabs, or in no count',
  memFreeDropBytes: 'drop in MemFree alone: misses that pages came from or went to the per-CPU lists',
  memAvailableDropBytes:
    'drop in MemAvailable: it takes reclaimable slab (inodes, dentries: a part of every socket) for free',
  anonymousElsewhereBytes: 'anonymous memory of processes not listed: AnonPages without those listed',
} as const;
export type BillNote = keyof typeof BILL_NOTES;

export interface ProcessesBeforeAndAfter {
  readonly before: readonly ProcessSnapshot[];
  readonly after: readonly ProcessSnapshot[];
}

export interface BillOptions {
  /**
   * How many more threads have sent on a socket by the second look. The kernel counts their pages nowhere, so that
   * part is this number times {@link SEND_PAGE_BYTES}; unavailable without it.
   */
  readonly sendingThreads?: number;
  /**
   * Also count the anonymous memory of processes that are not listed (default false): what AnonPages has grown beyond
   * those listed. For a machine with other work on it; an error in the processes' own figures can't show then.
   */
  readonly countElsewhere?: boolean;
}

export interface MemoryBill {
  readonly parts: Readonly<Record<BillPart, Figure>>;
  /** The sum of the parts that are known; unavailable if none is. */
  readonly totalBytes: Figure;
  /** Parts that could not be had and whose pages are in no other: the total lacks them. */
  readonly missing: readonly BillPart[];
  /** How much less memory is free, the per-CPU lists included. */
  readonly dropBytes: Figure;
  /** drop - total. */
  readonly unexplainedBytes: Figure;
  /** What may stay unexplained: the larger of 10% of the drop and 8 MiB. */
  readonly toleranceBytes: Figure;
  readonly reconciles: Reading<boolean>;
  readonly notes: Readonly<Record<BillNote, Figure>>;
}

/**
 * The chunk from which the kernel cuts a thread's packets (SKB_FRAG_PAGE_ORDER): allocated when the thread first sends
 * and kept until it ends. In no count of /proc: measured as 32 KiB per thread missing from free memory.
 */
export const SEND_PAGE_BYTES = 32 * 1024;

const TOLERANCE_SHARE = 0.1;
const TOLERANCE_MIN_BYTES = 8 * 1024 * 1024;
const NOTHING = known(0, '');
const NOT_COUNTED = unavailable('not asked for (countElsewhere)');
// Below this the kernel's cache of stacks (two per CPU) hides whether stacks are counted in VmallocUsed.
const STACKS_TELL_BYTES = 1024 * 1024;

// A process that may not be read (another user's) is left out at both looks, and the source says so.
function growth(
  { before, after }: ProcessesBeforeAndAfter,
  figure: (process: ProcessSnapshot) => Figure,
  source: string,
): Figure {
  const earlier = new Map(before.map((process) => [process.pid, figure(process)]));
  const later = new Map(after.map((process) => [process.pid, figure(process)]));
  const changes = [...new Set([...earlier.keys(), ...later.keys()])].map((pid) =>
    difference(earlier.get(pid) ?? NOTHING, later.get(pid) ?? NOTHING),
  );
  if (changes.length === 0) return unavailable('no process was looked at');
  const readable = changes.filter(isKnown);
  if (readable.length === 0) return changes[0];
  const leftOut = changes.length - readable.length;
  const note = leftOut === 0 ? '' : ` (without ${leftOut} of ${changes.length}, which may not be read)`;
  return sum(readable, `sum over the processes of ${source}${note}`);
}

/**
 * Where the memory went between two looks. `processes` are all those whose memory is to be counted, at each look: one
 * that began meanwhile stands only in `after`.
 */
export function memoryBill(
  before: SystemSnapshot,
  after: SystemSnapshot,
  processes: ProcessesBeforeAndAfter,
  options: BillOptions = {},
): MemoryBill {
  const { sendingThreads, countElsewhere = false } = options;
  if (sendingThreads !== undefined) checkInteger('sendingThreads', sendingThreads, -(2 ** 31), 2 ** 31 - 1);
  if (after.takenAtNs < before.takenAtNs)
    throw argumentError('after', 'a later snapshot than before', after.takenAtNs);
  const change = systemDifference(before, after);
  const { figures } = change;

  const userAnonymous = growth(processes, anonymousBytes, anonymousSource(processes));
  const mapped = growth(
    processes,
    ({ figures: of }) =>
      sum([of.pssFileBytes, of.pssShmemBytes], '/proc/PID/smaps_rollup Pss_File + Pss_Shmem'),
    '/proc/PID/smaps_rollup Pss_File + Pss_Shmem',
  );
  const elsewhere = minus(
    figures.anonPagesBytes,
    userAnonymous,
    '/proc/meminfo AnonPages - the processes listed',
  );
  const cache = difference(pageCache(before.figures), pageCache(after.figures));
  const [userFile, restOfCache] = splitCache(mapped, cache);
  const slabs = slabParts(before, after);
  const sendPageBytes = Math.max(SEND_PAGE_BYTES, valueOf(after.pageBytes) ?? 0);
  const parts: Record<BillPart, Figure> = {
    userAnonymous,
    userFile,
    anonymousElsewhere: countElsewhere ? elsewhere : NOT_COUNTED,
    kernelStacks: figures.kernelStackBytes,
    pageTables: difference(pageTables(before.figures), pageTables(after.figures)),
    ...slabs,
    sendPages:
      sendingThreads === undefined
        ? unavailable('the kernel counts these pages nowhere: give the number of sending threads')
        : known(
            sendingThreads * sendPageBytes,
            `${sendingThreads} sending threads x ${sendPageBytes} bytes, not measured`,
          ),
    vmalloc: vmallocWithoutStacks(figures.vmallocUsedBytes, figures.kernelStackBytes),
    percpu: figures.percpuBytes,
    hugePages: figures.hugetlbBytes,
    pageCache: restOfCache,
  };

  // Where the slab can't be split, its whole stands in otherSlab and nothing is missing.
  const covered: ReadonlySet<BillPart> = isKnown(slabs.otherSlab) ? SPLIT_SLABS : new Set();
  const names = Object.keys(BILL_PARTS) as BillPart[];
  const readable = names.map((name) => parts[name]).filter(isKnown);
  const totalBytes = readable.length === 0 ? parts.userAnonymous : sum(readable, 'the parts that are known');
  const dropBytes = minus(
    freeMemory(before.figures),
    freeMemory(after.figures),
    'drop in /proc/meminfo MemFree + /proc/zoneinfo pagesets count',
  );
  const unexplainedBytes = minus(dropBytes, totalBytes, 'drop - total');
  const toleranceBytes = isKnown(dropBytes)
    ? known(
        Math.max(TOLERANCE_SHARE * Math.abs(dropBytes.value), TOLERANCE_MIN_BYTES),
        'the larger of 10% of the drop and 8 MiB',
      )
    : dropBytes;
  const reconciles: Reading<boolean> =
    isKnown(unexplainedBytes) && isKnown(toleranceBytes)
      ? known(Math.abs(unexplainedBytes.value) <= toleranceBytes.value, '|unexplained| <= tolerance')
      : unavailable('free memory is not known');
  return {
    parts,
    totalBytes,
    missing: names.filter(
      (name) => !isKnown(parts[name]) && parts[name] !== NOT_COUNTED && !covered.has(name),
    ),
    dropBytes,
    unexplainedBytes,
    toleranceBytes,
    reconciles,
    notes: {
      pssBytes: growth(processes, (process) => process.figures.pssBytes, '/proc/PID/smaps_rollup Pss'),
      rssBytes: growth(
        processes,
        (process) => process.figures.rssBytes,
        '/proc/PID/smaps_rollup Rss, or status VmRSS',
      ),
      virtualBytes: growth(processes, (process) => process.figures.virtualBytes, '/proc/PID/status VmSize'),
      tcpMemoryBytes: figures.tcpMemoryBytes,
      memFreeDropBytes: minus(
        before.figures.memFreeBytes,
        after.figures.memFreeBytes,
        'drop in /proc/meminfo MemFree',
      ),
      memAvailableDropBytes: minus(
        before.figures.memAvailableBytes,
        after.figures.memAvailableBytes,
        'drop in /proc/meminfo MemAvailable',
      ),
      anonymousElsewhereBytes: elsewhere,
    },
  };
}

function anonymousSource({ after }: ProcessesBeforeAndAfter): string {
  const inShares = after.every(({ figures }) => isKnown(figures.pssAnonBytes));
  return inShares
    ? '/proc/PID/smaps_rollup Pss_Anon'
    : '/proc/PID/smaps_rollup Pss_Anon, or status RssAnon where that is not to be had';
}

// A mapped page of a file costs memory only if it was not cached already. So of the mapped pages no more count than the
// cache grew by; the cache's own part is the rest, and no page is in both.
function splitCache(mapped: Figure, cache: Figure): [userFile: Figure, rest: Figure] {
  if (!isKnown(cache)) return [cache, cache];
  if (!isKnown(mapped)) return [mapped, cache];
  const value = Math.min(Math.max(mapped.value, 0), Math.max(cache.value, 0));
  return [
    known(value, `${mapped.source}, up to the growth of the cache`),
    known(cache.value - value, `${cache.source} - userFile`),
  ];
}

const SPLIT_SLABS: ReadonlySet<BillPart> = new Set(['socketSlabs', 'fileSlabs', 'threadSlabs'] as const);
type SlabPart = 'socketSlabs' | 'fileSlabs' | 'threadSlabs' | 'otherSlab';

function slabParts(before: SystemSnapshot, after: SystemSnapshot): Record<SlabPart, Figure> {
  const all = difference(before.figures.slabBytes, after.figures.slabBytes);
  const { slabs } = systemDifference(before, after);
  if (!isKnown(slabs)) {
    const reason = unavailable(`${slabs.unavailable}: the slab as a whole stands under otherSlab`);
    return { socketSlabs: reason, fileSlabs: reason, threadSlabs: reason, otherSlab: all };
  }
  const by: Record<SlabUse, number> = { sockets: 0, files: 0, threads: 0, other: 0 };
  for (const { name, bytes } of slabs.value) by[slabUse(name)] += bytes;
  const part = (use: SlabUse): Figure => known(by[use], `${slabs.source}, caches of ${use}`);
  return {
    socketSlabs: part('sockets'),
    fileSlabs: part('files'),
    threadSlabs: part('threads'),
    // meminfo's figure, for it also has the large blocks that belong to no cache.
    otherSlab: isKnown(all)
      ? known(all.value - by.sockets - by.files - by.threads, `${all.source} - the three above`)
      : all,
  };
}

// Kernel stacks lie in vmalloc space on most kernels (CONFIG_VMAP_STACK) and are then in both counts. No file that
// everybody may read says so; but if stacks grew and vmalloc did not, they are elsewhere.
function vmallocWithoutStacks(vmalloc: Figure, stacks: Figure): Figure {
  if (!isKnown(vmalloc)) return vmalloc;
  if (!isKnown(stacks)) return stacks;
  const apart = Math.abs(stacks.value) > STACKS_TELL_BYTES && vmalloc.value / stacks.value < 0.5;
  return apart ? vmalloc : known(vmalloc.value - stacks.value, `${vmalloc.source} - kernel stacks`);
}

/** The machine and the processes at one moment: what {@link memoryBill} compares two of. */
export interface MemoryLook {
  readonly system: SystemSnapshot;
  readonly processes: readonly ProcessSnapshot[];
}

/** Looks at the machine's memory and at that of these processes, or of all. Those that have ended are left out. */
export function readMemoryLook(pids: readonly number[] | 'all', files: Files = systemFiles): MemoryLook {
  let processes: ProcessSnapshot[] = [];
  if (pids === 'all') {
    const all = readAllProcesses(files);
    if (isKnown(all)) processes = [...all.value];
  } else {
    for (const pid of pids) {
      const snapshot = readProcess(pid, { threads: false, files });
      if (!isUnavailable(snapshot)) processes.push(snapshot);
    }
  }
  // Last, for it holds whatever reading the processes has just cost.
  return { system: readSystem(files), processes };
}

/** {@link memoryBill} of two looks. */
export function memoryBillBetween(
  before: MemoryLook,
  after: MemoryLook,
  options: BillOptions = {},
): MemoryBill {
  return memoryBill(
    before.system,
    after.system,
    { before: before.processes, after: after.processes },
    options,
  );
}
