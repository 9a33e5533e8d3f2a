// What the machine and its container allow: of several limits the tightest binds, and it is named.

import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  cgroupMemoryMax,
  cgroupPidsMax,
  connectionCapacity,
  describeMachine,
  fdLimit,
  isKnown,
  portRange,
  threadCapacity,
  valueOf,
} from '../../src/probe/index.js';
import { recorded } from './fixtures.js';

const V2_MOUNT =
  '31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n';
const limitsText = (files: number | string, processes: number | string) =>
  `Limit                     Soft Limit           Hard Limit           Units     
Max processes             ${String(processes).padEnd(21)}unlimited            processes 
Max open files            ${String(files).padEnd(21)}1048576              files     
`;

describe('control groups', () => {
  test('version 2: a limit of a parent group binds too', () => {
    const files = recorded({
      '/proc/self/cgroup': '0::/user.slice/app.scope\n',
      '/proc/self/mountinfo': `22 1 8:1 / / rw - ext4 /dev/root rw\n${V2_MOUNT}`,
      '/sys/fs/cgroup/user.slice/app.scope/pids.max': 'max\n',
      '/sys/fs/cgroup/user.slice/pids.max': '512\n',
      '/sys/fs/cgroup/user.slice/app.scope/memory.max': '1073741824\n',
      '/sys/fs/cgroup/user.slice/memory.max': '4294967296\n',
    });
    expect(cgroupPidsMax(files)).toEqual({ value: 512, source: '/sys/fs/cgroup/user.slice/pids.max' });
    expect(valueOf(cgroupMemoryMax(files))).toBe(2 ** 30);
  });
  test('version 1: each controller has its own tree, and the largest number of pages is unlimited', () => {
    const files = recorded({
      '/proc/self/cgroup': '9:name=systemd:/\n8:pids:/job\n4:cpu,memory:/job\n0::/\n',
      '/proc/self/mountinfo':
        '35 31 0:32 / /cg/memory rw,relatime - cgroup memory rw,cpu,memory\n39 31 0:36 / /cg/pids rw,relatime - cgroup pids rw,pids\n',
      '/cg/pids/job/pids.max': '100\n',
      '/cg/memory/job/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(valueOf(cgroupPidsMax(files))).toBe(100);
    expect(valueOf(cgroupMemoryMax(files))).toBe('unlimited');
  });
  test('in a container whose mount shows only its own group, that group is the root of the mount', () => {
    const files = recorded({
      '/proc/self/cgroup': '0::/docker/abc\n',
      '/proc/self/mountinfo': V2_MOUNT.replace(' / /sys', ' /docker/abc /sys'),
      '/sys/fs/cgroup/pids.max': '64\n',
    });
    expect(valueOf(cgroupPidsMax(files))).toBe(64);
  });
  test('a root group without the file limits nothing; a system without groups answers nothing', () => {
    const root = recorded({ '/proc/self/cgroup': '0::/\n', '/proc/self/mountinfo': V2_MOUNT });
    expect(valueOf(cgroupPidsMax(root))).toBe('unlimited');
    const none = recorded({ '/proc/self/cgroup': '0::/\n', '/proc/self/mountinfo': '' });
    expect(isKnown(cgroupPidsMax(none))).toBe(false);
  });
});

describe('threads', () => {
  const texts = {
    '/proc/loadavg': '0.50 0.60 0.70 2/700 12345\n',
    '/proc/sys/kernel/pid_max': '32768\n',
    '/proc/sys/kernel/threads-max': '192730\n',
    '/proc/sys/vm/max_map_count': '65530\n',
    '/proc/self/limits': limitsText(1024, 96365),
    '/proc/self/cgroup': '0::/\n',
    '/proc/self/mountinfo': V2_MOUNT,
  };
  test('pid_max binds, less the threads that there are and the pids that the kernel keeps', () => {
    expect(valueOf(threadCapacity(recorded(texts)))).toEqual({
      count: 32_768 - 300 - 700,
      boundBy: '/proc/sys/kernel/pid_max',
    });
  });
  test.each([
    ['/proc/sys/kernel/threads-max', '5700\n', 5000, '/proc/sys/kernel/threads-max'],
    ['/proc/sys/vm/max_map_count', '2001\n', 1000, '/proc/sys/vm/max_map_count (two mappings per thread)'],
    ['/proc/self/limits', limitsText(1024, 900), 900, '/proc/self/limits Max processes'],
    ['/sys/fs/cgroup/pids.max', '99\n', 99, '/sys/fs/cgroup/pids.max'],
    ['/proc/sys/kernel/threads-max', '10\n', 0, '/proc/sys/kernel/threads-max'],
  ])('%s binds where it is the tightest', (path, text, count, boundBy) => {
    expect(valueOf(threadCapacity(recorded({ ...texts, [path]: text })))).toEqual({ count, boundBy });
  });
});

test('connections: the descriptors that are allowed, less those kept for other use', () => {
  const files = recorded({ '/proc/self/limits': limitsText(1024, 100) });
  expect(valueOf(connectionCapacity(24, files))).toEqual({
    count: 1000,
    boundBy: '/proc/self/limits Max open files',
  });
  const unlimited = recorded({
    '/proc/self/limits': limitsText('unlimited', 100),
    '/proc/sys/fs/nr_open': '1048576\n',
  });
  expect(valueOf(connectionCapacity(0, unlimited))).toEqual({
    count: 2 ** 20,
    boundBy: '/proc/sys/fs/nr_open',
  });
});

test('ports: both ends of the range count, and reserved ones within it do not', () => {
  const range = '/proc/sys/net/ipv4/ip_local_port_range';
  const reserved = '/proc/sys/net/ipv4/ip_local_reserved_ports';
  expect(valueOf(portRange(recorded({ [range]: '32768\t60999\n' })))).toEqual({
    first: 32768,
    last: 60999,
    count: 28232,
  });
  const some = recorded({ [range]: '1000\t1099\n', [reserved]: '80,1000,1050-1059,1095-2000\n' });
  expect(valueOf(portRange(some))!.count).toBe(100 - 1 - 10 - 5);
  expect(valueOf(portRange(recorded({ [range]: '1000\t1099\n', [reserved]: '\n' })))!.count).toBe(100);
});

test("this process's descriptor limits are those that its shell would state", () => {
  const [soft, hard] = execFileSync('sh', ['-c', 'ulimit -Sn; ulimit -Hn'], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((text) => (text === 'unlimited' ? text : Number(text)));
  expect(valueOf(fdLimit())).toEqual({ soft, hard });
});

test('the machine is described, and what its kernel does not say has a reason', () => {
  const machine = describeMachine();
  expect(machine.cpus).toBeGreaterThan(0);
  expect(machine.usableCpus).toBeLessThanOrEqual(machine.cpus);
  expect(machine.runtime).toBe(`node ${process.versions.node}`);
  expect(machine.kernel).toContain(process.platform === 'linux' ? 'Linux ' : '');
  const bare = describeMachine(recorded({ '/proc/cpuinfo': 'processor : 0\nFeatures : fp asimd\n' }));
  expect(isKnown(bare.virtualMachine)).toBe(false);
  expect(isKnown(bare.container)).toBe(false);
  expect(valueOf(describeMachine(recorded({ '/proc/self/cgroup': '0::/kubepods/pod1\n' })).container)).toBe(
    'kubepods',
  );
});
