// One look at the whole machine's memory and sockets, and the difference of two looks.

import { pageBytes } from './constants.js';
import type { Figure, Reading } from './figure.js';
import { difference, isKnown, known, unavailable, valueOf } from './figure.js';
import type { Files } from './files.js';
import { systemFiles } from './files.js';
import type { SlabCache } from './meminfo.js';
import { parseColonLines, parsePerCpuFreePages, parseSlabinfo, parseSockstat } from './meminfo.js';

/** Name of the figure, line of /proc/meminfo, and the kernel that brought the line if that was after 4.4. */
const MEMINFO = {
  memTotalBytes: ['MemTotal'],
  memFreeBytes: ['MemFree'],
  memAvailableBytes: ['MemAvailable'],
  buffersBytes: ['Buffers'],
  cachedBytes: ['Cached'],
  swapCachedBytes: ['SwapCached'],
  swapFreeBytes: ['SwapFree'],
  anonPagesBytes: ['AnonPages'],
  mappedBytes: ['Mapped'],
  shmemBytes: ['Shmem'],
  slabBytes: ['Slab'],
  slabReclaimableBytes: ['SReclaimable'],
  slabUnreclaimableBytes: ['SUnreclaim'],
  kernelStackBytes: ['KernelStack'],
  pageTablesBytes: ['PageTables'],
  secondaryPageTablesBytes: ['SecPageTables', '6.1'],
  vmallocUsedBytes: ['VmallocUsed'],
  percpuBytes: ['Percpu', '4.19'],
  hugetlbBytes: ['Hugetlb', '4.16'],
} as const;

const SOCKSTAT = {
  socketsUsed: ['sockstat', 'sockets used'],
  tcpInUse: ['sockstat', 'TCP inuse'],
  tcpOrphaned: ['sockstat', 'TCP orphan'],
  tcpTimeWait: ['sockstat', 'TCP tw'],
  tcpAllocated: ['sockstat', 'TCP alloc'],
  tcp6InUse: ['sockstat6', 'TCP6 inuse'],
} as const;

type MeminfoFigure = keyof typeof MEMINFO;
type SockstatFigure = keyof typeof SOCKSTAT;
/** Every number of a {@link SystemSnapshot}. */
export type SystemFigure = MeminfoFigure | SockstatFigure | 'perCpuFreeBytes' | 'tcpMemoryBytes';

export type SystemFigures = Readonly<Record<SystemFigure, Figure>>;

/** The machine at one moment. */
export interface SystemSnapshot {
  /** On the monotonic clock. */
  readonly takenAtNs: bigint;
  readonly figures: SystemFigures;
  readonly pageBytes: Figure;
  readonly slabs: Reading<readonly SlabCache[]>;
  /**
   * Whether the kernel was first asked to add up its per-CPU counts (root only). Otherwise each memory figure may lag
   * by up to 125 pages per CPU.
   */
  readonly countsFlushed: boolean;
}

/** What changed between two looks: `after - before`. */
export interface SystemDifference {
  readonly wallNs: number;
  readonly figures: SystemFigures;
  /** Growth in bytes and objects of each cache that changed, largest first. */
  readonly slabs: Reading<readonly { name: string; objects: number; bytes: number }[]>;
}

const MEMINFO_PATH = '/proc/meminfo';

function meminfoFigures(files: Files): Record<MeminfoFigure, Figure> {
  const text = files.text(MEMINFO_PATH);
  const lines = isKnown(text) ? parseColonLines(text.value) : null;
  const figures = {} as Record<MeminfoFigure, Figure>;
  for (const [name, [line, since]] of Object.entries(MEMINFO) as [
    MeminfoFigure,
    readonly [string, string?],
  ][]) {
    const value = lines?.get(line);
    if (!isKnown(text)) figures[name] = text;
    else if (value === undefined) {
      const age = since === undefined ? '' : ` (it came with Linux ${since})`;
      figures[name] = unavailable(`${MEMINFO_PATH} has no ${line} line${age}`);
    } else figures[name] = known(value, `${MEMINFO_PATH} ${line}`);
  }
  // From 4.4 to 5.2 the kernel printed 0 here because adding it up had been too slow: no figure at all.
  if (isKnown(figures.vmallocUsedBytes) && figures.vmallocUsedBytes.value === 0)
    figures.vmallocUsedBytes = unavailable('this kernel does not add up VmallocUsed (Linux 5.3 does)');
  return figures;
}

function sockstatFigures(files: Files): Record<SockstatFigure | 'tcpMemoryBytes', Figure> {
  const figures = {} as Record<SockstatFigure | 'tcpMemoryBytes', Figure>;
  const texts = { sockstat: files.text('/proc/net/sockstat'), sockstat6: files.text('/proc/net/sockstat6') };
  const parsed = {
    sockstat: isKnown(texts.sockstat) ? parseSockstat(texts.sockstat.value) : null,
    sockstat6: isKnown(texts.sockstat6) ? parseSockstat(texts.sockstat6.value) : null,
  };
  const figure = (file: 'sockstat' | 'sockstat6', line: string): Figure => {
    const text = texts[file];
    if (!isKnown(text)) return text;
    const value = parsed[file]?.get(line);
    const source = `/proc/net/${file} ${line}`;
    return value === undefined ? unavailable(`no ${source}`) : known(value, source);
  };
  for (const [name, [file, line]] of Object.entries(SOCKSTAT) as [
    SockstatFigure,
    (typeof SOCKSTAT)[SockstatFigure],
  ][]) {
    figures[name] = figure(file, line);
  }
  figures.tcpMemoryBytes = inPages(figure('sockstat', 'TCP mem'), files);
  return figures;
}

function inPages(pages: Figure, files: Files): Figure {
  const size = pageBytes(files);
  if (!isKnown(pages)) return pages;
  return isKnown(size) ? known(pages.value * size.value, `${pages.source} x page size`) : size;
}

function perCpuFree(files: Files): Figure {
  const text = files.text('/proc/zoneinfo');
  if (!isKnown(text)) return text;
  const pages = parsePerCpuFreePages(text.value);
  return pages === null
    ? unavailable('/proc/zoneinfo lists no pagesets')
    : inPages(known(pages, '/proc/zoneinfo pagesets count'), files);
}

function slabCaches(files: Files): Reading<readonly SlabCache[]> {
  const text = files.text('/proc/slabinfo');
  const size = pageBytes(files);
  if (!isKnown(text)) return text;
  if (!isKnown(size)) return size;
  const caches = parseSlabinfo(text.value, size.value);
  return caches === null
    ? unavailable('/proc/slabinfo has a form that is not known here')
    : known(caches, '/proc/slabinfo num_slabs x pagesperslab x page size');
}

/** Looks once. Memory and free pages are read one right after the other: they are held against each other later. */
export function readSystem(files: Files = systemFiles): SystemSnapshot {
  // Reading this file has the kernel fold every CPU's pending counts into the totals.
  const countsFlushed = isKnown(files.text('/proc/sys/vm/stat_refresh'));
  const takenAtNs = process.hrtime.bigint();
  const figures = {
    perCpuFreeBytes: perCpuFree(files),
    ...meminfoFigures(files),
    ...sockstatFigures(files),
  };
  return { takenAtNs, figures, pageBytes: pageBytes(files), slabs: slabCaches(files), countsFlushed };
}

export function systemDifference(before: SystemSnapshot, after: SystemSnapshot): SystemDifference {
  const figures = {} as Record<SystemFigure, Figure>;
  for (const name of Object.keys(after.figures) as SystemFigure[])
    figures[name] = difference(before.figures[name], after.figures[name]);
  return {
    wallNs: Number(after.takenAtNs - before.takenAtNs),
    figures,
    slabs: slabGrowth(before.slabs, after.slabs),
  };
}

function slabGrowth(
  before: Reading<readonly SlabCache[]>,
  after: Reading<readonly SlabCache[]>,
): SystemDifference['slabs'] {
  if (!isKnown(before)) return before;
  if (!isKnown(after)) return after;
  // A name may stand twice: the protocols of each address family of a container's network have their own.
  const growth = new Map<string, { name: string; objects: number; bytes: number }>();
  const add = (cache: SlabCache, sign: 1 | -1): void => {
    const row = growth.get(cache.name) ?? { name: cache.name, objects: 0, bytes: 0 };
    row.objects += sign * cache.objects;
    row.bytes += sign * cache.bytes;
    growth.set(cache.name, row);
  };
  for (const cache of before.value) add(cache, -1);
  for (const cache of after.value) add(cache, 1);
  const changed = [...growth.values()].filter(({ objects, bytes }) => objects !== 0 || bytes !== 0);
  changed.sort((a, b) => b.bytes - a.bytes || a.name.localeCompare(b.name));
  return known(changed, after.source);
}

/** Free memory wherever it lies: MemFree and the per-CPU lists. */
export function freeMemory(figures: SystemFigures): Figure {
  const free = figures.memFreeBytes;
  const perCpu = figures.perCpuFreeBytes;
  if (!isKnown(free)) return free;
  if (!isKnown(perCpu)) return perCpu;
  return known(free.value + perCpu.value, `${free.source} + ${perCpu.source}`);
}

/** The page cache: file pages, mapped or not, and shared memory, which the kernel keeps there too. */
export function pageCache(figures: SystemFigures): Figure {
  const { cachedBytes, buffersBytes } = figures;
  if (!isKnown(cachedBytes)) return cachedBytes;
  if (!isKnown(buffersBytes)) return buffersBytes;
  return known(cachedBytes.value + buffersBytes.value, `${MEMINFO_PATH} Cached + Buffers`);
}

/** All page tables: the processes' and, where the kernel counts them, those of virtual machines and devices. */
export function pageTables(figures: SystemFigures): Figure {
  const { pageTablesBytes, secondaryPageTablesBytes } = figures;
  if (!isKnown(pageTablesBytes)) return pageTablesBytes;
  const second = valueOf(secondaryPageTablesBytes) ?? 0;
  return known(pageTablesBytes.value + second, `${MEMINFO_PATH} PageTables + SecPageTables`);
}
