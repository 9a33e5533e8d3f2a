// Steps through turns while Node sleeps: prints the names of the steps, and whether Node woke up meanwhile.

import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
let left = 3;
const again = () => {
  if (--left > 0) reactor.setTimer(2, again);
};
reactor.setTimer(2, again);
const sleeper = setTimeout(() => console.log('Node woke up'), 10_000);
for await (const step of reactor.steps()) console.log(step.kind, step.name);
clearTimeout(sleeper);
