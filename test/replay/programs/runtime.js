// The runtime's own timers, dates and random numbers between turns; what handlers throw; signals; the end by process.exit().
import { randomUUID } from 'node:crypto';
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
process.on('uncaughtException', (error) => console.log('uncaught', error.message));
process.on('SIGUSR2', () => console.log('a signal'));
console.log(randomUUID(), crypto.randomUUID(), new Date().toISOString(), Math.random(), performance.now());
let beats = 0;
const beat = setInterval(() => {
  console.log('beat', ++beats, Date.now());
  reactor.post(() => {
    if (beats === 2) throw new Error('of a task');
    console.log('posted by a beat');
  });
  if (beats === 3) {
    clearInterval(beat);
    process.kill(process.pid, 'SIGUSR2');
    setTimeout(() => process.exit(3), 20);
  }
}, 3);
const never = setTimeout(() => console.log('never'), 50_000);
reactor.setTimer(2, () => {
  clearTimeout(never);
  setImmediate((text) => console.log(text), 'an immediate');
  process.nextTick(() => console.log('a tick'));
  void Promise.resolve().then(() => console.log('a promise', Date()));
});
reactor.setTimer(60_000, () => {});
void reactor.run();
setImmediate(() => {
  throw new Error('of an immediate');
});
