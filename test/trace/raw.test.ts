// The mechanisms' own flags, as an observer is told them: those of the same event, on every poller that can run here.

import { expect, test } from 'vitest';
import { HANGUP, READABLE, Reactor, SilentObserver, WRITABLE, nativeKernel } from '../../src/index.js';
import { describeRaw } from '../../src/trace/index.js';

const FLAGS: Record<string, string[]> = {
  epoll: ['EPOLLIN', 'EPOLLOUT', 'EPOLLIN|EPOLLHUP|EPOLLRDHUP'],
  poll: ['POLLIN', 'POLLOUT', 'POLLIN|POLLHUP|POLLRDHUP'],
  select: ['readfds', 'writefds', 'readfds'],
  kqueue: ['EVFILT_READ', 'EVFILT_WRITE', 'EVFILT_READ|EV_EOF'],
};

test.each(nativeKernel.pollerKinds)('%s: each readiness comes with the flags it was made from', (poller) => {
  const told: { fd: number; readiness: number; raw: number }[] = [];
  const observer = new SilentObserver();
  observer.readiness = (fd, readiness, _slot, _generation, raw) => void told.push({ fd, readiness, raw });
  const reactor = new Reactor({ poller, observer });
  const pairs = [0, 1, 2].map(() => {
    const ends = new Int32Array(2);
    nativeKernel.socketPair(ends);
    return [...ends] as [number, number];
  });
  const [readable, writable, closed] = pairs.map(([near]) => near);
  try {
    nativeKernel.sendBytes(pairs[0]![1], Buffer.from('x'), 0, 1);
    nativeKernel.close(pairs[2]![1]);
    reactor.watch(readable!, READABLE, () => undefined);
    reactor.watch(writable!, WRITABLE, () => undefined);
    reactor.watch(closed!, READABLE, () => undefined);
    reactor.turn(0);
    const flags = [readable, writable, closed].map((fd) => {
      const event = told.find((one) => one.fd === fd)!;
      return describeRaw(poller, event.raw).replace(/\|EV_CLEAR|\|0x[0-9a-f]+/g, '');
    });
    expect(flags).toEqual(FLAGS[poller]);
    if (poller === 'epoll') expect(told.find(({ fd }) => fd === closed)!.readiness & HANGUP).toBe(HANGUP);
  } finally {
    reactor.close();
    for (const [near, far] of pairs) for (const fd of [near, far]) nativeKernel.close(fd);
  }
});
