// A task that queues itself again, and works for 30 ms each time: timers and sockets wait for it.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
function work() {
  const endMs = performance.now() + 30;
  while (performance.now() < endMs);
  reactor.post(work);
}
reactor.post(work);
function tick() {
  reactor.setTimer(5, tick);
}
tick();
setTimeout(() => reactor.close(), 1500);
await reactor.run();
