// Prints what 500 ms of doing nothing cost: CPU time of the process, and turns of the reactor. Argument: the arrangement.

import { once } from 'node:events';
import net from 'node:net';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { Reactor, SilentObserver, listen } from '../../../dist/index.js';

const IDLE_MS = 500;
const [arrangement] = process.argv.slice(2);

async function measure(kind) {
  let turns = 0;
  const observer = new SilentObserver();
  observer.turnBegin = () => turns++;
  const reactors = [];
  for (let i = 0; i < (arrangement === 'two reactors' ? 2 : 1); i++) {
    reactors.push(new Reactor({ observer, ...(kind === undefined ? {} : { poller: kind }) }));
    listen(reactors[i], {}, {});
    reactors[i].run();
  }
  if (arrangement === 'beside idle sockets of the runtime') {
    const server = net.createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    await once(net.connect(server.address().port, '127.0.0.1'), 'connect');
  }
  const figures = await new Promise((resolve) => {
    // A while to settle in, and then the time that counts.
    reactors[0].setTimer(50, () => {
      const before = process.cpuUsage();
      turns = 0;
      reactors[0].setTimer(IDLE_MS, () => {
        const { user, system } = process.cpuUsage(before);
        resolve({ cpuMs: (user + system) / 1000, turns });
      });
    });
  });
  for (const reactor of reactors) reactor.close();
  return figures;
}

if (!isMainThread) {
  parentPort.postMessage(await measure());
} else if (arrangement === 'worker') {
  const worker = new Worker(new URL(import.meta.url), { argv: [arrangement] });
  worker.once('message', (figures) => console.log(JSON.stringify(figures)));
} else {
  const kinds = ['epoll', 'kqueue', 'poll', 'select'];
  console.log(JSON.stringify(await measure(kinds.includes(arrangement) ? arrangement : undefined)));
  process.exit();
}
