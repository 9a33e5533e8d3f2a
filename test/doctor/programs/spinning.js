// A task that asks again and again whether something has happened.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
let done = false;
reactor.post(function isDone() {
  if (!done) reactor.post(isDone);
});
reactor.setTimer(1200, () => (done = true));
await reactor.run();
reactor.close();
