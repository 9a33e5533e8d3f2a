// Does something, then waits for ever: prints when it is about to wait.

import { Reactor, descriptors } from '../../../dist/index.js';

const [read] = descriptors.pipe();
const reactor = new Reactor();
reactor.watch(read, 1, () => undefined);
reactor.setTimer(1, function theLastThing() {
  console.log('idle');
});
await reactor.run();
