// A long computation in pieces of 2 ms, one task after the other, beside a timer.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
const endMs = performance.now() + 1500;
function piece() {
  const untilMs = performance.now() + 2;
  while (performance.now() < untilMs);
  if (performance.now() < endMs) reactor.post(piece);
}
reactor.post(piece);
(function tick() {
  if (performance.now() < endMs) reactor.setTimer(20, tick);
})();
await reactor.run();
reactor.close();
