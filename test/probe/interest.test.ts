// Interest lists: what the kernel prints is read right, and held against what a registry believes.

import { openSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { NONE, Poller, READABLE, Reactor, WRITABLE, descriptors, nativeKernel } from '../../src/index.js';
import {
  compareInterest,
  decodeEvents,
  decodeToken,
  describeDifference,
  describeEvents,
  entryReadiness,
  epollEvents,
  findEpollFds,
  isDisarmed,
  isKnown,
  isOwnPoller,
  noInspector,
  parseInterest,
  readDescriptors,
  readInterest,
  readPollerInterest,
} from '../../src/probe/index.js';
import type { InterestEntry, Reading } from '../../src/probe/index.js';
import { EDGE, ONESHOT } from '../../src/poller/poller.js';
import { closes, newPoller, opens, ready, text } from '../poller/tools.js';
import { recorded } from './fixtures.js';

function value<T>(reading: Reading<T>): T {
  if (!isKnown(reading)) throw new Error(reading.unavailable);
  return reading.value;
}

const FDINFO_6_18 = `pos:	0
flags:	02000002
mnt_id:	17
ino:	1038
tfd:       22 events: 80002019 data:        100000002  pos:0 ino:40e sdev:e
tfd:       19 events: 80000019 data: ffffffffffffffff  pos:0 ino:40e sdev:e
tfd:        7 events: 40000000 data: 7f5b00001234abcd  pos:0 ino:4cfd28 sdev:9
`;

test('the lines of Linux 6.18 and of 4.9, which prints no inode', () => {
  expect(parseInterest(FDINFO_6_18)).toEqual([
    { fd: 22, events: 0x80002019, data: 0x100000002n, inode: 0x40e, device: 0xe },
    { fd: 19, events: 0x80000019, data: 0xffffffffffffffffn, inode: 0x40e, device: 0xe },
    { fd: 7, events: 0x40000000, data: 0x7f5b00001234abcdn, inode: 0x4cfd28, device: 9 },
  ]);
  expect(parseInterest('pos:\t0\ntfd:        5 events:       1d data:                5\n')).toEqual([
    { fd: 5, events: 0x1d, data: 5n, inode: null, device: null },
  ]);
  expect(parseInterest('tfd: five events: 1d data: 5\n')).toBeNull();
});

test('events by name, one that has no name by its number', () => {
  expect(decodeEvents(0xf0000005)).toEqual([
    ...['EPOLLIN', 'EPOLLOUT', 'EPOLLEXCLUSIVE', 'EPOLLWAKEUP', 'EPOLLONESHOT', 'EPOLLET'],
  ]);
  expect(describeEvents(0x2001 | 0x8000)).toBe('EPOLLIN|EPOLLRDHUP|0x8000');
  expect(describeEvents(0)).toBe('nothing');
  expect([isDisarmed(0xc0000000), isDisarmed(0x40000001), isDisarmed(0x80000000)]).toEqual([
    true,
    false,
    false,
  ]);
});

test('64 bits of data are slot and generation, the waker, or nothing of ours', () => {
  expect(decodeToken(0x7fffffff7fffffffn)).toEqual({
    kind: 'registration',
    slot: 0x7fffffff,
    generation: 0x7fffffff,
  });
  expect(decodeToken(0xffffffffffffffffn)).toEqual({ kind: 'waker' });
  // A pointer beyond 2^63, and a generation of 0, which is never given out.
  expect(decodeToken(0x8000000000000001n)).toBeNull();
  expect(decodeToken(0x0000000500000000n)).toBeNull();
});

describe('recorded, without the right to compare files', () => {
  const files = recorded({
    '/proc/77/fd/4': 'anon_inode:[eventpoll]',
    '/proc/77/fd/7': 'socket:[5045544]',
    '/proc/77/fd/8': 'socket:[1]',
    '/proc/77/fd/9': 'anon_inode:[eventfd]',
    '/proc/77/fd/10': '/dev/pts/0',
    '/proc/77/fd/11': 'anon_inode:[eventpoll]',
    '/proc/77/fdinfo/4': [
      ...[5, 7, 8, 9, 10].map((fd) => `tfd: ${fd} events: 19 data: ${fd}  pos:0 ino:4cfd28 sdev:9`),
      '',
    ].join('\n'),
    '/proc/77/fdinfo/9': 'pos:\t0\nino:\t1038\n',
    '/proc/77/fdinfo/10': `ino:\t${0x4cfd28}\n`,
  });

  test('a closed fd and another inode are told; one inode proves a file only for sockets', () => {
    const { entries } = value(readInterest(77, 4, { files }));
    expect(entries.map(({ target }) => (isKnown(target) ? target.value : 'unknown'))).toEqual([
      ...['closed', 'same', 'other', 'other', 'unknown'],
    ]);
  });

  test('the epoll sets are found; what is none, not there or not to be read has its reason', () => {
    expect(value(findEpollFds(77, { files }))).toEqual([4, 11]);
    expect(readInterest(77, 7, { files })).toEqual({
      unavailable: 'fd 7 of process 77 is socket:[5045544], and no epoll set',
    });
    expect(isKnown(readInterest(77, 99, { files }))).toBe(false);
    // A set whose list may not be read is not an empty one.
    expect(isKnown(readInterest(77, 11, { files }))).toBe(false);
    expect(() => readInterest(77, -1)).toThrow(/epollFd must be/);
    expect(() => findEpollFds(0)).toThrow(/pid must be/);
  });
});

test.each(['kqueue', 'poll', 'select', 'scripted'] as const)(
  '%s has no list to be read, and says why',
  (kind) => {
    const reading = readPollerInterest({ kind, fd: -1 });
    expect(reading).toEqual({ unavailable: expect.stringContaining(kind) as string });
  },
);

describe.runIf(process.platform === 'linux')('of this process', () => {
  const entriesOf = (poller: Poller | Reactor['poller']): readonly InterestEntry[] =>
    value(readPollerInterest(poller)).entries;
  const differences = (poller: Poller): string[] =>
    compareInterest(entriesOf(poller), poller.beliefs()).map(
      ({ kind, fd, ...rest }) => `${kind} ${fd}${'target' in rest ? ` ${rest.target}` : ''}`,
    );

  test('a reactor that runs agrees with its registry: watches, parked ones and Node itself', async () => {
    using reactor = new Reactor({ poller: 'epoll' });
    const [near, far] = opens(descriptors.socketPair());
    const parked = reactor.watch(far, NONE, () => undefined);
    let looked: unknown = null;
    const watch = reactor.watch(near, READABLE | WRITABLE, () => {
      const entries = entriesOf(reactor.poller);
      looked = [entries.length, compareInterest(entries, reactor.registry.beliefs())];
      watch.close();
      parked.close();
    });
    await reactor.run();
    // The watch, the waker, Node's own set, and the timer of the slice.
    expect(looked).toEqual([4, []]);
  });

  test('every interest and trigger is in the kernel what is expected of it', () => {
    for (const trigger of ['level', 'edge', 'oneshot', 'edge-oneshot'] as const) {
      const poller = newPoller('epoll');
      for (let interest = 0; interest < 8; interest++)
        poller.add(opens(descriptors.eventFd()), interest, trigger);
      expect(entriesOf(poller)).toHaveLength(8);
      expect(differences(poller)).toEqual([]);
    }
    expect(describeEvents(epollEvents(READABLE, EDGE | ONESHOT))).toBe(
      'EPOLLIN|EPOLLERR|EPOLLHUP|EPOLLRDHUP|EPOLLONESHOT|EPOLLET',
    );
  });

  test('a oneshot that has fired is disarmed, and no difference', () => {
    const poller = newPoller('epoll');
    const registration = poller.add(opens(descriptors.eventFd(1)), READABLE, 'oneshot');
    expect(ready(poller, registration)).toBe('readable');
    expect(entriesOf(poller).map(({ events }) => isDisarmed(events))).toContain(true);
    expect(differences(poller)).toEqual([]);
  });

  test('closed behind the registry: missing in the kernel', () => {
    const poller = newPoller('epoll');
    const fd = opens(descriptors.eventFd());
    poller.add(fd, READABLE);
    closes(fd);
    expect(differences(poller)).toEqual([`missing-in-kernel ${fd}`]);
  });

  test('closed while a duplicate lives: a phantom, and when the number is used again, still one', () => {
    const poller = newPoller('epoll');
    const fd = opens(descriptors.eventFd());
    opens(descriptors.duplicate(fd));
    const registration = poller.add(fd, READABLE);
    closes(fd);
    expect(differences(poller)).toEqual([`phantom ${fd} closed`]);
    expect(opens(descriptors.eventFd())).toBe(fd);
    expect(differences(poller)).toEqual([`phantom ${fd} other`]);
    // The new file's state is not that of the one in the set.
    const phantom = entriesOf(poller).find((entry) => entry.fd === fd)!;
    const facts = value(readDescriptors(process.pid, { fds: [fd] })).get(fd);
    expect(entryReadiness(phantom, facts)).toMatchObject({ writable: 'unknown', levelReports: 'unknown' });
    expect(entryReadiness(phantom, facts).remarks.join()).toContain('another file');
    expect(entryReadiness({ ...phantom, target: { value: 'same', source: '' } }, facts).writable).toBe('yes');
    poller.remove(registration);
    expect(differences(poller)).toEqual([`phantom ${fd} other`, `unknown-in-registry ${fd}`]);
    // The new file under the old number beside the phantom: two entries of one fd, of which one is right.
    poller.add(fd, READABLE);
    expect(differences(poller)).toEqual([`phantom ${fd} other`, `unknown-in-registry ${fd}`]);
  });

  test('a pipe opened anew under the old number has the inode of the one in the set, and is another file', () => {
    const poller = newPoller('epoll');
    const [readEnd, writeEnd] = opens(descriptors.pipe());
    opens(descriptors.duplicate(readEnd));
    poller.add(readEnd, READABLE);
    closes(readEnd);
    expect(opens(openSync(`/proc/self/fd/${writeEnd}`, 'r'))).toBe(readEnd);
    expect(differences(poller)).toEqual([`phantom ${readEnd} other`]);
  });

  test('of files that share one inode a phantom is not called the same without the right to compare', () => {
    const poller = newPoller('epoll');
    const fd = opens(descriptors.eventFd());
    poller.add(fd, READABLE);
    const { entries } = value(readPollerInterest(poller, { inspector: noInspector }));
    expect(entries.map(({ target }) => isKnown(target))).toEqual([false, false]);
    expect([isOwnPoller(entries), isOwnPoller(entries.filter((entry) => entry.fd === fd))]).toEqual([
      true,
      false,
    ]);
  });

  test('changed behind the registry: other events, not parked, unknown; each in a sentence', () => {
    const poller = newPoller('epoll');
    const [modified, parked, added] = opens([
      descriptors.eventFd(),
      descriptors.eventFd(),
      descriptors.eventFd(),
    ]) as [number, number, number];
    poller.add(modified, READABLE);
    const registration = poller.add(parked, READABLE);
    const entries = entriesOf(poller);
    poller.modify(registration, NONE);
    const changed = entries.map((entry) => (entry.fd === modified ? { ...entry, events: 0x1c } : entry));
    const stranger = { ...entries[0]!, fd: added, data: BigInt(added), events: 1 };
    const found = compareInterest([...changed, stranger], poller.beliefs());
    expect(found.map(describeDifference)).toEqual([
      `fd ${modified}: EPOLLIN|EPOLLERR|EPOLLHUP|EPOLLRDHUP believed, EPOLLOUT|EPOLLERR|EPOLLHUP in the kernel`,
      `fd ${parked}: parked in the registry, EPOLLIN|EPOLLERR|EPOLLHUP|EPOLLRDHUP in the kernel`,
      `fd ${added}: the kernel has EPOLLIN, the registry knows nothing of it`,
    ]);
  });

  test('a closed poller has no list; poll says where its list is', () => {
    const poller = newPoller('epoll');
    poller.close();
    expect(readPollerInterest(poller)).toEqual({ unavailable: 'the poller is closed' });
    expect(isKnown(readPollerInterest(newPoller('poll')))).toBe(false);
  });

  test('reading the list of a poller takes no readiness from it', () => {
    const poller = newPoller('epoll');
    const [near, far] = opens(descriptors.socketPair());
    const registration = poller.add(near, READABLE, 'edge');
    descriptors.write(far, text('x'));
    entriesOf(poller);
    expect(ready(poller, registration)).toBe('readable');
    expect(nativeKernel.recv(near, 0, 10)).toBe(1);
  });
});
