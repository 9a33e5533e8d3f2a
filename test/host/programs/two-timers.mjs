// Two reactors and nothing else: only their own timers end the wait that they share. Prints which came, and when it is early.

import { Reactor } from '../../../dist/index.js';

const reactors = [new Reactor(), new Reactor()];
const log = [];
/** Long against a slice of the host's, so that the wait is one without a bound of the host's own. */
const DELAY_MS = 60;
function set(which, left) {
  const reactor = reactors[which];
  const dueMs = reactor.now() + DELAY_MS;
  reactor.setTimer(DELAY_MS, () => {
    log.push(reactor.now() < dueMs ? 'early' : which);
    if (left > 0) set(1 - which, left - 1);
    else for (const each of reactors) each.stop();
  });
}
set(1, 3);
// Keeps the other going, so that both wait. Nothing would end that wait but the timer.
for (const reactor of reactors) reactor.registry.hold();
await Promise.all(reactors.map((reactor) => reactor.run()));
console.log(JSON.stringify(log));
