// A server on the reactor for requests of one line: `word argument`, answered by one line. It measures its own lag.

import { listen, serve } from './async.js'; // in a program of yours: from 'underloop/async'
import { lagMeter } from './lag.js';

/** Serves with `handlers[word](argument)`, which may be asynchronous. For a process of processes.js. */
export function lineServer(reactor, handlers) {
  const lag = lagMeter(reactor);
  const all = { ping: () => 'pong', ...handlers };
  const listener = listen(reactor, { noDelay: true });
  void serve(listener, async (connection) => {
    for (;;) {
      const [word, argument] = String(await connection.readUntil('\n')).split(' ');
      await connection.write(`${await all[word](argument)}\n`);
    }
  });
  void reactor.run();

  let cpuBefore = process.cpuUsage();
  return {
    ready: { port: listener.address.port },
    calls: {
      reset() {
        lag.reset();
        cpuBefore = process.cpuUsage();
      },
      async figures() {
        const { user, system } = process.cpuUsage(cpuBefore);
        const memoryBytes = process.memoryUsage.rss();
        return { lag: await lag.figures(), cpuMs: (user + system) / 1000, memoryBytes };
      },
    },
  };
}
