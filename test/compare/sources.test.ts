// Texts of other programs that comparisons read: strace's table, the kernel's times of each core.

import { describe, expect, test } from 'vitest';
import { parseStraceTable } from '../../src/compare/system-calls.js';
import { isKnown } from '../../src/probe/index.js';
import { coreBusyShare, readCores } from '../../src/probe/cores.js';
import { AUXV, recorded } from '../probe/fixtures.js';

describe("strace's table", () => {
  test('a count by name, without heading and total', () => {
    const text = [
      '    calls syscall',
      '--------- ----------------',
      '     2003 sendto',
      '     1001 epoll_wait',
      '        2 clone3',
      '        1 pread64',
      '--------- ----------------',
      '     3007 total',
      '',
    ].join('\n');
    expect(parseStraceTable(text)).toEqual({ sendto: 2003, epoll_wait: 1001, clone3: 2, pread64: 1 });
  });

  test('nothing counted is an empty table', () => {
    expect(parseStraceTable('')).toEqual({});
    expect(parseStraceTable('strace: Process 12 detached\n')).toEqual({});
  });
});

describe('/proc/stat', () => {
  const before = `cpu  3357 0 4313 1362393 45 0 67 4 10 20
cpu0 1000 10 500 8000 100 5 15 20 300 40
cpu1 2000 0 0 3000 0 0 0 0 0 0
intr 1462898 0 0
ctxt 2345
btime 1700000000
`;
  // cpu0: 60 more busy (10 of them stolen), 40 more idle (15 of them iowait). cpu1: nothing.
  const after = before.replace(
    'cpu0 1000 10 500 8000 100 5 15 20 300 40',
    'cpu0 1030 10 520 8025 115 5 15 30 330 40',
  );
  const look = (text: string) => readCores(recorded({ '/proc/stat': text, '/proc/self/auxv': AUXV }));

  test('each core by its number; guests are in user already, stolen time is busy, waiting for a disk is idle', () => {
    const cores = look(before);
    if (!isKnown(cores)) throw new Error(cores.unavailable);
    expect([...cores.value.keys()]).toEqual([0, 1]);
    expect(cores.value.get(0)).toEqual({ busyNs: 1550 * 1e7, idleNs: 8100 * 1e7 });
  });

  test('the share between two looks', () => {
    expect(coreBusyShare(look(before), look(after), 0)).toEqual({ value: 0.6, source: '/proc/stat cpu0' });
  });

  test('no share without pinning, without the core, without time between, without /proc', () => {
    const share = (core: number | null, last = look(after)) => coreBusyShare(look(before), last, core);
    expect(share(null)).toEqual({ unavailable: 'nothing is pinned to a core of its own' });
    expect(share(7)).toEqual({ unavailable: '/proc/stat has no cpu7' });
    expect(share(1)).toEqual({ unavailable: 'the looks are too close' });
    expect(share(0, readCores(recorded({})))).toEqual({ unavailable: '/proc/stat does not exist' });
    expect(look('cpu  1 2 3\n')).toEqual({ unavailable: '/proc/stat has no line per core' });
  });
});
