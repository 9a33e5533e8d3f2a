// Closing on the real kernel: twice, at the end of a using block, in a handler; whatever was open is given back.

import { readdirSync, readlinkSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { READABLE, Reactor, connect, descriptors, listen, nativeKernel } from '../../src/index.js';
import type { Connection, Listener } from '../../src/index.js';

const linux = process.platform === 'linux';
/** What this process has open. */
function descriptorsNow(): Set<string> {
  const fds = linux ? readdirSync('/proc/self/fd') : [];
  const targetOf = (fd: string): string => {
    try {
      return `${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      return ''; // the one by which the folder itself was read
    }
  };
  return new Set(fds.map(targetOf).filter(Boolean));
}

/** What was opened since, and is open still. The runtime may have closed some of its own meanwhile. */
const leftSince = (before: Set<string>): string[] => [...descriptorsNow()].filter((one) => !before.has(one));

/** A listener, connections to it, a watch; all of it open. */
async function furnish(
  reactor: Reactor,
): Promise<{ listener: Listener; connections: Connection[]; pipe: number[] }> {
  const listener = listen(reactor, {}, {});
  const connections: Connection[] = [];
  const pipe = descriptors.pipe();
  reactor.watch(pipe[0], READABLE, () => {});
  let opened = 0;
  for (let i = 0; i < 5; i++) {
    const open = (): void => {
      if (++opened === 5) reactor.setTimer(10, () => reactor.stop());
    };
    connections.push(connect(reactor, { port: listener.address.port }, { open }));
  }
  await reactor.run();
  expect([listener.connections, opened]).toEqual([5, 5]);
  return { listener, connections, pipe };
}

// The first run of a thread opens what its host keeps for good.
beforeAll(() => new Reactor().run());

test.each(nativeKernel.pollerKinds)(
  '%s: close() gives back every descriptor, and again does nothing',
  async (poller) => {
    const before = descriptorsNow();
    const reactor = new Reactor({ poller });
    const { listener, connections, pipe } = await furnish(reactor);
    reactor.close();
    reactor.close();
    expect([listener.closed, connections.every(({ closed }) => closed), reactor.alive]).toEqual([
      true,
      true,
      false,
    ]);
    // The watched pipe was the program's, and is its to close.
    for (const fd of pipe) descriptors.close(fd);
    expect(leftSince(before)).toEqual([]);
  },
);

test('using reactor: closed at the end of its block, also when the block throws', async () => {
  const before = descriptorsNow();
  let escaped: Reactor | undefined;
  const block = async (): Promise<void> => {
    using reactor = new Reactor();
    escaped = reactor;
    const { pipe } = await furnish(reactor);
    for (const fd of pipe) descriptors.close(fd);
    throw new Error('out of the block');
  };
  await expect(block()).rejects.toThrow('out of the block');
  expect([escaped!.alive, leftSince(before)]).toEqual([false, []]);
  expect(() => escaped!.turn(0)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
});

test('closed in a handler while it runs: run() ends, everything is given back, a new reactor takes its place', async () => {
  const before = descriptorsNow();
  for (let round = 0; round < 3; round++) {
    const reactor = new Reactor();
    const { pipe } = await furnish(reactor);
    let late = 0;
    reactor.setTimer(1, () => {
      reactor.close();
      reactor.close();
    });
    reactor.setTimer(1, () => late++);
    await reactor.run();
    for (const fd of pipe) descriptors.close(fd);
    expect([late, leftSince(before)]).toEqual([0, []]);
  }
});

test('what is left of a closed reactor’s connections can be closed, and asked, without harm', async () => {
  const reactor = new Reactor();
  const { listener, connections, pipe } = await furnish(reactor);
  for (const fd of pipe) descriptors.close(fd);
  reactor.close();
  for (const connection of connections) {
    connection.close();
    connection.reset();
    connection.end();
    connection.pause();
    connection.resume();
    expect([connection.fd, connection.localAddress]).toEqual([-1, null]);
    expect(() => connection.write('x')).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  }
  listener.close();
  listener.unref().ref();
  expect(reactor.alive).toBe(false);
});

test('a hundred reactors one after another leave nothing behind', async () => {
  const before = descriptorsNow();
  for (let i = 0; i < 100; i++) {
    const reactor = new Reactor();
    reactor.post(() => {});
    await reactor.run();
    reactor.close();
  }
  expect(leftSince(before)).toEqual([]);
});
