// The upstream as a process of its own, for a request that "waits" waits on a real socket: node dist/workload/upstream.js --port 0

import { Reactor } from '../reactor/reactor.js';
import { runProcess } from './process.js';
import { Upstream } from './upstream-server.js';

await runProcess(['host', 'port', 'backlog'], (flags) => {
  const host = flags.text('host');
  const port = flags.integer('port', 0, 65_535);
  const backlog = flags.integer('backlog', 1, 65_535);
  const reactor = new Reactor();
  const upstream = new Upstream(reactor, {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(backlog !== undefined && { backlog }),
  });
  void reactor.run();
  return {
    ready: { port: upstream.address.port },
    counters: () => upstream.counters,
    stop: () => reactor.close(),
  };
});
