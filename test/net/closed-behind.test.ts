// A descriptor that the program closes behind its owner's back, and whose number somebody else gets: nobody else is harmed.

import { describe, expect, test } from 'vitest';
import { datagram, socketPair } from '../../src/index.js';
import { Logs, modes, useWorld } from './world.js';

// poll and select hold numbers and not files: they refuse the number until its first owner has gone.
describe.each(modes.filter(({ poller }) => poller === 'epoll' || poller === 'scripted'))('$name', (mode) => {
  const world = useWorld(mode);
  const options = { trigger: mode.trigger };

  test.each(['close', 'pause'] as const)(
    "a connection's number is another's by now: its %s() leaves that one alone, and the registry whole",
    async (action) => {
      const w = world();
      const logs = new Logs();
      const [lost, peer] = socketPair(w.reactor, logs.handlers, undefined, options);
      const { fd } = lost;
      w.reactor.kernel.close(fd);
      const [first, second] = socketPair(w.reactor, logs.handlers, undefined, options);
      expect([first.fd, second.fd]).toContain(fd);
      lost[action]();
      expect(lost.closed).toBe(true);
      const [third, fourth] = socketPair(w.reactor, logs.handlers, undefined, options);
      first.write('to the second');
      second.write('to the first');
      third.write('to the fourth');
      await w.until(
        () =>
          logs.of(first).text === 'to the first' &&
          logs.of(second).text === 'to the second' &&
          logs.of(fourth).text === 'to the fourth' &&
          logs.of(peer).closed &&
          logs.of(lost).closed,
      );
      expect(logs.of(lost).events).toEqual(
        action === 'close' ? ['close'] : ['error ERR_NOT_REGISTERED', 'close ERR_NOT_REGISTERED'],
      );
      expect(w.reactor.registry.size).toBe(4);
    },
  );

  test('the same of listeners and datagram sockets', async () => {
    const w = world();
    const { reactor } = w;
    const logs = new Logs();
    const lostListener = w.listen(logs.handlers);
    reactor.kernel.close(lostListener.fd);
    const listener = w.listen(logs.handlers);
    const lostSocket = datagram(reactor, {}, {});
    reactor.kernel.close(lostSocket.fd);
    const got: string[] = [];
    const socket = datagram(
      reactor,
      {},
      { message: (_socket, buffer, start, end) => void got.push(String(end - start)) },
    );
    expect([listener.fd, socket.fd]).toEqual([lostListener.fd, lostSocket.fd]);
    for (const lost of [lostListener, lostSocket]) {
      lost.pause();
      lost.resume();
      lost.close();
    }
    const client = w.connect(listener.address.port, {});
    socket.send('to itself', socket.address as never);
    await w.until(() => got.length === 1 && listener.accepted === 1 && !client.connecting);
    expect(got).toEqual(['9']);
  });
});
