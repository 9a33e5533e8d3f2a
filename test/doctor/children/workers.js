// Makes one reactor here, and two and a poller in worker threads, one of which was started by the other.
import { once } from 'node:events';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { Poller, Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
reactor.setTimer(1, () => {});
await reactor.run();
reactor.close();
if (isMainThread) await once(new Worker(new URL(import.meta.url), { workerData: 'again' }), 'exit');
else if (workerData === 'again') {
  new Poller().close();
  await once(new Worker(new URL(import.meta.url), { workerData: 'once' }), 'exit');
}
