// Kills itself in the middle: what was recorded before is a recording.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
let beats = 0;
function beat() {
  beats++;
  if (beats === 5) process.kill(process.pid, process.argv[2]);
  reactor.setTimer(15, beat);
}
beat();
await reactor.run();
