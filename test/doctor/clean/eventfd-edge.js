// An eventfd and a timerfd by edge that nobody reads: each event is an edge of its own.
import { Reactor, READABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const counter = descriptors.eventFd();
const timer = descriptors.timerFd(20, 20);
reactor.watch(counter, READABLE, () => {}, { trigger: 'edge' });
reactor.watch(
  timer,
  READABLE,
  () => descriptors.write(counter, new Uint8Array(new BigUint64Array([1n]).buffer)),
  {
    trigger: 'edge',
  },
);
setTimeout(() => reactor.close(), 900);
await reactor.run();
