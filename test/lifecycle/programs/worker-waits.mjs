// Waits in a worker for longer than the slices in which it looks for its termination, and prints what the waits gave.

import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { Poller, READABLE, Reactor, descriptors } from '../../../dist/index.js';

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  worker.on('message', ({ writeTo, figures }) => {
    if (figures !== undefined) console.log(JSON.stringify(figures));
    else setTimeout(() => descriptors.write(writeTo, Buffer.of(1)), 130);
  });
} else {
  const kind = process.argv[2];
  const events = new Int32Array(30);
  const timed = (call) => {
    const beganMs = performance.now();
    const result = call();
    return { result, tookMs: performance.now() - beganMs };
  };
  const figures = {};
  const poller = new Poller({ kind });
  figures.timeout = timed(() => poller.wait(events, 120.25));
  // An event after several slices.
  const [readEnd, writeEnd] = descriptors.pipe();
  poller.add(readEnd, READABLE);
  figures.event = timed(() => {
    parentPort.postMessage({ writeTo: writeEnd });
    return poller.wait(events, Infinity);
  });
  poller.remove(poller.lookup(events[0], events[1]));
  poller.wake();
  figures.wake = timed(() => poller.wait(events, Infinity));

  const reactor = new Reactor({ poller: kind });
  let fired = 0;
  figures.turn = timed(() => {
    reactor.setTimer(110, () => fired++);
    while (fired === 0) reactor.turn();
    return fired;
  });
  parentPort.postMessage({ figures });
}
