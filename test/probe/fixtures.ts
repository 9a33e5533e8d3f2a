// Texts recorded from several kernels, and a file system made of them.

import type { Files } from '../../src/probe/files.js';
import { known, unavailable } from '../../src/probe/figure.js';

/** Only these files exist; a value `{ unavailable }` is a file that may not be read. A folder's list is its children. */
export function recorded(texts: Record<string, string | { unavailable: string }>): Files {
  const text = (path: string) => {
    const found = texts[path];
    if (found === undefined) return unavailable(`${path} does not exist`);
    return typeof found === 'string' ? known(found, path) : found;
  };
  return {
    text,
    bytes: (path) => {
      const found = text(path);
      return 'unavailable' in found
        ? found
        : known(Uint8Array.from(Buffer.from(found.value, 'latin1')), path);
    },
    list: (path) => {
      const names = new Set(
        Object.keys(texts)
          .filter((name) => name.startsWith(`${path}/`))
          .map((name) => name.slice(path.length + 1).split('/')[0]!),
      );
      return names.size === 0 ? unavailable(`${path} does not exist`) : known([...names], path);
    },
    size: (path) => {
      const found = text(path);
      return 'unavailable' in found ? found : known(Number(found.value), path);
    },
    link: text,
  };
}

/** An auxiliary vector with 4 KiB pages and 100 ticks per second. */
export const AUXV = String.fromCharCode(
  ...new Uint8Array(new BigUint64Array([6n, 4096n, 17n, 100n, 0n, 0n]).buffer),
);

export const MEMINFO_6_18 = `MemTotal:       24684084 kB
MemFree:        23841420 kB
MemAvailable:   24254220 kB
Buffers:            3576 kB
Cached:           584600 kB
SwapCached:            0 kB
Active(anon):       1560 kB
SwapTotal:             0 kB
SwapFree:              0 kB
AnonPages:         24188 kB
Mapped:            10940 kB
Shmem:              8872 kB
KReclaimable:      83332 kB
Slab:             108628 kB
SReclaimable:      83332 kB
SUnreclaim:        25296 kB
KernelStack:        1496 kB
PageTables:         1968 kB
SecPageTables:         8 kB
VmallocTotal:   34359738367 kB
VmallocUsed:       14284 kB
VmallocChunk:          0 kB
Percpu:              688 kB
HugePages_Total:       3
Hugepagesize:       2048 kB
Hugetlb:            6144 kB
DirectMap1G:    25165824 kB
`;

/** A kernel of 2016: no secondary page tables, no Percpu, no Hugetlb, VmallocUsed not added up. */
export const MEMINFO_4_9 = `MemTotal:        8170148 kB
MemFree:          245008 kB
MemAvailable:    6127044 kB
Buffers:          322304 kB
Cached:          5276196 kB
SwapCached:          164 kB
SwapFree:        2097148 kB
AnonPages:       1518832 kB
Mapped:           309752 kB
Shmem:             71720 kB
Slab:             519816 kB
SReclaimable:     465632 kB
SUnreclaim:        54184 kB
KernelStack:        8016 kB
PageTables:        21436 kB
VmallocTotal:   34359738367 kB
VmallocUsed:           0 kB
`;

export const ZONEINFO_6_18 = `Node 0, zone    DMA32
  per-node stats
      nr_inactive_anon 2803
  pages free     772915
        boost    0
  pagesets
    cpu: 0
              count:    17
              high:     6605
              batch:    63
              high_min: 6605
              high_max: 48307
  vm stats threshold: 24
    cpu: 1
              count:    25
              high:     6605
              batch:    63
              high_min: 6605
              high_max: 48307
  vm stats threshold: 24
  node_unreclaimable:  0
  start_pfn:           4096
Node 0, zone   Normal
  pages free     247847
  pagesets
    cpu: 0
              count:    5000
              high:     3920
    cpu: 1
              count:    0
              high:     3920
  start_pfn:           1048576
`;

export const ZONEINFO_4_9 = `Node 0, zone      DMA
  pages free     3977
        min      33
    nr_free_pages 3977
        protection: (0, 2956, 7943, 7943)
  pagesets
    cpu: 0
              count: 0
              high:  0
              batch: 1
  vm stats threshold: 6
Node 0, zone   Normal
  pages free     31229
  pagesets
    cpu: 0
              count: 157
              high:  186
              batch: 31
  vm stats threshold: 42
    cpu: 1
              count: 64
              high:  186
              batch: 31
  all_unreclaimable: 0
`;

export const SLABINFO = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                   92    156   2368   13    8 : tunables    0    0    0 : slabdata      9     12      0
TCPv6                 91     91   2496   13    8 : tunables    0    0    0 : slabdata      7      7      0
sock_inode_cache     168    228    832   19    4 : tunables    0    0    0 : slabdata     12     12      0
eventpoll_epi        720   1408    128   32    1 : tunables    0    0    0 : slabdata     44     44      0
dentry             65742  66150    192   21    1 : tunables    0    0    0 : slabdata   3150   3150      0
task_struct          114    140   5888    5    8 : tunables    0    0    0 : slabdata     28     28      0
kmalloc-192         1000   1050    192   21    1 : tunables    0    0    0 : slabdata     50     50      0
`;

export const SOCKSTAT = `sockets: used 16
TCP: inuse 3 orphan 1 tw 240 alloc 5 mem 169
UDP: inuse 0 mem 0
UDPLITE: inuse 0
RAW: inuse 0
FRAG: inuse 0 memory 0
`;

export const STATUS = `Name:	serve
State:	S (sleeping)
Pid:	77
VmPeak:	  900000 kB
VmSize:	  800000 kB
VmRSS:	   50000 kB
RssAnon:	   20000 kB
RssFile:	   30000 kB
RssShmem:	       0 kB
VmPTE:	     444 kB
VmSwap:	       0 kB
Threads:	2
voluntary_ctxt_switches:	41
nonvoluntary_ctxt_switches:	7
`;

export const STAT =
  '77 (serve) S 1 77 77 0 -1 4194304 103 0 0 0 12 34 0 0 20 0 2 0 494720 819200000 12500 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n';

export const ROLLUP_6_18 = `55dec6100000-7fffcc65e000 ---p 00000000 00:00 0                          [rollup]
Rss:               50004 kB
Pss:               26000 kB
Pss_Dirty:           112 kB
Pss_Anon:          19000 kB
Pss_File:           7000 kB
Pss_Shmem:             0 kB
Anonymous:         20000 kB
`;

/** Linux 4.14 to 5.2 do not split PSS. */
export const ROLLUP_4_14 = `55dec6100000-7fffcc65e000 ---p 00000000 00:00 0                          [rollup]
Rss:               50004 kB
Pss:               26000 kB
Anonymous:         20000 kB
`;

/** A whole process 77 with the threads 77 and 78. */
export const PROCESS_77: Record<string, string> = {
  '/proc/self/auxv': AUXV,
  '/proc/self/schedstat': '1187463 0 1\n',
  '/proc/77/stat': STAT,
  '/proc/77/status': STATUS,
  '/proc/77/smaps_rollup': ROLLUP_6_18,
  '/proc/77/fd': '23',
  '/proc/77/task/77/status': STATUS,
  '/proc/77/task/77/stat': STAT,
  '/proc/77/task/77/schedstat': '5000000 300 9\n',
  '/proc/77/task/77/syscall': '232 0x5 0x7f00 0x400 0xffffffff 0x0 0x0 0x7ffc 0x7f5b\n',
  '/proc/77/task/77/wchan': 'ep_poll',
  '/proc/77/task/78/status': STATUS.replace('serve', 'worker').replace('\t41', '\t1000'),
  '/proc/77/task/78/stat': STAT,
  '/proc/77/task/78/schedstat': '7000000 44 12\n',
  '/proc/77/task/78/syscall': 'running\n',
  '/proc/77/task/78/wchan': '0',
};
