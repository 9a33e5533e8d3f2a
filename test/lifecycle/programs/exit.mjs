// Ends in one of many ways while a reactor waits. Argument: the way.

import { Worker, isMainThread } from 'node:worker_threads';
import { READABLE, Reactor, descriptors, listen } from '../../../dist/index.js';

const [way] = process.argv.slice(2);
const reactor = new Reactor();
const listener = listen(reactor, {}, {});
process.on('exit', (code) => console.log(`exit ${code}`));

const soon = (what) => reactor.setTimer(10, what);
const leave = () => process.exit(7);
const ways = {
  'in a timer': () => soon(leave),
  'in a task': () => soon(() => reactor.post(leave)),
  'in a readiness handler': () => {
    const [readEnd, writeEnd] = descriptors.pipe();
    reactor.watch(readEnd, READABLE, leave);
    soon(() => descriptors.write(writeEnd, Buffer.of(1)));
  },
  'in a closed callback': () => soon(() => reactor.closing(leave)),
  'in a reaction of a promise': () => soon(() => void Promise.resolve().then(leave)),
  'in a tick': () => soon(() => process.nextTick(leave)),
  'in a callback of the runtime': () => setTimeout(leave, 10),
  'in onError': () => {
    reactor.onError = leave;
    soon(() => {
      throw new Error('thrown on purpose');
    });
  },
  'with two reactors': () => {
    const other = new Reactor();
    listen(other, {}, {});
    other.run();
    soon(leave);
  },
  'with a batch half dispatched': () => {
    soon(leave);
    soon(() => console.log('must not run'));
  },
  naturally: () => {
    process.exitCode = 7;
    soon(() => listener.close());
  },
  'by closing the reactor': () => {
    process.exitCode = 7;
    soon(() => reactor.close());
  },
  'from a worker': () => {
    // process.exit() in a worker ends the worker only, although a pump is on its stack.
    const worker = new Worker(new URL(import.meta.url), { argv: ['in a timer'], stdout: false });
    worker.once('exit', leave);
  },
};
ways[way]();
if (isMainThread || way === 'in a timer') await reactor.run();
console.log('after run()');
