// Prints how long after its end run() lets its caller go on, where the runtime itself has nothing to do for seconds.

import { READABLE, Reactor, descriptors } from '../../../dist/index.js';

const keeper = setTimeout(() => {}, 8000);
const reactor = new Reactor();
const lateMs = [];
let endedMs = performance.now();

// Nothing keeps it from the start.
await reactor.run();
lateMs.push(performance.now() - endedMs);

// A handler lets go of the last thing.
const [readEnd] = descriptors.pipe();
const watch = reactor.watch(readEnd, READABLE, () => {});
reactor.setTimer(20, () => {
  watch.close();
  endedMs = performance.now();
});
await reactor.run();
lateMs.push(performance.now() - endedMs);

// So does a reaction of a promise.
const again = reactor.watch(readEnd, READABLE, () => {});
reactor.setTimer(20, () => {
  void Promise.resolve().then(() => {
    again.close();
    endedMs = performance.now();
  });
});
await reactor.run();
lateMs.push(performance.now() - endedMs);

// A handler stops it.
reactor.watch(readEnd, READABLE, () => {});
reactor.setTimer(20, () => {
  reactor.stop();
  endedMs = performance.now();
});
await reactor.run();
lateMs.push(performance.now() - endedMs);

clearTimeout(keeper);
console.log(JSON.stringify(lateMs));
