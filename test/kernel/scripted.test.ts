// The scripted kernel behaves as a kernel does: each property on its own, and then the same scenarios on it and on the real one.

import { constants } from 'node:os';
import { beforeEach, describe, expect, test } from 'vitest';
import { SHUT_BOTH, SHUT_READ, SHUT_WRITE } from '../../src/kernel/kernel.js';
import type { Kernel, InternetAddress } from '../../src/kernel/kernel.js';
import {
  EDGE,
  ERROR,
  EXCLUSIVE,
  HANGUP,
  INVALID,
  NONE,
  ONESHOT,
  PRIORITY,
  READABLE,
  READ_CLOSED,
  WRITABLE,
} from '../../src/poller/poller.js';
import type { KernelPoller } from '../../src/poller/poller.js';
import { ScriptDeadlockError, ScriptedKernel, VirtualClock } from '../../src/testing.js';

const E = constants.errno;
const BOTH = READABLE | WRITABLE;
const HERE: InternetAddress = { family: 4, host: '127.0.0.1', port: 0 };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function open(kernel: Kernel): KernelPoller {
  const poller = kernel.openPoller(kernel.pollerKinds[0]!);
  if (typeof poller === 'number') throw new Error(`openPoller: ${String(poller)}`);
  return poller;
}
/** What one wait reports: [slot, readiness] in order. `places` bounds it. */
function wait(poller: KernelPoller, timeoutMs = 0, places = 16): [number, number][] {
  const events = new Int32Array(places * 3);
  const count = poller.wait(events, timeoutMs);
  if (count < 0) throw new Error(`wait: ${String(count)}`);
  return Array.from({ length: count }, (_, i) => [events[i * 3]!, events[i * 3 + 2]!]);
}
function pair(kernel: Kernel): [number, number] {
  const ends = new Int32Array(2);
  expect(kernel.socketPair(ends)).toBe(0);
  return [ends[0]!, ends[1]!];
}
function listener(kernel: Kernel, backlog = 16, address = HERE): [number, InternetAddress] {
  const fd = kernel.socket(address.family);
  expect([kernel.bind(fd, address), kernel.listen(fd, backlog)]).toEqual([0, 0]);
  return [fd, kernel.localAddress(fd) as InternetAddress];
}
/** A TCP connection: client, server, listener. */
function connection(kernel: Kernel): [number, number, number] {
  const [fd, address] = listener(kernel);
  const client = kernel.socket(4);
  expect(kernel.connect(client, address)).toBe(-E.EINPROGRESS);
  wait1(kernel, client, WRITABLE);
  return [client, kernel.accept(fd), fd];
}
const write = (kernel: Kernel, fd: number, text: string): number =>
  kernel.sendBytes(fd, bytes(text), 0, bytes(text).length);
/** Text read, or the result itself when it is end-of-file (0) or an error. */
function read(kernel: Kernel, fd: number, length = 1000): string | number {
  const count = kernel.recv(fd, 0, length);
  return count > 0 ? new TextDecoder().decode(kernel.buffer.slice(0, count)) : count;
}
/** All that is so of `fd`, as a fresh level registration sees it. */
function wait1(kernel: Kernel, fd: number, interest = BOTH, timeoutMs = 0): number {
  const poller = open(kernel);
  try {
    expect(poller.add(fd, interest, 0, 0)).toBe(0);
    return wait(poller, timeoutMs)[0]?.[1] ?? 0;
  } finally {
    poller.close();
  }
}

let kernel: ScriptedKernel;
let poller: KernelPoller;
beforeEach(() => {
  kernel = new ScriptedKernel();
  poller = open(kernel);
});

describe('virtual clock', () => {
  test('runs actions by time, then in the order of creation, each at its own time', () => {
    const clock = new VirtualClock(10);
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${String(clock.now())}`);
    clock.at(30, note('c'));
    clock.at(20.5, note('a'));
    clock.at(20.5, note('b'));
    clock.after(100, note('late'));
    clock.advance(25);
    expect(seen).toEqual(['a@20.5', 'b@20.5', 'c@30']);
    expect([clock.now(), clock.nextMs]).toEqual([35, 110]);
  });
  test('actions may schedule more, which run in the same advance when they fall into it', () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    const again = (): void => {
      seen.push(clock.now());
      clock.after(10, again);
    };
    clock.at(5, again);
    clock.advance(30);
    expect(seen).toEqual([5, 15, 25]);
  });
  test('a cancelled action does not run, and the past is run at the next chance without going back', () => {
    const clock = new VirtualClock(100);
    const seen: number[] = [];
    clock.at(101, () => seen.push(-1))();
    clock.at(50, () => seen.push(clock.now()));
    clock.advance(5);
    expect(seen).toEqual([100]);
  });
  test('refuses to go back, to stand at no time at all, and NaN', () => {
    const clock = new VirtualClock();
    for (const wrong of [-1, NaN, Infinity]) {
      expect(() => clock.advance(wrong)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    }
    expect(() => clock.at(NaN, () => {})).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});

describe('waiting in virtual time', () => {
  test('sleeps exactly to the deadline, fractions included', () => {
    kernel.clock.advance(0.1);
    expect(wait(poller, 0.2)).toEqual([]);
    expect(kernel.now()).toBe(0.1 + 0.2);
  });
  test('a zero timeout looks and lets no time pass', () => {
    expect(wait(poller, 0)).toEqual([]);
    expect(kernel.now()).toBe(0);
  });
  test('stops at the first action that makes something ready; later ones wait for later waits', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 7, 0);
    const seen: string[] = [];
    kernel.clock.at(2, () => seen.push('idle'));
    kernel.clock.at(3.25, () => write(kernel, b, 'x'));
    kernel.clock.at(3.25, () => seen.push('after'));
    expect(wait(poller, Infinity)).toEqual([[7, READABLE]]);
    expect([kernel.now(), seen]).toEqual([3.25, ['idle']]);
    wait(poller, 0);
    expect(seen).toEqual(['idle', 'after']);
  });
  test('what is due happens even while something is always ready', () => {
    const [a] = pair(kernel);
    poller.add(a, WRITABLE, 0, 0);
    let ran = false;
    kernel.clock.at(0, () => (ran = true));
    wait(poller, 100);
    expect([ran, kernel.now()]).toEqual([true, 0]);
  });
  test('an action due exactly at the deadline runs before the wait gives up', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 1, 0);
    kernel.clock.at(5, () => write(kernel, b, 'x'));
    expect(wait(poller, 5)).toEqual([[1, READABLE]]);
  });
  test('a wait that could never end throws ERR_SCRIPT_DEADLOCK and names what it waits for', () => {
    const [a] = pair(kernel);
    poller.add(a, READABLE, 1, 0);
    const stuck = (): unknown => wait(poller, Infinity);
    expect(stuck).toThrow(ScriptDeadlockError);
    expect(stuck).toThrow(expect.objectContaining({ code: 'ERR_SCRIPT_DEADLOCK' }));
    expect(stuck).toThrow(`fd ${String(a)}`);
  });
  test('a wake ends the current wait, or else the next one; many are one; it is not an event', () => {
    kernel.clock.at(4, () => poller.wake());
    expect(wait(poller, Infinity)).toEqual([]);
    expect(kernel.now()).toBe(4);
    poller.wake();
    poller.wake();
    expect(wait(poller, Infinity)).toEqual([]);
    wait(poller, 6);
    expect(kernel.now()).toBe(10);
  });
  test('a poller closed by an action while it waits gives EBADF; so does every later call', () => {
    const [a] = pair(kernel);
    kernel.clock.at(1, () => poller.close());
    expect(poller.wait(new Int32Array(3), Infinity)).toBe(-E.EBADF);
    poller.close();
    expect([poller.add(a, READABLE, 0, 0), poller.modify(a, READABLE, 0, 0), poller.remove(a)]).toEqual(
      Array(3).fill(-E.EBADF),
    );
  });
  test('an array without room for one event is EINVAL, as maxevents 0 is', () => {
    expect(poller.wait(new Int32Array(2), 0)).toBe(-E.EINVAL);
    expect(poller.allocateEvents(5)).toHaveLength(15);
  });
});

describe('level, edge, oneshot', () => {
  test('level reports while it is so, with the token untouched', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 3, -9);
    write(kernel, b, 'x');
    const events = new Int32Array(3);
    for (let i = 0; i < 2; i++) {
      expect(poller.wait(events, 0)).toBe(1);
      expect([...events]).toEqual([3, -9, READABLE]);
    }
    read(kernel, a);
    expect(wait(poller)).toEqual([]);
  });
  test('readiness that has gone again before the wait is not reported', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 0, 0);
    write(kernel, b, 'x');
    read(kernel, a);
    expect(wait(poller)).toEqual([]);
  });
  test('edge reports a transition once; more bytes on a readable fd are a new one', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE | EDGE, 0, 0);
    expect(wait(poller)).toEqual([]);
    write(kernel, b, 'x');
    expect([wait(poller), wait(poller)]).toEqual([[[0, READABLE]], []]);
    write(kernel, b, 'y');
    expect([wait(poller), wait(poller)]).toEqual([[[0, READABLE]], []]);
  });
  test('an edge tells all that is so, not only what changed', () => {
    const [a, b] = pair(kernel);
    poller.add(a, BOTH | EDGE, 0, 0);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
    write(kernel, b, 'x');
    expect(wait(poller)).toEqual([[0, BOTH]]);
  });
  test('bytes are no edge for who asked to write only; the end of the stream is', () => {
    const [client, server] = connection(kernel);
    poller.add(client, WRITABLE | EDGE, 0, 0);
    wait(poller);
    write(kernel, server, 'x');
    expect(wait(poller)).toEqual([]);
    kernel.shutdown(server, SHUT_WRITE);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
  });
  test('TCP: reading frees room, but is an edge only for a writer who found it full', () => {
    const [client, server] = connection(kernel);
    kernel.setOption(client, 'sendBufferBytes', 9);
    kernel.setOption(server, 'receiveBufferBytes', 1);
    poller.add(client, WRITABLE | EDGE, 0, 0);
    wait(poller);
    write(kernel, client, 'abc');
    read(kernel, server);
    expect(wait(poller)).toEqual([]);
    expect(write(kernel, client, 'abcdefghijk')).toBe(10);
    read(kernel, server, 2);
    expect(wait(poller)).toEqual([]);
    read(kernel, server, 1);
    expect([wait(poller), wait(poller)]).toEqual([[[0, WRITABLE]], []]);
  });
  test('a pair: reading a write to its end is an edge for the writer, always', () => {
    const [a, b] = pair(kernel);
    poller.add(a, WRITABLE | EDGE, 0, 0);
    wait(poller);
    write(kernel, a, 'abc');
    read(kernel, b, 2);
    expect(wait(poller)).toEqual([]);
    read(kernel, b, 2);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
  });
  test('adding and modifying report what is ready already, edge-triggered too', () => {
    const [a, b] = pair(kernel);
    write(kernel, b, 'x');
    poller.add(a, READABLE | EDGE, 1, 0);
    expect([wait(poller), wait(poller)]).toEqual([[[1, READABLE]], []]);
    poller.modify(a, READABLE | EDGE, 2, 0);
    expect([wait(poller), wait(poller)]).toEqual([[[2, READABLE]], []]);
  });
  test.each([ONESHOT, ONESHOT | EDGE])(
    'oneshot (%i) is silent after one report, hangup included, until modified',
    (once) => {
      const [a, b] = pair(kernel);
      poller.add(a, READABLE | once, 0, 0);
      write(kernel, b, 'x');
      expect(wait(poller)).toEqual([[0, READABLE]]);
      expect(kernel.interestOf(poller, a)).toBe(once);
      write(kernel, b, 'y');
      kernel.close(b);
      expect(wait(poller)).toEqual([]);
      poller.modify(a, READABLE | once, 5, 0);
      expect(kernel.interestOf(poller, a)).toBe(READABLE | once);
      expect([wait(poller), wait(poller)]).toEqual([[[5, READABLE | READ_CLOSED | HANGUP]], []]);
    },
  );
  test('hangup and error are reported whatever the interest, NONE included', () => {
    const [client, server] = connection(kernel);
    poller.add(client, NONE, 0, 0);
    write(kernel, server, 'x');
    expect(wait(poller)).toEqual([]);
    kernel.setOption(server, 'lingerS', 0);
    kernel.close(server);
    expect(wait(poller)).toEqual([[0, HANGUP | ERROR]]);
  });
  test('the half-close is told to those who asked to read', () => {
    const [a, b] = pair(kernel);
    poller.add(a, WRITABLE, 0, 0);
    kernel.shutdown(b, SHUT_WRITE);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
    poller.modify(a, READABLE, 0, 0);
    expect(wait(poller)).toEqual([[0, READABLE | READ_CLOSED]]);
  });
});

describe('the interest set', () => {
  test('add, modify and remove refuse what epoll_ctl refuses', () => {
    const [a] = pair(kernel);
    expect(poller.add(99, READABLE, 0, 0)).toBe(-E.EBADF);
    expect(poller.modify(a, READABLE, 0, 0)).toBe(-E.ENOENT);
    expect(poller.remove(a)).toBe(-E.ENOENT);
    expect(poller.add(a, READABLE, 0, 0)).toBe(0);
    expect(poller.add(a, READABLE, 0, 0)).toBe(-E.EEXIST);
    expect(poller.add(kernel.openReserve(), READABLE, 0, 0)).toBe(-E.EPERM);
    expect(poller.add(poller.fd, READABLE, 0, 0)).toBe(-E.EINVAL);
    expect(poller.modify(a, READABLE | EXCLUSIVE, 0, 0)).toBe(-E.EINVAL);
    expect(poller.remove(a)).toBe(0);
    expect(kernel.interestOf(poller, a)).toBeUndefined();
  });
  test('fewer places than ready entries: each gets its turn before any gets a second one', () => {
    const fds = Array.from({ length: 5 }, () => pair(kernel)[0]);
    fds.forEach((fd, slot) => poller.add(fd, WRITABLE, slot, 0));
    const turns = Array.from({ length: 5 }, () => wait(poller, 0, 2).map(([slot]) => slot));
    expect(turns).toEqual([[0, 1], [2, 3], [4, 0], [1, 2], [3, 4]]); // prettier-ignore
  });
  test('one wait reports an entry once at most, in the order in which they became ready', () => {
    const pairs = Array.from({ length: 3 }, () => pair(kernel));
    pairs.forEach(([a], slot) => poller.add(a, READABLE, slot, 0));
    for (const i of [2, 0, 1, 2]) write(kernel, pairs[i]![1], 'x');
    expect(wait(poller).map(([slot]) => slot)).toEqual([2, 0, 1]);
  });
  test('every poller that holds an fd is told', () => {
    const other = open(kernel);
    const [a, b] = pair(kernel);
    poller.add(a, READABLE | EDGE, 1, 0);
    other.add(a, READABLE | EDGE, 2, 0);
    write(kernel, b, 'x');
    expect([wait(poller), wait(other)]).toEqual([[[1, READABLE]], [[2, READABLE]]]);
  });
  test('a poller can be waited on: readable while it has something to report; no cycles', () => {
    const inner = open(kernel);
    const [a, b] = pair(kernel);
    inner.add(a, READABLE, 0, 0);
    poller.add(inner.fd, READABLE, 9, 0);
    expect(inner.add(poller.fd, READABLE, 0, 0)).toBe(-E.ELOOP);
    expect(wait(poller)).toEqual([]);
    kernel.clock.at(3, () => write(kernel, b, 'x'));
    expect([wait(poller, Infinity), wait(poller)]).toEqual([[[9, READABLE]], [[9, READABLE]]]);
    read(kernel, a);
    expect(wait(poller)).toEqual([]);
    inner.wake();
    expect(wait(poller)).toEqual([[9, READABLE]]);
  });
});

describe('descriptors', () => {
  test('numbers are given lowest first, so a closed one comes back at once', () => {
    const fds = [kernel.socket(4), kernel.socket(4), kernel.socket(4)];
    expect(fds).toEqual([4, 5, 6]);
    kernel.close(5);
    kernel.close(4);
    expect([kernel.socket(4), kernel.openReserve(), kernel.socket(4)]).toEqual([4, 5, 7]);
    expect(kernel.openFds()).toEqual([3, 4, 5, 6, 7]);
  });
  test('beyond the limit everything that opens gives EMFILE and leaks nothing; raising it helps', () => {
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    kernel.connect(client, address);
    kernel.settings.fdLimit = 7;
    const ends = new Int32Array(2);
    expect(kernel.socketPair(ends)).toBe(-E.EMFILE);
    expect(kernel.openFds()).toEqual([3, fd, client]);
    const last = kernel.openReserve();
    expect([
      kernel.socket(4),
      kernel.openReserve(),
      kernel.duplicate(fd),
      kernel.openPoller('scripted'),
    ]).toEqual(Array(4).fill(-E.EMFILE));
    // The connection stays in the queue and the listener readable: the spinning accept at EMFILE.
    poller.add(fd, READABLE, 0, 0);
    expect(kernel.accept(fd)).toBe(-E.EMFILE);
    expect(wait(poller)).toEqual([[0, READABLE]]);
    kernel.close(last);
    expect(kernel.accept(fd)).toBe(last);
  });
  test('every call on a closed fd is EBADF, and on a placeholder ENOTSOCK', () => {
    const reserve = kernel.openReserve();
    for (const [fd, errno] of [
      [77, E.EBADF],
      [reserve, E.ENOTSOCK],
    ] as const) {
      // prettier-ignore
      const results = [
        kernel.bind(fd, HERE),
        kernel.listen(fd, 1),
        kernel.accept(fd),
        kernel.connect(fd, HERE),
        kernel.recv(fd, 0, 1),
        kernel.send(fd, 0, 1),
        kernel.sendBytes(fd, bytes('x'), 0, 1),
        kernel.shutdown(fd, SHUT_BOTH),
        kernel.setOption(fd, 'noDelay', 1),
        kernel.getOption(fd, 'error'),
        kernel.localAddress(fd),
        kernel.peerAddress(fd),
        kernel.feed(fd, bytes('x')),
      ];
      expect(results).toEqual(results.map(() => -errno));
    }
    expect([kernel.close(77), kernel.close(reserve), kernel.close(reserve)]).toEqual([-E.EBADF, 0, -E.EBADF]);
  });
  test('closing the last descriptor takes the file out of every set, pending events included', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 0, 0);
    write(kernel, b, 'x');
    kernel.close(a);
    expect(wait(poller)).toEqual([]);
    const reused = kernel.socket(4);
    expect(reused).toBe(a);
    expect(poller.modify(reused, READABLE, 0, 0)).toBe(-E.ENOENT);
  });
  test('closed fd still in the set through a dup: it reports on, and cannot be taken out by its number', () => {
    const [a, b] = pair(kernel);
    const dup = kernel.duplicate(a);
    poller.add(a, READABLE, 1, 0);
    kernel.close(a);
    write(kernel, b, 'x');
    expect(wait(poller)).toEqual([[1, READABLE]]);
    expect([poller.remove(a), poller.modify(a, READABLE, 2, 0)]).toEqual([-E.EBADF, -E.EBADF]);
    // The number belongs to another file by now: that one can be added beside the phantom.
    const reused = kernel.socket(4);
    expect([reused, poller.remove(reused), poller.add(reused, READABLE, 2, 0)]).toEqual([a, -E.ENOENT, 0]);
    expect(wait(poller)).toEqual([[1, READABLE], [2, HANGUP]]); // prettier-ignore
    kernel.close(dup);
    expect(wait(poller)).toEqual([[2, HANGUP]]);
  });
  test('two descriptors of one file are two entries; the later one is told first', () => {
    const [a, b] = pair(kernel);
    poller.add(a, READABLE, 1, 0);
    poller.add(kernel.duplicate(a), READABLE, 2, 0);
    write(kernel, b, 'x');
    expect(wait(poller).map(([slot]) => slot)).toEqual([2, 1]);
  });
  test('a poller is a descriptor, given back once', () => {
    const { fd } = poller;
    expect(kernel.openFds()).toEqual([fd]);
    poller.close();
    expect(kernel.socket(4)).toBe(fd);
    poller.close();
    expect(kernel.openFds()).toEqual([fd]);
  });
});

describe('bytes', () => {
  test('arrive in order, whatever the sizes of writes and reads', () => {
    const [a, b] = pair(kernel);
    for (const part of ['he', 'l', 'lo wor', 'ld']) write(kernel, a, part);
    expect([read(kernel, b, 4), read(kernel, b, 1), read(kernel, b)]).toEqual(['hell', 'o', ' world']);
    expect(read(kernel, b)).toBe(-E.EAGAIN);
  });
  test('are copied when sent: the sender may reuse its buffer', () => {
    const [a, b] = pair(kernel);
    kernel.buffer.set(bytes('abc'), 10);
    expect(kernel.send(a, 10, 3)).toBe(3);
    kernel.buffer.fill(0);
    expect(kernel.recv(b, 5, 9)).toBe(3);
    expect([...kernel.buffer.subarray(5, 8)]).toEqual([...bytes('abc')]);
  });
  test('full buffers cut writes short and then refuse them; a pair has the send buffer, TCP both', () => {
    const [a] = pair(kernel);
    const [client] = connection(kernel);
    const block = new Uint8Array(200_000);
    expect([kernel.sendBytes(a, block, 0, 200_000), kernel.sendBytes(a, block, 0, 1)]).toEqual([
      65536,
      -E.EAGAIN,
    ]);
    expect([kernel.sendBytes(client, block, 0, 200_000), kernel.sendBytes(client, block, 0, 1)]).toEqual([
      131072,
      -E.EAGAIN,
    ]);
    expect([wait1(kernel, a), wait1(kernel, client)]).toEqual([0, 0]);
  });
  test('writable comes back when a third of the buffer is free', () => {
    const [a, b] = pair(kernel);
    kernel.setOption(a, 'sendBufferBytes', 9);
    poller.add(a, WRITABLE, 0, 0);
    write(kernel, a, 'abcdefghi');
    read(kernel, b, 2);
    expect(wait(poller)).toEqual([]);
    read(kernel, b, 1);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
  });
  test('a larger buffer makes a full socket writable', () => {
    const [a] = pair(kernel);
    kernel.setOption(a, 'sendBufferBytes', 3);
    poller.add(a, WRITABLE | EDGE, 0, 0);
    write(kernel, a, 'abcd');
    expect(wait(poller)).toEqual([]);
    kernel.setOption(a, 'sendBufferBytes', 30);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
  });
  test('a larger receive buffer makes room for the peer', () => {
    const [client, server] = connection(kernel);
    for (const fd of [client, server])
      kernel.setOption(fd, fd === client ? 'sendBufferBytes' : 'receiveBufferBytes', 3);
    poller.add(client, WRITABLE | EDGE, 0, 0);
    expect(write(kernel, client, 'abcdefgh')).toBe(6);
    expect(wait(poller)).toEqual([]);
    kernel.setOption(server, 'receiveBufferBytes', 30);
    expect(wait(poller)).toEqual([[0, WRITABLE]]);
  });
  test('ranges outside the buffer are EFAULT; a length of 0 is 0', () => {
    const [a] = pair(kernel);
    expect(kernel.recv(a, kernel.buffer.length, 1)).toBe(-E.EFAULT);
    expect(kernel.sendBytes(a, bytes('x'), 0, 2)).toBe(-E.EFAULT);
    expect([kernel.recv(a, 0, 0), kernel.send(a, 0, 0)]).toEqual([0, 0]);
  });
});

describe('addresses', () => {
  test('port 0 gives ephemeral ports, and both ends know both addresses', () => {
    const [client, server, fd] = connection(kernel);
    const address = kernel.localAddress(fd) as InternetAddress;
    expect(address.port).toBeGreaterThanOrEqual(32768);
    expect(kernel.peerAddress(client)).toEqual(address);
    expect(kernel.localAddress(server)).toEqual(address);
    expect(kernel.peerAddress(server)).toEqual(kernel.localAddress(client));
  });
  test('an address is taken once, and free again after close', () => {
    const [fd, address] = listener(kernel);
    const again = kernel.socket(4);
    expect(kernel.bind(again, address)).toBe(-E.EADDRINUSE);
    expect(kernel.bind(again, { ...address, host: '0.0.0.0' })).toBe(-E.EADDRINUSE);
    expect(kernel.bind(kernel.socket(4), { ...address, host: '127.0.0.2' })).toBe(0);
    kernel.close(fd);
    expect([kernel.bind(again, address), kernel.bind(again, address)]).toEqual([0, -E.EINVAL]);
  });
  test('an accepted connection keeps the port busy, but for who reuses addresses', () => {
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    kernel.connect(client, address);
    kernel.accept(fd);
    kernel.close(fd);
    expect(kernel.bind(kernel.socket(4), address)).toBe(-E.EADDRINUSE);
  });
  test('reusePort lets several listen, and spreads the connections', () => {
    const fds = [kernel.socket(4), kernel.socket(4)];
    const address = { ...HERE, port: 7000 };
    for (const fd of fds) {
      kernel.setOption(fd, 'reusePort', 1);
      expect([kernel.bind(fd, address), kernel.listen(fd, 4)]).toEqual([0, 0]);
    }
    for (let i = 0; i < 4; i++) kernel.connect(kernel.socket(4), address);
    for (const fd of fds)
      expect([kernel.accept(fd), kernel.accept(fd), kernel.accept(fd)].pop()).toBe(-E.EAGAIN);
  });
  test('a wildcard listener takes what no exact one takes; families are apart; names are EINVAL', () => {
    const any = listener(kernel, 4, { family: 4, host: '0.0.0.0', port: 7001 })[0];
    kernel.connect(kernel.socket(4), { family: 4, host: '10.1.2.3', port: 7001 });
    const accepted = kernel.accept(any);
    expect(kernel.localAddress(accepted)).toEqual({ family: 4, host: '10.1.2.3', port: 7001 });
    const six = kernel.socket(6);
    expect(kernel.connect(six, { family: 6, host: '::1', port: 7001 })).toBe(-E.EINPROGRESS);
    expect(kernel.getOption(six, 'error')).toBe(E.ECONNREFUSED);
    expect(kernel.bind(kernel.socket(4), { family: 4, host: 'localhost', port: 0 })).toBe(-E.EINVAL);
    expect(kernel.bind(kernel.socket(4), { family: 6, host: '::1', port: 0 })).toBe(-E.EAFNOSUPPORT);
  });
});

describe('connecting', () => {
  test('goes on, and is writable when it is there', () => {
    kernel.settings.connectDelayMs = 20;
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    expect(kernel.connect(client, address)).toBe(-E.EINPROGRESS);
    expect(kernel.connect(client, address)).toBe(-E.EALREADY);
    expect([write(kernel, client, 'x'), read(kernel, client)]).toEqual([-E.EAGAIN, -E.EAGAIN]);
    poller.add(client, WRITABLE | EDGE, 0, 0);
    expect(wait(poller, Infinity)).toEqual([[0, WRITABLE]]);
    expect([kernel.now(), kernel.getOption(client, 'error')]).toEqual([20, 0]);
    expect([kernel.connect(client, address), kernel.connect(client, address)]).toEqual([0, -E.EISCONN]);
    expect(kernel.accept(fd)).toBeGreaterThan(0);
  });
  test('refused: told by readiness, the reason by SO_ERROR, once', () => {
    const client = kernel.socket(4);
    expect(kernel.connect(client, { ...HERE, port: 1 })).toBe(-E.EINPROGRESS);
    expect(wait1(kernel, client)).toBe(BOTH | READ_CLOSED | HANGUP | ERROR);
    expect(kernel.getOption(client, 'error')).toBe(E.ECONNREFUSED);
    expect(kernel.getOption(client, 'error')).toBe(0);
  });
  test('at once, when the system is set to it', () => {
    kernel.settings.connectsAtOnce = true;
    const [, address] = listener(kernel);
    expect(kernel.connect(kernel.socket(4), address)).toBe(0);
    expect(kernel.connect(kernel.socket(4), { ...HERE, port: 1 })).toBe(-E.ECONNREFUSED);
  });
  test('unanswered: ETIMEDOUT after 127 seconds of virtual time', () => {
    kernel.settings.connectDelayMs = Infinity;
    const client = kernel.socket(4);
    kernel.connect(client, { ...HERE, port: 1 });
    poller.add(client, WRITABLE, 0, 0);
    expect(wait(poller, Infinity)).toEqual([[0, WRITABLE | HANGUP | ERROR]]);
    expect([kernel.now(), kernel.getOption(client, 'error')]).toEqual([127_000, E.ETIMEDOUT]);
  });
  test('cancelled by close: nothing stays scheduled, and the listener never hears of it', () => {
    kernel.settings.connectDelayMs = 5;
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    kernel.connect(client, address);
    kernel.close(client);
    expect(kernel.clock.nextMs).toBe(Infinity);
    expect(kernel.accept(fd)).toBe(-E.EAGAIN);
  });
  test('the backlog is a bound: who finds it full is let in at a later try', () => {
    const [fd, address] = listener(kernel, 1);
    const clients = Array.from({ length: 3 }, () => kernel.socket(4));
    for (const client of clients) kernel.connect(client, address);
    expect(clients.map((client) => wait1(kernel, client, WRITABLE))).toEqual([WRITABLE, WRITABLE, 0]);
    poller.add(clients[2]!, WRITABLE, 0, 0);
    expect(kernel.accept(fd)).toBeGreaterThan(0);
    expect(wait(poller)).toEqual([]);
    expect(wait(poller, Infinity)).toEqual([[0, WRITABLE]]);
    expect(kernel.now()).toBe(1000);
  });
  test('each arrival is an edge for the listener', () => {
    const [fd, address] = listener(kernel);
    poller.add(fd, READABLE | EDGE, 0, 0);
    for (let i = 0; i < 2; i++) {
      kernel.connect(kernel.socket(4), address);
      expect([wait(poller), wait(poller)]).toEqual([[[0, READABLE]], []]);
    }
  });
});

describe('endings', () => {
  test('SHUT_WRITE: the peer reads to the end, then 0; the other direction stays open', () => {
    for (const [a, b] of [pair(kernel), connection(kernel)]) {
      write(kernel, a, 'last');
      expect(kernel.shutdown(a, SHUT_WRITE)).toBe(0);
      expect([read(kernel, b), read(kernel, b), read(kernel, b)]).toEqual(['last', 0, 0]);
      expect(write(kernel, a, 'x')).toBe(-E.EPIPE);
      write(kernel, b, 'back');
      expect(read(kernel, a)).toBe('back');
    }
  });
  test('end-of-file together with unread data: both are reported, the data comes first', () => {
    const [client, server] = connection(kernel);
    write(kernel, server, 'bye');
    kernel.close(server);
    expect(wait1(kernel, client)).toBe(BOTH | READ_CLOSED);
    expect([read(kernel, client), read(kernel, client)]).toEqual(['bye', 0]);
  });
  test('writing to a closed peer: EPIPE at once on a pair, after one lost write on TCP', () => {
    const [a, b] = pair(kernel);
    kernel.close(b);
    expect(write(kernel, a, 'x')).toBe(-E.EPIPE);
    const [client, server] = connection(kernel);
    kernel.close(server);
    expect([write(kernel, client, 'x'), write(kernel, client, 'x')]).toEqual([1, -E.EPIPE]);
    expect(wait1(kernel, client) & HANGUP).toBe(HANGUP);
  });
  test('reset: what arrived can be read, then ECONNRESET once, then end-of-file', () => {
    const [client, server] = connection(kernel);
    write(kernel, server, 'got through');
    kernel.setOption(server, 'lingerS', 0);
    kernel.close(server);
    expect(wait1(kernel, client)).toBe(BOTH | READ_CLOSED | HANGUP | ERROR);
    expect([read(kernel, client), read(kernel, client), read(kernel, client)]).toEqual([
      'got through',
      -E.ECONNRESET,
      0,
    ]);
    expect(write(kernel, client, 'x')).toBe(-E.EPIPE);
  });
  test('a reset loses what had not reached the receive buffer', () => {
    const [client, server] = connection(kernel);
    kernel.setOption(client, 'receiveBufferBytes', 4);
    write(kernel, server, 'abcdefgh');
    kernel.setOption(server, 'lingerS', 0);
    kernel.close(server);
    expect([read(kernel, client), read(kernel, client)]).toEqual(['abcd', -E.ECONNRESET]);
  });
  test('closing with unread data resets too', () => {
    const [client, server] = connection(kernel);
    write(kernel, client, 'unread');
    kernel.close(server);
    expect(write(kernel, client, 'x')).toBe(-E.ECONNRESET);
  });
  test('closing a listener resets those who were not accepted', () => {
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    kernel.connect(client, address);
    kernel.close(fd);
    expect(read(kernel, client)).toBe(-E.ECONNRESET);
  });
  test('nothing is left when both ends are closed, not even the ports', () => {
    const [client, server, fd] = connection(kernel);
    const address = kernel.localAddress(fd) as InternetAddress;
    for (const each of [client, server, fd]) kernel.close(each);
    expect(kernel.openFds()).toEqual([poller.fd]);
    expect(kernel.bind(kernel.socket(4), address)).toBe(0);
  });
});

describe('options', () => {
  test('are stored, normalised, and inherited by accepted sockets', () => {
    const [fd, address] = listener(kernel);
    kernel.setOption(fd, 'noDelay', 5);
    kernel.setOption(fd, 'keepAliveIdleS', 30);
    kernel.connect(kernel.socket(4), address);
    const server = kernel.accept(fd);
    expect([kernel.getOption(server, 'noDelay'), kernel.getOption(server, 'keepAliveIdleS')]).toEqual([
      1, 30,
    ]);
    kernel.setOption(server, 'noDelay', 0);
    expect(kernel.getOption(fd, 'noDelay')).toBe(1);
  });
  test('refuse what cannot be', () => {
    const fd = kernel.socket(4);
    expect(kernel.setOption(fd, 'error', 1)).toBe(-E.ENOPROTOOPT);
    expect(kernel.getOption(fd, 'lingerS')).toBe(-E.ENOPROTOOPT);
    expect(kernel.setOption(fd, 'keepAliveIdleS', 0)).toBe(-E.EINVAL);
    expect(kernel.setOption(pair(kernel)[0], 'noDelay', 1)).toBe(-E.EOPNOTSUPP);
  });
});

describe('scripts', () => {
  test('give the next results in order, and then the simulation answers again', () => {
    const [a, b] = pair(kernel);
    write(kernel, b, 'data');
    kernel.script('recv', a, -E.EINTR, () => undefined, -E.EAGAIN);
    expect(kernel.scriptsLeft).toBe(3);
    expect([kernel.recv(a, 0, 2), kernel.recv(a, 0, 2), kernel.recv(a, 0, 2), kernel.recv(a, 0, 2)]).toEqual([
      -E.EINTR,
      2,
      -E.EAGAIN,
      2,
    ]);
    expect(kernel.scriptsLeft).toBe(0);
  });
  test('for one fd go before those for any, and touch no other fd', () => {
    const [a, b] = pair(kernel);
    kernel.script('send', null, -E.ENOBUFS);
    kernel.script('send', a, -E.EPIPE);
    expect([kernel.send(a, 0, 1), kernel.send(b, 0, 1), kernel.send(a, 0, 1)]).toEqual([
      -E.EPIPE,
      -E.ENOBUFS,
      1,
    ]);
  });
  test('functions see the arguments, and may fill what the call fills', () => {
    const [a] = pair(kernel);
    kernel.script('recv', a, ([, start, length]) => {
      kernel.buffer.set(bytes('hi'), start as number);
      return Math.min(2, length as number);
    });
    expect(read(kernel, a)).toBe('hi');
  });
  test('reach the calls of pollers, opened before or after', () => {
    kernel.script('openPoller', null, -E.ENFILE);
    expect(kernel.openPoller('scripted')).toBe(-E.ENFILE);
    const other = open(kernel);
    const [a] = pair(kernel);
    kernel.script('add', a, -E.ENOSPC);
    kernel.script('wait', other.fd, ([events]) => {
      (events as Int32Array).set([4, 2, INVALID]);
      return 1;
    });
    expect([poller.add(a, WRITABLE, 1, 0), poller.add(a, WRITABLE, 1, 0)]).toEqual([-E.ENOSPC, 0]);
    expect([wait(other), wait(poller)]).toEqual([[[4, INVALID]], [[1, WRITABLE]]]);
    kernel.script('wake', poller.fd, 0);
    poller.wake();
    poller.remove(a);
    expect(() => wait(poller, Infinity)).toThrow(ScriptDeadlockError);
  });
  test('calls are heard and recorded with arguments and results, dictated or simulated', () => {
    const heard: string[] = [];
    const stop = kernel.onCall(({ name, result }) => heard.push(`${name}=${String(result)}`));
    kernel.record();
    kernel.script('close', null, -E.EIO);
    const fd = kernel.socket(4);
    kernel.close(fd);
    stop();
    poller.add(fd, READABLE, 1, 2);
    expect(heard).toEqual([`socket=${String(fd)}`, `close=${String(-E.EIO)}`]);
    expect(kernel.calls).toEqual([
      { name: 'socket', args: [4], result: fd },
      { name: 'close', args: [fd], result: -E.EIO },
      { name: 'add', args: [fd, READABLE, 1, 2], result: 0, poller },
    ]);
    kernel.record(false);
    kernel.close(fd);
    expect(kernel.calls).toHaveLength(3);
  });
  test('nobody listening, nothing scripted: the methods are the plain ones', () => {
    expect(Object.keys(Object.getOwnPropertyDescriptors(kernel))).not.toContain('recv');
    kernel.record();
    expect(Object.keys(Object.getOwnPropertyDescriptors(kernel))).toContain('recv');
  });
  test('setReady reports once what is not so, as far as it was asked for', () => {
    const [a] = pair(kernel);
    poller.add(a, READABLE, 1, 0);
    kernel.setReady(a, READABLE | WRITABLE | INVALID);
    expect([wait(poller), wait(poller)]).toEqual([[[1, READABLE | INVALID]], []]);
    kernel.setReady(a, PRIORITY);
    expect(wait(poller)).toEqual([]);
    expect(read(kernel, a)).toBe(-E.EAGAIN);
  });
  test('short reads and writes bound each call, and lose no byte and no edge', () => {
    const [a, b] = pair(kernel);
    poller.add(a, WRITABLE | EDGE, 1, 0);
    poller.add(b, READABLE | EDGE, 2, 0);
    wait(poller);
    kernel.shortReads(2);
    kernel.shortWrites(3);
    expect([write(kernel, a, 'abcde'), wait(poller)]).toEqual([3, [[2, READABLE], [1, WRITABLE]]]); // prettier-ignore
    expect([read(kernel, b), wait(poller)]).toEqual(['ab', [[2, READABLE]]]);
    expect([read(kernel, b), wait(poller)]).toEqual(['c', [[1, WRITABLE]]]);
    kernel.shortReads(Infinity);
    kernel.shortWrites(Infinity);
    expect([write(kernel, a, 'abcde'), read(kernel, b)]).toEqual([5, 'abcde']);
  });
  test('feed sends as the peer would, unrecorded; peerOf names it', () => {
    const [client, server] = connection(kernel);
    kernel.record();
    kernel.script('sendBytes', null, -E.EPIPE);
    expect(kernel.feed(server, bytes('fed'))).toBe(3);
    expect(read(kernel, server)).toBe('fed');
    expect([kernel.peerOf(server), kernel.peerOf(client), kernel.peerOf(poller.fd)]).toEqual([
      client,
      server,
      undefined,
    ]);
    kernel.close(client);
    expect([kernel.peerOf(server), kernel.feed(server, bytes('x'))]).toEqual([undefined, -E.EPIPE]);
    expect(kernel.feed(kernel.socket(4), bytes('x'))).toBe(-E.ENOTCONN);
  });
  test('the same script gives the same calls, results and times', () => {
    const run = (): unknown => {
      const k = new ScriptedKernel({ connectDelayMs: 3, clock: new VirtualClock(0.5) });
      k.record();
      const p = open(k);
      const [fd, address] = listener(k);
      const client = k.socket(4);
      k.connect(client, address);
      p.add(fd, READABLE, 0, 0);
      k.clock.at(9, () => k.feed(client, bytes('later')));
      wait(p, Infinity);
      p.add(client, READABLE, 1, 0);
      k.accept(fd);
      wait(p, Infinity);
      return [k.calls.map(({ name, args }) => [name, String(args)]), k.now()];
    };
    expect(run()).toEqual(run());
  });
});

// Each scenario runs on the scripted kernel and on this machine's, and what the two say must be the same, word for word.
type Say = (...facts: unknown[]) => void;
interface Bench {
  kernel: Kernel;
  say: Say;
  duplicate: (fd: number) => number;
  /** Readiness as level sees it; the real kernel is given a moment. */
  state: (fd: number, interest?: number) => number;
  connect: () => [number, number, number];
}
const abort = (kernel: Kernel, fd: number): void => {
  kernel.setOption(fd, 'lingerS', 0);
  kernel.close(fd);
};
const scenarios: Record<string, (bench: Bench) => void> = {
  'an unconnected socket': ({ kernel, say, state }) => {
    const fd = kernel.socket(4);
    say(
      state(fd),
      read(kernel, fd),
      write(kernel, fd, 'x'),
      kernel.shutdown(fd, SHUT_BOTH),
      kernel.peerAddress(fd),
    );
    const other = kernel.socket(4);
    say(kernel.shutdown(other, SHUT_READ), state(other), read(kernel, other), write(kernel, other, 'x'));
    say(kernel.localAddress(fd), kernel.accept(fd), kernel.listen(fd, 1), kernel.bind(fd, HERE));
    say(state(fd), read(kernel, fd), write(kernel, fd, 'x'), kernel.connect(fd, HERE));
  },
  'the peer closes': ({ kernel, say, state, connect }) => {
    const [client, server] = connect();
    write(kernel, server, 'x');
    say(kernel.connect(server, HERE), kernel.close(server));
    say(kernel.send(client, 0, 0), kernel.send(client, 0, 0));
    say(
      state(client),
      read(kernel, client),
      read(kernel, client),
      state(client, WRITABLE),
      state(client, NONE),
    );
    say(write(kernel, client, 'x'), state(client), read(kernel, client), kernel.getOption(client, 'error'));
    say(
      write(kernel, client, 'x'),
      state(client),
      kernel.peerAddress(client),
      kernel.shutdown(client, SHUT_WRITE),
    );
  },
  'the peer resets, before and after its half-close': ({ kernel, say, state, connect }) => {
    for (const halfClosed of [false, true]) {
      const [client, server] = connect();
      write(kernel, server, 'x');
      if (halfClosed) kernel.shutdown(server, SHUT_WRITE);
      abort(kernel, server);
      say(
        state(client),
        state(client, NONE),
        read(kernel, client),
        read(kernel, client),
        read(kernel, client),
      );
      say(
        write(kernel, client, 'x'),
        write(kernel, client, 'x'),
        state(client),
        kernel.getOption(client, 'error'),
      );
    }
  },
  'the peer closes on unread data': ({ kernel, say, state, connect }) => {
    const [client, server] = connect();
    write(kernel, client, 'x');
    kernel.close(server);
    say(
      state(client),
      write(kernel, client, 'x'),
      write(kernel, client, 'x'),
      read(kernel, client),
      state(client),
    );
  },
  'half-closes both ways': ({ kernel, say, state, connect }) => {
    const [client, server] = connect();
    say(kernel.shutdown(client, SHUT_WRITE), state(client), state(server), write(kernel, client, 'x'));
    say(write(kernel, server, 'back'), read(kernel, client), read(kernel, server));
    say(kernel.shutdown(server, SHUT_WRITE), state(client), state(server), kernel.peerAddress(client));
    say(kernel.shutdown(server, SHUT_READ), kernel.shutdown(server, 9), kernel.connect(client, HERE));
  },
  'bytes for who has shut both halves': ({ kernel, say, state, connect }) => {
    const [client, server] = connect();
    say(kernel.shutdown(client, SHUT_BOTH), state(client), state(server));
    say(write(kernel, server, 'x'), write(kernel, server, 'x'), state(server), state(client));
    say(read(kernel, client), kernel.getOption(client, 'error'), read(kernel, server));
  },
  "shutting one's own reading half": ({ kernel, say, state, connect }) => {
    const [client, server] = connect();
    say(kernel.shutdown(client, SHUT_READ), state(client), read(kernel, client), state(server));
    say(write(kernel, server, 'still'), read(kernel, client), read(kernel, client));
  },
  'a refused connect, and its retry': ({ kernel, say, state }) => {
    const fd = kernel.socket(4);
    say(kernel.connect(fd, { ...HERE, port: 1 }), state(fd), state(fd, NONE));
    say(kernel.connect(fd, { ...HERE, port: 1 }), kernel.connect(fd, { ...HERE, port: 1 }));
    say(read(kernel, fd), read(kernel, fd), kernel.getOption(fd, 'error'));
    const poller = open(kernel);
    poller.add(fd, BOTH | EDGE, 1, 0);
    say(wait(poller, 5), wait(poller, 5), kernel.connect(fd, HERE), wait(poller, 5), wait(poller, 5));
    poller.close();
    const [, address] = listener(kernel);
    say(kernel.connect(fd, address), kernel.connect(fd, address), state(fd), write(kernel, fd, 'x'));
    say(
      kernel.connect(fd, address),
      kernel.connect(fd, address),
      kernel.shutdown(fd, SHUT_BOTH),
      kernel.connect(fd, address),
    );
  },
  'a listener with a full queue, shut down': ({ kernel, say, state }) => {
    const [fd, address] = listener(kernel, 1);
    say(state(fd), kernel.accept(fd), read(kernel, fd), write(kernel, fd, 'x'), kernel.connect(fd, address));
    const clients = [0, 1, 2].map(() => kernel.socket(4));
    say(clients.map((client) => kernel.connect(client, address)), clients.map((client) => state(client))); // prettier-ignore
    say(kernel.connect(clients[2]!, address), write(kernel, clients[2]!, 'x'), read(kernel, clients[2]!));
    say(kernel.shutdown(clients[2]!, SHUT_BOTH), state(clients[2]!), kernel.getOption(clients[2]!, 'error'));
    say(kernel.connect(clients[2]!, address), kernel.connect(clients[2]!, address));
    say(
      kernel.shutdown(fd, SHUT_READ),
      state(fd),
      kernel.accept(fd),
      state(clients[0]!),
      read(kernel, clients[0]!),
    );
  },
  'a connection reset in the queue is still accepted': ({ kernel, say, state }) => {
    const [fd, address] = listener(kernel);
    const client = kernel.socket(4);
    kernel.connect(client, address);
    state(client);
    abort(kernel, client);
    say(state(fd));
    const server = kernel.accept(fd);
    say(server > 0, read(kernel, server), kernel.peerAddress(server));
  },
  'ports in use': ({ kernel, say }) => {
    const fds = [0, 1, 2].map(() => kernel.socket(4));
    for (const fd of fds.slice(0, 2)) kernel.setOption(fd, 'reuseAddress', 1);
    say(kernel.bind(fds[0]!, HERE));
    const address = kernel.localAddress(fds[0]!) as InternetAddress;
    say(
      kernel.bind(fds[1]!, address),
      kernel.bind(fds[2]!, address),
      kernel.listen(fds[0]!, 1),
      kernel.listen(fds[1]!, 1),
    );
    say(kernel.bind(fds[1]!, HERE), kernel.bind(fds[2]!, { ...address, host: '0.0.0.0' }));
  },
  'a pair whose peer shuts and closes': ({ kernel, say, state }) => {
    for (const how of [SHUT_READ, SHUT_WRITE, SHUT_BOTH]) {
      const [a, b] = pair(kernel);
      say(
        how,
        state(a),
        kernel.shutdown(b, how),
        state(a),
        state(b),
        write(kernel, a, 'x'),
        write(kernel, b, 'x'),
      );
      say(
        read(kernel, a),
        read(kernel, b),
        kernel.close(b),
        state(a),
        write(kernel, a, 'x'),
        read(kernel, a),
      );
    }
    const [c, d] = pair(kernel);
    const poller = open(kernel);
    poller.add(c, READABLE, 1, 0);
    poller.add(d, READABLE, 2, 0);
    say(kernel.shutdown(d, SHUT_BOTH), wait(poller, 5));
    poller.close();
    const [a, b] = pair(kernel);
    write(kernel, a, 'unread');
    write(kernel, b, 'left behind');
    kernel.close(b);
    say(
      state(a),
      state(a, NONE),
      write(kernel, a, 'x'),
      read(kernel, a),
      read(kernel, a),
      read(kernel, a),
      state(a),
    );
    say(kernel.localAddress(a), kernel.setOption(a, 'noDelay', 1), kernel.listen(a, 1));
  },
  edges: ({ kernel, say, connect }) => {
    const [client, server] = connect();
    const poller = open(kernel);
    const look = (): unknown => [wait(poller, 5), wait(poller, 5)];
    say(poller.add(client, BOTH | EDGE, 1, 0), look());
    for (const step of [
      () => write(kernel, server, 'x'),
      () => write(kernel, server, 'y'),
      () => read(kernel, client),
    ]) {
      step();
      say(look());
    }
    poller.modify(client, WRITABLE | EDGE, 2, 0);
    say(look(), write(kernel, server, 'z'), look(), kernel.shutdown(server, SHUT_WRITE), look());
    say(kernel.shutdown(server, SHUT_WRITE), look());
    poller.modify(client, READABLE | EDGE, 3, 0);
    say(look(), kernel.shutdown(client, SHUT_WRITE), look());
    poller.close();
  },
  'edges of a full buffer': ({ kernel, say, connect }) => {
    const [client, server] = connect();
    const poller = open(kernel);
    poller.add(client, WRITABLE | EDGE, 1, 0);
    say(wait(poller, 5), write(kernel, client, 'x'), read(kernel, server), wait(poller, 5));
    const block = new Uint8Array(1 << 16);
    let last = 0;
    for (let i = 0; i < 1000 && last >= 0; i++) last = kernel.sendBytes(client, block, 0, block.length);
    say(last, wait(poller, 5));
    for (let i = 0; i < 1000 && kernel.recv(server, 0, 1 << 16) > 0; i++);
    say(wait(poller, 50), wait(poller, 5));
    poller.close();
  },
  oneshot: ({ kernel, say }) => {
    const [a, b] = pair(kernel);
    const poller = open(kernel);
    for (const once of [ONESHOT, ONESHOT | EDGE]) {
      say(poller.add(a, READABLE | once, 1, 0), write(kernel, b, 'x'), wait(poller, 5), wait(poller, 5));
      say(
        write(kernel, b, 'x'),
        wait(poller, 5),
        poller.modify(a, BOTH | once, 2, 0),
        wait(poller, 5),
        wait(poller, 5),
      );
      say(
        poller.add(a, READABLE, 1, 0),
        poller.remove(a),
        poller.remove(a),
        poller.modify(a, READABLE, 1, 0),
      );
    }
    poller.add(a, READABLE | ONESHOT, 3, 0);
    say(wait(poller, 5), kernel.close(b), wait(poller, 5));
    poller.close();
  },
  phantoms: ({ kernel, say, duplicate }) => {
    const [a, b] = pair(kernel);
    const poller = open(kernel);
    const dup = duplicate(a);
    poller.add(a, READABLE, 1, 0);
    kernel.close(a);
    write(kernel, b, 'x');
    say(wait(poller, 5), poller.remove(a), poller.modify(a, READABLE, 1, 0));
    const reused = kernel.socket(4);
    say(reused === a, poller.remove(reused), poller.add(reused, READABLE, 2, 0), wait(poller, 5));
    kernel.close(dup);
    say(
      wait(poller, 5),
      poller.add(kernel.openReserve(), READABLE, 3, 0),
      poller.add(poller.fd, READABLE, 3, 0),
    );
    poller.close();
  },
  'few places, many ready': ({ kernel, say }) => {
    const poller = open(kernel);
    const pairs = Array.from({ length: 5 }, () => pair(kernel));
    pairs.forEach(([a], slot) => poller.add(a, READABLE, slot, 0));
    for (const i of [3, 0, 4, 1, 2]) write(kernel, pairs[i]![1], 'x');
    for (let turn = 0; turn < 6; turn++) say(wait(poller, 5, 2));
    say(read(kernel, pairs[0]![0]), wait(poller, 5, 2), wait(poller, 5, 2), wait(poller, 5, 2));
    poller.close();
  },
  'a poller in a poller': ({ kernel, say }) => {
    const [outer, inner] = [open(kernel), open(kernel)];
    const [a, b] = pair(kernel);
    inner.add(a, READABLE, 1, 0);
    say(outer.add(inner.fd, READABLE, 2, 0), inner.add(outer.fd, READABLE, 3, 0), wait(outer, 5));
    say(
      write(kernel, b, 'x'),
      wait(outer, 5),
      wait(outer, 5),
      wait(inner, 5),
      read(kernel, a),
      wait(outer, 5),
    );
    inner.wake();
    say(wait(outer, 5), wait(inner, 5), wait(outer, 5));
    inner.close();
    outer.close();
  },
};

describe.runIf(process.platform === 'linux').each(Object.keys(scenarios))('as Linux does: %s', (name) => {
  test('the scripted kernel and the real one say the same', async () => {
    const [{ nativeKernel }, { binding }] = await Promise.all([
      import('../../src/kernel/native.js'),
      import('../../src/binding.js'),
    ]);
    const run = (on: Kernel, duplicate: (fd: number) => number): unknown[] => {
      const facts: unknown[] = [];
      const opened = new Set<number>();
      // What a scenario opens is closed after it, whatever it closed itself: the numbers are this process's own.
      const note = (fd: number): number => (fd >= 0 && opened.add(fd), fd);
      const tracked: Kernel = Object.assign(Object.create(on) as Kernel, {
        buffer: on.buffer,
        socket: (family: 4 | 6) => note(on.socket(family)),
        accept: (fd: number) => note(on.accept(fd)),
        openReserve: () => note(on.openReserve()),
        socketPair: (ends: Int32Array) => {
          const status = on.socketPair(ends);
          ends.forEach(note);
          return status;
        },
        close: (fd: number) => (opened.delete(fd), on.close(fd)),
      });
      const methods = ['openPoller', 'bind', 'listen', 'connect', 'recv', 'send', 'sendBytes', 'shutdown', 'setOption',
        'getOption', 'localAddress', 'peerAddress'] as const; // prettier-ignore
      for (const method of methods) Object.assign(tracked, { [method]: on[method].bind(on) });
      scenarios[name]!({
        kernel: tracked,
        say: (...said) => facts.push(said),
        duplicate: (fd) => note(duplicate(fd)),
        state: (fd, interest) => wait1(tracked, fd, interest, 5),
        connect: () => connection(tracked),
      });
      for (const fd of opened) on.close(fd);
      return facts;
    };
    const real = run(nativeKernel, (fd) => binding.duplicate(fd));
    expect(run(kernel, (fd) => kernel.duplicate(fd))).toEqual(real);
  });
});
