// A timer whose callback computes for 150 ms.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
reactor.setTimer(50, function compute() {
  const before = process.cpuUsage().user;
  while (process.cpuUsage().user - before < 150_000);
});
reactor.setTimer(600, () => reactor.close());
await reactor.run();
