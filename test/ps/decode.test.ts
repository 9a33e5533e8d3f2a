// ps on recorded texts: other architectures, missing permissions, ends and races; and its text for people.

import { describe, expect, test } from 'vitest';
import { isUnavailable, known, unavailable } from '../../src/probe/index.js';
import type { Inspector, Reading, ThreadCall } from '../../src/probe/index.js';
import { noInspector } from '../../src/probe/index.js';
import { readPs, readPsList, renderReport, toJson } from '../../src/ps/index.js';
import type { PsReport } from '../../src/ps/index.js';
import { programName } from '../../src/ps/program-name.js';
import { wrap } from '../../src/ps/render.js';
import { SleepMemory } from '../../src/ps/watch.js';
import { has32BitWords, sleepClock, timeoutOf } from '../../src/ps/threads.js';
import { PROCESS_77, STAT, recorded } from '../probe/fixtures.js';

const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const STATUS = `${PROCESS_77['/proc/77/task/77/status']!}Tgid:\t77\nUid:\t4321\t4321\t4321\t4321\n`;

/** Process 77 with one set (fd 5) of a socket, an eventfd and what `lines` adds. */
function process77(changes: Record<string, string | { unavailable: string }> = {}, lines: string[] = []) {
  return recorded({
    ...PROCESS_77,
    '/proc/77/status': STATUS,
    '/proc/77/cmdline': 'serve\0--port\x001\0',
    '/proc/77/fd/5': 'anon_inode:[eventpoll]',
    '/proc/77/fd/6': 'socket:[700]',
    '/proc/77/fd/7': 'anon_inode:[eventfd]',
    '/proc/77/fdinfo/5': [
      'tfd: 6 events: 80002019 data: 6  pos:0 ino:2bc sdev:8',
      'tfd: 7 events: 19 data: 7  pos:0 ino:40e sdev:e',
      ...lines,
    ].join('\n'),
    '/proc/77/fdinfo/7': 'ino:\t1038\neventfd-count:                1\n',
    ...changes,
  });
}
test('a process is called as the kernel calls it, and by its program where that is the name of any main thread', () => {
  const named = (name: string, files: Record<string, string> = {}): string =>
    programName(77, name, process77(files));
  const exe = { '/proc/77/exe': '/opt/node-24/bin/node' };
  expect(named('postgres', exe)).toBe('postgres');
  expect(named('MainThread', exe)).toBe('node');
  expect(named('MainThread', { '/proc/77/exe': '/tmp/app (deleted)' })).toBe('app');
  expect(named('MainThread')).toBe('MainThread');
});

const kcmp: Inspector = {
  ...noInspector,
  isEpollTarget: () => known(true, 'kcmp'),
  holdsEpollTarget: () => known(false, 'kcmp'),
  isSameFile: () => known(false, 'kcmp'),
};

function look(...args: Parameters<typeof process77>): PsReport {
  const report = readPs(77, { files: process77(...args), inspector: kcmp, platform: 'linux' });
  if (isUnavailable(report)) throw new Error(report.unavailable);
  return report;
}
function refusal(changes: Record<string, string | { unavailable: string }>, pid = 77): string {
  const report = readPs(pid, { files: process77(changes), inspector: kcmp, platform: 'linux' });
  return isUnavailable(report) ? report.unavailable : 'shown';
}
const call = (name: string | null, ...args: string[]): Reading<ThreadCall> =>
  known(
    {
      kind: 'call',
      number: 1,
      name,
      fd: null,
      arguments: [...args, ...Array<string>(6).fill('0x0')].slice(0, 6),
    },
    'test',
  );

describe('what a thread sleeps in', () => {
  test.each([
    ['epoll_wait', ['0x5', '0x1', '0x1', '0xffffffffffffffff'], { kind: 'none' }],
    ['epoll_pwait', ['0x5', '0x1', '0x1', '0xffffffff'], { kind: 'none' }],
    ['epoll_wait', ['0x5', '0x1', '0x1', '0xdead0000000000fa'], { kind: 'ms', ms: 250 }],
    ['poll', ['0x7f00', '0x2', '0x0'], { kind: 'ms', ms: 0 }],
    ['ppoll', ['0x7f00', '0x2', '0x7f10'], { kind: 'some' }],
    ['futex', ['0x7f00', '0x80', '0x0', '0x0'], { kind: 'none' }],
    ['read', ['0x5'], null],
    [null, ['0x5'], null],
  ])('%s %j: its timeout is %j', (name, args, expected) => {
    expect(timeoutOf(call(name, ...args))).toEqual(expected);
  });

  test.runIf(little)('a process of 32 bits has another table: its calls are not named', () => {
    const words = (bits: 32 | 64, ...list: number[]): string =>
      String.fromCharCode(
        ...new Uint8Array(
          (bits === 32 ? Uint32Array.from(list) : BigUint64Array.from(list.map(BigInt))).buffer,
        ),
      );
    const wide = recorded({ '/proc/77/auxv': words(64, 33, 4096, 6, 4096) });
    const narrow = recorded({ '/proc/77/auxv': words(32, 32, 0xf7f0, 6, 4096, 0, 0) });
    expect(has32BitWords(77, wide)).toMatchObject({ value: false });
    expect(has32BitWords(77, narrow)).toMatchObject({ value: true });
    expect(has32BitWords(77, recorded({ '/proc/77/auxv': '' }))).toHaveProperty('unavailable');
    const { threads } = look({ '/proc/77/auxv': words(32, 32, 0xf7f0, 6, 4096, 0, 0) });
    expect(threads).toMatchObject({
      value: [{ call: { value: { kind: 'call', number: 232, name: null, fd: null } } }, {}],
    });
  });

  test('how long it sleeps is told on the same CPU, and elsewhere only as far as clocks can be compared', () => {
    const stat = (cpu: number): string => STAT.replace(/ 17 1 0/, ` 17 ${cpu} 0`);
    const files = (cpu: number, interrupts: number) =>
      recorded({
        '/proc/self/auxv': PROCESS_77['/proc/self/auxv']!,
        '/proc/thread-self/sched': 'se.exec_start  :   20000.000000\n',
        '/proc/thread-self/stat': stat(0),
        '/proc/77/task/77/sched': 'se.exec_start  :   10000.500000\n',
        '/proc/77/task/77/stat': stat(cpu),
        '/proc/stat': `cpu0 1 1 1 1 1 0 100 500 0 0\ncpu1 1 1 1 1 1 0 ${interrupts} 400 0 0\n`,
      });
    expect(sleepClock(files(0, 100))(77, 77)).toMatchObject({ value: 9999.5 });
    expect(sleepClock(files(1, 110))(77, 77)).toMatchObject({ value: 10_999.5 });
    expect(sleepClock(files(1, 9000))(77, 77)).toHaveProperty('unavailable');
    expect(sleepClock(recorded({}))(77, 77)).toHaveProperty('unavailable');
  });

  test('a thread has not run for as long as its switches stand still, and no longer', () => {
    const memory = new SleepMemory();
    const report = look();
    const at = (nowMs: number, switches: number): unknown => {
      const { threads } = memory.note(report, nowMs, (id) => (id === 77 ? switches : null));
      return isUnavailable(threads) ? null : threads.value[0]!.notRunMs;
    };
    expect(at(1000, 5)).toHaveProperty('unavailable');
    expect(at(1500, 5)).toMatchObject({ value: 500 });
    expect(at(2500, 5)).toMatchObject({ value: 1500 });
    expect(at(3000, 6)).toHaveProperty('unavailable');
    expect(at(3100, 6)).toMatchObject({ value: 100 });
  });
});

describe('entries', () => {
  test('flags, data, inode and device are those of fdinfo', () => {
    const [set] = look().sets;
    expect(set).toMatchObject({
      epollFd: 5,
      steady: true,
      entries: [
        {
          fd: 6,
          interest: ['EPOLLIN', 'EPOLLERR', 'EPOLLHUP', 'EPOLLRDHUP', 'EPOLLET'],
          inode: 700,
          device: 8,
          data: '0x6',
        },
        { fd: 7, target: { value: 'same' }, file: { kind: 'eventfd' }, readiness: { levelReports: 'yes' } },
      ],
    });
  });

  test('a socket whose inode number is that of a file on another device is a phantom', () => {
    // 6 proves the device of sockets; 8 has the same inode number as its descriptor, on another device.
    const { sets } = look({ '/proc/77/fd/8': 'socket:[701]' }, [
      'tfd: 8 events: 19 data: 8  pos:0 ino:2bd sdev:10',
    ]);
    expect(sets[0]!.entries[2]).toMatchObject({ fd: 8, target: { value: 'other' }, holders: { value: [] } });
  });

  test('a closed number is a phantom, whose file is unknown if nobody is found', () => {
    const report = look({}, ['tfd: 9 events: 40000000 data: 9  pos:0 ino:40e sdev:e']);
    expect(report.sets[0]!.entries[2]).toMatchObject({
      fd: 9,
      disarmed: true,
      target: { value: 'closed' },
      file: null,
      readiness: { levelReports: 'no' },
    });
    expect(renderReport(report)).toContain(
      'phantom: fd 9 is closed; who keeps its file (inode 1038) was not found',
    );
  });

  test('without kcmp what cannot be proven is unknown, with its reason', () => {
    const report = readPs(77, { files: process77(), platform: 'linux' });
    if (isUnavailable(report)) throw new Error(report.unavailable);
    const [socket, counter] = report.sets[0]!.entries;
    expect(socket).toMatchObject({ target: { value: 'same' } });
    expect(counter).toMatchObject({
      target: { unavailable: expect.stringContaining('inode') as string },
      holders: null,
    });
    expect(renderReport(report)).toContain('whether fd 7 is still this file is unknown');
  });

  test('an fdinfo in another form is a note, not an empty set', () => {
    const report = look({ '/proc/77/fdinfo/5': 'tfd: six\n' });
    expect(report.sets).toEqual([]);
    expect(report.notes).toEqual([expect.stringContaining('form that is not known')]);
  });
});

describe('why it cannot be shown', () => {
  const denied = unavailable('no permission to read /proc/77/fd');
  test('no process, a thread, another system, a process that has ended', () => {
    expect(refusal({}, 78)).toBe('there is no process 78, or /proc hides it from this user (hidepid)');
    expect(refusal({ '/proc/77/status': STATUS.replace('Tgid:\t77', 'Tgid:\t70') })).toContain(
      '77 is a thread of process 70',
    );
    const elsewhere = readPs(77, { files: process77(), platform: 'darwin' });
    expect(elsewhere).toMatchObject({
      unavailable: expect.stringContaining('only Linux has; this is darwin') as string,
    });
    expect(readPsList({ files: process77(), platform: 'darwin' })).toHaveProperty('unavailable');
  });

  test('no permission: whose process it is, and what to do', () => {
    const closed = recorded({ '/proc/77/stat': STAT, '/proc/77/status': STATUS, '/proc/77/fd': denied });
    const files = { ...closed, list: () => denied };
    const report = readPs(77, { files, inspector: kcmp, platform: 'linux' });
    const text = isUnavailable(report) ? report.unavailable : '';
    expect(text).toMatch(process.geteuid?.() === 0 ? /CAP_SYS_PTRACE/ : /belongs to user 4321/);
    const zombie = recorded({ '/proc/77/stat': STAT.replace(') S', ') Z'), '/proc/77/status': STATUS });
    expect(readPs(77, { files: { ...zombie, list: () => denied }, platform: 'linux' })).toMatchObject({
      unavailable: expect.stringContaining('its parent has not collected it yet') as string,
    });
  });

  test('calls that may not be read are one note for all threads, with the machine rule named', () => {
    const report = look({
      '/proc/77/task/77/syscall': denied,
      '/proc/77/task/78/syscall': denied,
      '/proc/sys/kernel/yama/ptrace_scope': '1\n',
    });
    expect(report.notes).toEqual([expect.stringContaining('ptrace_scope is 1')]);
    expect(renderReport(report)).toMatch(/\(main\) +asleep, in what is unknown$/m);
  });
});

describe('text and JSON', () => {
  test('lines break at blanks within the columns, and keep their own indentation', () => {
    expect(wrap('   a bb   ccc dddd', 10, '    ')).toEqual(['   a bb', '    ccc', '    dddd']);
    expect(wrap('abcdefghijklmn', 5, ' ')).toEqual(['abcdefghijklmn']);
  });

  test('thousands of entries are 40 lines and a sum, all of them with --all; phantoms stand first', () => {
    const lines = Array.from(
      { length: 3000 },
      (_, i) => `tfd: ${i + 100} events: 19 data: 1  pos:0 ino:2bc sdev:8`,
    );
    const report = look({}, lines);
    const short = renderReport(report).split('\n');
    expect(short.length).toBeLessThan(150);
    expect(short.filter((line) => line.startsWith('!'))).toHaveLength(40);
    expect(short.join('\n')).toMatch(/and 2962 more: .*\(--all shows them\)/);
    expect(short.filter((line) => line.length > 80)).toEqual([]);
    expect(
      renderReport(report, { all: true })
        .split('\n')
        .filter((line) => line.startsWith('!')),
    ).toHaveLength(3000);
  });

  test('a name with control characters does not reach the terminal', () => {
    const text = renderReport({ ...look(), name: 'a\x1b[2Jb' });
    expect(text).toContain('a?[2Jb');
    expect(text).not.toContain('\x1b');
  });

  test('JSON is one line with its format named, and 64-bit numbers are texts', () => {
    const text = toJson(look());
    expect(text).not.toContain('\n');
    const parsed = JSON.parse(text) as {
      format: number;
      kind: string;
      sets: { entries: { file: unknown; data: string }[] }[];
    };
    expect(parsed).toMatchObject({ format: 1, kind: 'process' });
    expect(parsed.sets[0]!.entries[1]).toMatchObject({ data: '0x7', file: { count: { value: '1' } } });
  });
});
