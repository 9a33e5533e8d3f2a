// The figures of `compare idle`: their titles, units and sources, in the order of the price list.

import type { BillPart } from '../../probe/index.js';
import type { FigureInfo } from '../report.js';
import { SERVER_COUNTER } from './figures.js';

/** Rows of the price list that are one or several parts of the bill of memory. */
export const PARTS_OF_BILL: Readonly<Record<string, readonly BillPart[]>> = {
  kernelStacks: ['kernelStacks'],
  pageTables: ['pageTables'],
  threadSlabs: ['threadSlabs'],
  socketSlabs: ['socketSlabs'],
  fileSlabs: ['fileSlabs'],
};

const each = (title: string, source: string): FigureInfo => ({ title, unit: 'bytes/connection', source });
const count = (title: string, source: string): FigureInfo => ({ title, unit: 'count', source });
const bytes = (title: string, source: string): FigureInfo => ({ title, unit: 'bytes', source });

export const idleFigures: Readonly<Record<string, FigureInfo>> = {
  connected: count('connected', 'handshakes finished, as the client sees them'),
  accepted: count('accepted', SERVER_COUNTER),
  serving: count('being served', `${SERVER_COUNTER}: a thread of their own, or a loop`),
  refused: count('refused', SERVER_COUNTER),
  user: each('user', 'smaps_rollup Pss_Anon of the server: heap, stacks as far as touched'),
  kernelStacks: each('kernel stacks', 'meminfo KernelStack'),
  pageTables: each('page tables', 'meminfo PageTables'),
  threadSlabs: each('slab: threads', 'slabinfo, caches of threads and mappings'),
  socketSlabs: each('slab: sockets, both ends', 'slabinfo, caches of sockets'),
  fileSlabs: each('slab: files, both ends', 'slabinfo, caches of files, dentries, epoll items'),
  rest: each('all else', 'file pages, other slab, vmalloc, per-CPU data'),
  total: each('total', 'the sum of the rows above'),
  clientUser: each('the load itself', 'Pss_Anon of generator, upstream and runner: not in the total'),
  virtual: each('virtual size', 'status VmSize of the server: addresses, in no sum'),
  virtualTotal: bytes('virtual size, whole', 'status VmSize of the server'),
  threads: count('threads that serve', SERVER_COUNTER),
  processThreads: count('threads of the process', 'stat num_threads, those of the runtime too'),
  idleCpuMs: { title: 'CPU while idle, ms/s', unit: 'ms', source: 'schedstat of every thread' },
  idleSwitches: {
    title: 'switches while idle',
    unit: '1/s',
    source: 'status *_ctxt_switches of every thread',
  },
  activeAnswered: count('active: answered', 'requests in the window'),
  activeTimedOut: count('active: timed out', 'requests in the window, after 1 s'),
  activeP50Us: { title: 'active: latency p50', unit: 'us', source: 'from the intended send' },
  activeP99Us: { title: 'active: latency p99', unit: 'us', source: 'from the intended send' },
  billBytes: bytes('all parts', 'the sum of the bill, the load included'),
  dropBytes: bytes('drop in free memory', 'MemFree + per-CPU free pages (zoneinfo)'),
  unexplainedBytes: bytes('unexplained', 'drop - parts'),
  toleranceBytes: bytes('tolerance', 'the larger of 10% and 8 MiB'),
  elsewhereBytes: bytes('other processes', 'AnonPages - those of the comparison'),
  availableDropBytes: bytes('drop in MemAvailable', 'takes reclaimable slab for free'),
};
