// Measures timers in a process of its own: `bytes KIND COUNT` or `times PENDING`. Prints JSON.

import { Reactor } from '../../dist/index.js';
import { sleep } from '../../dist/async/index.js';

const reactor = new Reactor();
let fired = 0;
const count = () => fired++;
const randomMs = () => 1e9 * (1 + Math.random());

const makers = {
  timers: (i) => reactor.setTimer(randomMs(), () => (fired += i)),
  'timers-one-callback': () => reactor.setTimer(randomMs(), count),
  sleeps: () => sleep(reactor, randomMs()),
  'awaiting-functions': async (i) => {
    await sleep(reactor, randomMs());
    fired += i;
  },
  'node-timeouts': (i) => setTimeout(() => (fired += i), 1e9 * (1 + Math.random())),
};

function settled() {
  for (let i = 0; i < 3; i++) globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}

/** Bytes per pending timer. Nothing but the reactor keeps them. */
function bytes(kind, number) {
  const make = makers[kind];
  for (let i = 0; i < 1000; i++) make(i); // compiled before it is measured
  const before = settled();
  for (let i = 0; i < number; i++) make(i);
  const after = settled();
  return {
    heapBytes: (after.heap - before.heap) / number,
    residentBytes: (after.rss - before.rss) / number,
  };
}

const ROUNDS = 31;
const PER_ROUND = 1000;

const median = (samples) => samples.sort((a, b) => a - b)[samples.length >> 1];

/** Nanoseconds per operation beside `pending` timers that are due in a random second far off. */
function times(pending) {
  for (let i = 0; i < pending; i++) reactor.setTimer(randomMs(), count);
  const set = [];
  const cancel = [];
  const fire = [];
  for (let round = 0; round < ROUNDS + 5; round++) {
    const timers = [];
    let startNs = process.hrtime.bigint();
    for (let i = 0; i < PER_ROUND; i++) timers.push(reactor.setTimer(randomMs(), count));
    const setNs = Number(process.hrtime.bigint() - startNs) / PER_ROUND;
    startNs = process.hrtime.bigint();
    for (const timer of timers) timer.cancel();
    const cancelNs = Number(process.hrtime.bigint() - startNs) / PER_ROUND;
    for (let i = 0; i < PER_ROUND; i++) reactor.setTimer(0, count);
    fired = 0;
    startNs = process.hrtime.bigint();
    while (fired < PER_ROUND) reactor.turn(0);
    const fireNs = Number(process.hrtime.bigint() - startNs) / PER_ROUND;
    if (round < 5) continue; // warm-up
    set.push(setNs);
    cancel.push(cancelNs);
    fire.push(fireNs);
  }
  return { setNs: median(set), cancelNs: median(cancel), fireNs: median(fire) };
}

const [what, ...rest] = process.argv.slice(2);
const result = what === 'bytes' ? bytes(rest[0], Number(rest[1])) : times(Number(rest[0]));
// Not the natural end: nobody waits years for the timers.
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
