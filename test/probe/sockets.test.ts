// What each descriptor is, in facts and in a few words: from recorded tables, and of this machine's real ones.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { descriptors, nativeKernel as kernel } from '../../src/index.js';
import type { InternetAddress } from '../../src/kernel/kernel.js';
import { formatEndpoint } from '../../src/probe/addresses.js';
import {
  derivedReadiness,
  describeDescriptor,
  isKnown,
  noInspector,
  readDescriptors,
  readSocketTable,
  systemInspector,
  unavailable,
} from '../../src/probe/index.js';
import type {
  DescriptorFacts,
  DescriptorOptions,
  Inspector,
  Reading,
  SocketFacts,
} from '../../src/probe/index.js';
import { INET_QUERIES, UNIX_QUERY, parseInetDump, parseUnixDump } from '../../src/probe/socket-diag.js';
import { parseInetTable, parseUnixTable } from '../../src/probe/socket-tables.js';
import { closes, opens, text } from '../poller/tools.js';
import { recorded } from './fixtures.js';

function value<T>(reading: Reading<T>): T {
  if (!isKnown(reading)) throw new Error(reading.unavailable);
  return reading.value;
}
const all = (pid: number, options: DescriptorOptions = {}): Map<number, string> =>
  new Map(
    Array.from(value(readDescriptors(pid, options)).values(), (one) => [one.fd, describeDescriptor(one)]),
  );

const little = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:8EB9 00000000:0000 0A 00000000:00000002 00:00000000 00000000     0        0 5045546 3 00000000274fd338 100 0 0 10 0                   
   2: 0100007F:AB66 0100007F:87CF 06 00000000:00000000 03:000016B7 00000000     0        0 0 3 0000000053f59695                                      
  13: 0100007F:BA8E 0100007F:8EB9 01 0000000C:00000003 00:00000000 00000000     0        0 5045547 2 0000000065d150a7 20 0 0 11 -1                   
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 000080FE00000000FF005450A9B1A5FE:B0D6 08 00000000:00000001 00:00000000 00000000     0        0 991 1 0000000000000000 20 4 30 10 -1
`;
const UNIX = `Num       RefCount Protocol Flags    Type St Inode Path
0000000067f894bb: 00000003 00000000 00000000 0001 03 5045545
0000000097a06c1e: 00000003 00000000 00000000 0001 02     0 @abs evid
000000006f6fb590: 00000002 00000000 00010000 0001 01 5045549 @abs evid
000000006f6fb591: 00000002 00000000 00000000 0002 01 5045550 /run/log socket
`;
const process77 = {
  '/proc/thread-self/ns/net': 'net:[4026531833]',
  '/proc/77/ns/net': 'net:[4026532999]',
  '/proc/77/net/tcp': TCP,
  '/proc/77/net/tcp6': TCP6,
  '/proc/77/net/udp': 'sl\n',
  '/proc/77/net/udp6': 'sl\n',
  '/proc/77/net/unix': UNIX,
  '/proc/77/fd/0': '/dev/pts/0',
  '/proc/77/fd/3': 'socket:[5045546]',
  '/proc/77/fd/4': 'socket:[5045547]',
  '/proc/77/fd/5': 'socket:[991]',
  '/proc/77/fd/6': 'socket:[5045549]',
  '/proc/77/fd/7': 'socket:[5045550]',
  '/proc/77/fd/8': 'pipe:[5045552]',
  '/proc/77/fdinfo/8': 'pos:\t0\nflags:\t02000001\n',
  '/proc/77/fd/9': 'anon_inode:[eventfd]',
  '/proc/77/fdinfo/9': 'pos:\t0\neventfd-count:               1f\neventfd-id: 13\n',
  '/proc/77/fd/10': 'anon_inode:[timerfd]',
  '/proc/77/fdinfo/10':
    'clockid: 1\nticks: 2\nsettime flags: 00\nit_value: (3, 198085566)\nit_interval: (0, 5000000)\n',
  '/proc/77/fd/11': 'anon_inode:inotify',
  '/proc/77/fdinfo/11': 'pos:\t0\ninotify wd:2 ino:1\ninotify wd:1 ino:3f7e8 sdev:fe00000 mask:306\n',
  '/proc/77/fd/12': 'anon_inode:[signalfd]',
  '/proc/77/fdinfo/12': 'sigmask:\t0000000000004200\n',
  '/proc/77/fd/13': 'anon_inode:[pidfd]',
  '/proc/77/fdinfo/13': 'pos:\t0\nPid:\t-1\nNSpid:\t-1\n',
  '/proc/77/fd/14': 'anon_inode:[eventfd]',
  '/proc/77/fd/15': 'socket:[123]',
};

describe.runIf(little)('a recorded process in another network namespace', () => {
  const asked: string[] = [];
  const files = recorded(process77);
  // Our own sockets would be wrong answers: nobody may be asked for them.
  const inspector: Inspector = {
    ...noInspector,
    sockDiag: () => {
      asked.push('sock_diag');
      return unavailable('not asked for');
    },
  };

  test('each descriptor in a few words, from /proc/PID/net alone', () => {
    expect([...all(77, { files, inspector })]).toEqual([
      [0, '/dev/pts/0'],
      [3, 'tcp 127.0.0.1:36537 LISTEN waiting 2'],
      [4, 'tcp 127.0.0.1:47758 <-> 127.0.0.1:36537 ESTABLISHED rx 3 tx 12'],
      [5, 'tcp6 [::1]:80 <-> [fe80::5054:ff:fea5:b1a9]:45270 CLOSE_WAIT rx 1 tx 0'],
      [6, 'unix @abs evid LISTEN waiting ?'],
      [7, 'unix datagram /run/log socket CLOSE rx ? tx ?'],
      [8, 'pipe:[5045552] write end'],
      [9, 'eventfd count 31'],
      [10, 'timerfd 3.2 s every 5.0 ms, expired 2'],
      [11, 'inotify watches 2'],
      [12, 'signalfd 10,15'],
      [13, 'pidfd of a process that has ended'],
      [14, 'eventfd count ?'],
      [15, '? socket:[123]'],
    ]);
    expect(asked).toEqual([]);
  });

  test('readiness is derived as far as these tables go', () => {
    const found = value(readDescriptors(77, { files, inspector }));
    const answers = (fd: number): unknown[] => {
      const { readable, writable, hangup } = derivedReadiness(found.get(fd)!);
      return [readable, writable, hangup];
    };
    expect(answers(3)).toEqual(['yes', 'no', 'no']);
    // Bytes to read; the room for more is not told.
    expect(answers(4)).toEqual(['yes', 'unknown', 'no']);
    expect(answers(5)).toEqual(['yes', 'yes', 'no']);
    expect(answers(6)).toEqual(['unknown', 'no', 'no']);
    expect(answers(8)).toEqual(['no', 'unknown', 'no']);
    expect(answers(9)).toEqual(['yes', 'yes', 'no']);
    expect(answers(10)).toEqual(['yes', 'no', 'no']);
    expect(answers(13)[0]).toBe('yes');
    expect(answers(14)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(answers(15)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('what the tables lack has a reason and is no 0', () => {
    const { sockets, sources } = readSocketTable(77, { files, inspector });
    const socket = sockets.get(5045547)!.value;
    for (const name of ['shutdown', 'memory', 'tcp', 'backlog', 'peerInode'] as const)
      expect(socket[name]).toEqual({ unavailable: expect.any(String) as string });
    expect(sources['tcp']).toEqual({ value: '/proc/PID/net', source: '/proc/77/net/tcp' });
  });

  test('a table that cannot be read leaves its sockets unknown, and not closed', () => {
    const without: Partial<typeof process77> = { ...process77 };
    delete without['/proc/77/net/tcp'];
    const options = { files: recorded(without as Record<string, string>), inspector, fds: [4] };
    const one = value(readDescriptors(77, options)).get(4)!;
    expect(one).toMatchObject({ unlisted: false });
    expect(describeDescriptor(one)).toBe('? socket:[5045547]');
    expect(derivedReadiness(one).hangup).toBe('unknown');
  });
});

test('tables in a form that is not known are refused whole', () => {
  expect(parseInetTable('header\n   0: 0100007F:8EB9 what\n', 'tcp', 4)).toBeNull();
  expect(parseUnixTable('header\n000067f894bb: 1 2\n')).toBeNull();
});

test.each([
  ['127.0.0.1:80', [127, 0, 0, 1]],
  ['[::]:80', Array<number>(16).fill(0)],
  ['[::1]:80', [...Array<number>(15).fill(0), 1]],
  ['[2001:db8::1:0:0:1]:80', [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]],
  ['[1:0:1:0:1:0:1:0]:80', [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]],
  ['[::ffff:10.0.0.1]:80', [...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 1]],
])('an address is written as %s', (expected, bytes) => {
  expect(formatEndpoint(Uint8Array.from(bytes), 80)).toBe(expected);
});

describe.runIf(process.platform === 'linux')('this process', () => {
  const facts = (fd: number, options: DescriptorOptions = {}): DescriptorFacts =>
    value(readDescriptors(process.pid, { ...options, fds: [fd] })).get(fd)!;
  const socketOf = (fd: number): SocketFacts => {
    const one = facts(fd);
    if (one.kind !== 'socket') throw new Error(one.kind);
    return value(one.socket);
  };
  const say = (fd: number): string => describeDescriptor(facts(fd));

  /** Loopback may deliver a moment later on a busy machine: looks again, a bounded number of times. */
  async function says(fd: number, expected: string): Promise<void> {
    for (let look = 0; look < 2000 && say(fd) !== expected; look++)
      await new Promise((resolve) => setImmediate(resolve));
    expect(say(fd)).toBe(expected);
  }

  function listen(backlog: number): { listener: number; address: InternetAddress } {
    const listener = opens(kernel.socket(4));
    kernel.bind(listener, { family: 4, host: '127.0.0.1', port: 0 });
    kernel.listen(listener, backlog);
    return { listener, address: kernel.localAddress(listener) as InternetAddress };
  }

  test('a TCP connection: addresses, state, what is unread at one end and TCP figures', async () => {
    const { listener, address } = listen(7);
    const client = opens(kernel.socket(4));
    kernel.connect(client, address);
    await says(listener, `tcp 127.0.0.1:${address.port} LISTEN waiting 1 of 7`);
    const server = opens(kernel.accept(listener));
    kernel.sendBytes(client, text('hello, world'), 0, 12);
    const port = (kernel.localAddress(client) as InternetAddress).port;
    await says(server, `tcp 127.0.0.1:${address.port} <-> 127.0.0.1:${port} ESTABLISHED rx 12 tx 0`);
    await says(listener, `tcp 127.0.0.1:${address.port} LISTEN waiting 0 of 7`);
    const tcp = value(socketOf(client).tcp);
    expect(tcp.congestionWindow).toBeGreaterThan(0);
    expect(tcp.rttMs).toBeGreaterThan(0);
    expect(tcp.retransmitsTotal).toBe(0);
    kernel.shutdown(server, 1);
    expect(value(socketOf(server).shutdown)).toBe(2);
    // Unread bytes at the close are a reset: the other end leaves all tables, and its protocol is known all the same.
    closes(server);
    const { inode } = facts(client) as { inode: number };
    await says(client, `tcp socket:[${inode}] not connected`);
  });

  test('both sources agree on what both have', async () => {
    const { listener, address } = listen(3);
    const client = opens(kernel.socket(4));
    kernel.connect(client, address);
    const server = opens(kernel.accept(listener));
    kernel.sendBytes(server, text('abc'), 0, 3);
    const { port } = kernel.localAddress(client) as InternetAddress;
    await says(client, `tcp 127.0.0.1:${port} <-> 127.0.0.1:${address.port} ESTABLISHED rx 3 tx 0`);
    const poor = { inspector: noInspector };
    const common = (one: DescriptorFacts): unknown => {
      if (one.kind !== 'socket') throw new Error(one.kind);
      const { inode, state, local, remote, receiveBytes } = value(one.socket);
      return [
        inode,
        state,
        value(local),
        isKnown(remote) && remote.value,
        isKnown(receiveBytes) && receiveBytes.value,
      ];
    };
    for (const fd of [listener, client]) expect(common(facts(fd, poor))).toEqual(common(facts(fd)));
  });

  test('pairs know their other end, and pipes what they hold', () => {
    const [near, far] = opens(descriptors.socketPair());
    const other = socketOf(far).inode;
    expect(say(near)).toBe(`unix [${socketOf(near).inode}] <-> [${other}] ESTABLISHED rx 0 tx 0`);
    descriptors.write(near, text('hello'));
    expect(value(socketOf(far).receiveBytes)).toBe(5);
    expect(value(socketOf(near).sendBytes)).toBeGreaterThanOrEqual(5);
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    descriptors.write(writeEnd, text('abc'));
    expect(say(readEnd)).toMatch(/^pipe:\[\d+\] read end holding 3$/);
    expect(say(writeEnd)).toMatch(/^pipe:\[\d+\] write end holding 3$/);
    expect(derivedReadiness(facts(readEnd)).readable).toBe('yes');
  });

  test('unix sockets by path, with what waits', async () => {
    const path = join(tmpdir(), `underloop-unix-${process.pid}`);
    const server = createServer().listen(path);
    await once(server, 'listening');
    try {
      const listening = Array.from(value(readDescriptors(process.pid)).values(), describeDescriptor).filter(
        (one) => one.includes(path),
      );
      expect(listening).toEqual([expect.stringMatching(/^unix .+ LISTEN waiting 0 of \d+$/)]);
    } finally {
      server.close();
    }
  });

  test('the anonymous kinds', () => {
    const counter = opens(descriptors.eventFd(5));
    expect(say(counter)).toBe('eventfd count 5');
    expect(say(opens(descriptors.timerFd(3_600_000)))).toMatch(/^timerfd 3(600\.0|599\.\d) s$/);
    expect(say(opens(descriptors.inotify(tmpdir())))).toBe('inotify watches 1');
    expect(say(opens(descriptors.pidFd(process.pid)))).toMatch(/^pidfd of (process|\?)/);
    expect(say(opens(descriptors.openPty())[1])).toMatch(/^\/dev\/pts\/\d+$/);
    expect(say(opens(descriptors.netlink()))).toMatch(/^(netlink|\?) socket:\[\d+\]$/);
    closes(counter);
    expect(facts(counter)).toMatchObject({ kind: 'unknown' });
  });

  test('sock_diag answers for every table, and its messages are read to their end', () => {
    for (const query of Object.values(INET_QUERIES)) {
      const reply = value(systemInspector.sockDiag(query));
      expect(parseInetDump(reply, 'tcp')).not.toBeNull();
    }
    opens(descriptors.socketPair());
    const reply = value(systemInspector.sockDiag(UNIX_QUERY));
    expect(parseUnixDump(reply)!.length).toBeGreaterThanOrEqual(2);
    expect(parseUnixDump(reply.subarray(0, 20))).toBeNull();
    // Nonsense is refused by the kernel, with its reason.
    expect(isKnown(systemInspector.sockDiag(new Uint8Array(16).fill(1)))).toBe(false);
  });
});

test.runIf(process.platform === 'linux')(
  "a process in a network namespace of its own: its tables are read, and not this one's",
  async ({ skip }) => {
    const program = `
      import { createServer } from 'node:net';
      createServer().listen(0, () => process.stdout.write(process.pid + '\\n'));`;
    const child = spawn('unshare', ['--net', process.execPath, '--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: 20_000,
    });
    const ended = once(child, 'close').catch((error: unknown) => error);
    try {
      const first = await Promise.race([
        once(child.stdout, 'data') as Promise<[Buffer]>,
        ended.then(() => null),
      ]);
      if (first === null) skip('unshare --net is not allowed here');
      const pid = Number(String(first![0]));
      const { sources } = readSocketTable(pid);
      expect(sources['tcp']).toMatchObject({ value: '/proc/PID/net' });
      expect([...all(pid).values()].filter((one) => one.includes('LISTEN'))).toEqual([
        expect.stringMatching(/^tcp6 \[::\]:\d+ LISTEN waiting 0$|^tcp 0\.0\.0\.0:\d+ LISTEN waiting 0$/),
      ]);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  },
);
