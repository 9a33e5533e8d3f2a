// The parsers on recorded texts of several kernels: what stands where, and that another form is no figure.

import { describe, expect, test } from 'vitest';
import {
  clockTicksPerSecond,
  describeCall,
  pageBytes,
  parseSyscall,
  slabUse,
} from '../../src/probe/index.js';
import { parseAuxiliaryVector } from '../../src/probe/constants.js';
import {
  parseColonLines,
  parsePerCpuFreePages,
  parseSlabinfo,
  parseSockstat,
} from '../../src/probe/meminfo.js';
import { parseSchedstat, parseStat } from '../../src/probe/stat.js';
import { parseLimits } from '../../src/probe/limits.js';
import * as fixtures from './fixtures.js';

const { recorded } = fixtures;

test('meminfo: kB become bytes, and counts without a unit stay counts', () => {
  const lines = parseColonLines(fixtures.MEMINFO_6_18);
  expect(lines.get('MemFree')).toBe(23_841_420 * 1024);
  expect(lines.get('HugePages_Total')).toBe(3);
  expect(lines.get('Active(anon)')).toBe(1560 * 1024);
  expect(lines.has('Swap')).toBe(false);
});

test('smaps_rollup: its heading with an address range is no figure', () => {
  const lines = parseColonLines(fixtures.ROLLUP_6_18);
  expect([...lines.keys()].slice(0, 2)).toEqual(['Rss', 'Pss']);
  expect(lines.get('Pss_Anon')).toBe(19_000 * 1024);
});

test('zoneinfo: the pages of every zone and CPU are added up, and nothing else that is counted there', () => {
  expect(parsePerCpuFreePages(fixtures.ZONEINFO_6_18)).toBe(17 + 25 + 5000);
  expect(parsePerCpuFreePages(fixtures.ZONEINFO_4_9)).toBe(157 + 64);
  expect(parsePerCpuFreePages('Node 0, zone DMA\n  pages free 3977\n')).toBeNull();
});

test('slabinfo: a cache is charged all the pages of its slabs, those of partly filled ones too', () => {
  const caches = parseSlabinfo(fixtures.SLABINFO, 4096)!;
  expect(caches).toHaveLength(7);
  expect(caches[0]).toEqual({ name: 'TCP', objects: 92, objectBytes: 2368, bytes: 12 * 8 * 4096 });
  expect(parseSlabinfo('slabinfo - version: 3.0\n', 4096)).toBeNull();
  expect(parseSlabinfo('', 4096)).toBeNull();
});

test('slab caches are sorted by what their objects are for', () => {
  const by = (use: string, names: string[]) =>
    expect(names.map((name) => slabUse(name))).toEqual(names.map(() => use));
  by('sockets', [
    'TCP',
    'TCPv6',
    'UDP',
    'sock_inode_cache',
    'tw_sock_TCP',
    'request_sock_TCPv6',
    'skbuff_head_cache',
  ]);
  by('files', ['filp', 'dentry', 'eventpoll_epi', 'eventpoll_pwq', 'ep_head']);
  by('threads', [
    'task_struct',
    'signal_cache',
    'sighand_cache',
    'pid',
    'cred_jar',
    'vm_area_struct',
    'anon_vma',
  ]);
  by('other', ['kmalloc-192', 'proc_inode_cache', 'pidfs_attr_cache', 'ext4_inode_cache', 'radix_tree_node']);
});

test('sockstat: names are made of the protocol and the word', () => {
  const values = parseSockstat(fixtures.SOCKSTAT);
  expect(values.get('sockets used')).toBe(16);
  expect(values.get('TCP inuse')).toBe(3);
  expect(values.get('TCP mem')).toBe(169);
  expect(values.get('UDP mem')).toBe(0);
});

describe('stat', () => {
  test('the fields of the manual page', () => {
    expect(parseStat(fixtures.STAT)).toEqual({
      name: 'serve',
      state: 'S',
      userTicks: 12,
      systemTicks: 34,
      threads: 2,
      startTicks: 494720,
      virtualBytes: 819_200_000,
    });
  });
  test('a name with brackets and spaces moves no field', () => {
    const evil = fixtures.STAT.replace('(serve)', '(a) R 9 (b c)');
    expect(parseStat(evil)).toEqual({ ...parseStat(fixtures.STAT), name: 'a) R 9 (b c' });
  });
  test('another form is no figure', () => {
    expect(parseStat('')).toBeNull();
    expect(parseStat('77 (serve) S 1 2 3\n')).toBeNull();
  });
});

test('schedstat: CPU time, wait, slices; another form is no figure', () => {
  expect(parseSchedstat('1187463 25 3\n')).toEqual({ cpuNs: 1_187_463, waitNs: 25, slices: 3 });
  expect(parseSchedstat('1187463 25\n')).toBeNull();
});

describe('syscall', () => {
  const line = (number: number, first = '0x17') => `${number} ${first} 0x2 0x3 0x4 0x5 0x6 0x7ffc 0x7f5b\n`;
  const described = (text: string, architecture: string) => describeCall(parseSyscall(text, architecture)!);
  test.each([
    ['x64', 0, 'read(fd 23)'],
    ['x64', 45, 'recvfrom(fd 23)'],
    ['x64', 43, 'accept(fd 23)'],
    ['x64', 232, 'epoll_wait(fd 23)'],
    ['x64', 281, 'epoll_pwait(fd 23)'],
    ['x64', 441, 'epoll_pwait2(fd 23)'],
    ['x64', 202, 'futex'],
    ['x64', 7, 'poll'],
    ['x64', 271, 'ppoll'],
    ['x64', 230, 'clock_nanosleep'],
    ['x64', 9999, 'system call 9999'],
    ['arm64', 63, 'read(fd 23)'],
    ['arm64', 207, 'recvfrom(fd 23)'],
    ['arm64', 202, 'accept(fd 23)'],
    ['arm64', 22, 'epoll_pwait(fd 23)'],
    ['arm64', 98, 'futex'],
    ['arm64', 73, 'ppoll'],
    // No table for it: better a number than the name that it has elsewhere.
    ['s390x', 3, 'system call 3'],
  ])('on %s number %i is %s', (architecture, number, text) => {
    expect(described(line(number), architecture)).toBe(text);
  });
  test('a descriptor is the lower half of its register', () => {
    expect(described(line(0, '0xdeadbeef00000005'), 'x64')).toBe('read(fd 5)');
  });
  test('running, and asleep outside any call', () => {
    expect(described('running\n', 'x64')).toBe('running');
    expect(described('-1 0x7ffc 0x7f5b\n', 'x64')).toBe('asleep outside any system call');
  });
  test('another form is no answer', () => {
    for (const text of ['', 'blocked\n', '45\n', '-5 0x1 0x2\n']) expect(parseSyscall(text)).toBeNull();
  });
});

test('limits: numbers and unlimited', () => {
  const limits = parseLimits(`Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max processes             96365                unlimited            processes 
Max open files            1024                 1048576              files     
Max nice priority         0                    0                    
`);
  expect(limits.get('Max open files')).toEqual({ soft: 1024, hard: 1_048_576 });
  expect(limits.get('Max processes')).toEqual({ soft: 96_365, hard: 'unlimited' });
  expect(limits.get('Max nice priority')).toEqual({ soft: 0, hard: 0 });
});

test('page size and clock tick come from the auxiliary vector', () => {
  const files = recorded({ '/proc/self/auxv': fixtures.AUXV });
  expect(pageBytes(files)).toEqual({ value: 4096, source: '/proc/self/auxv AT_PAGESZ' });
  expect(clockTicksPerSecond(files)).toMatchObject({ value: 100 });
  expect(parseAuxiliaryVector(new Uint8Array(15)).size).toBe(0);
});
