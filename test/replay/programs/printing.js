// Prints more at once than a pipe holds, and goes on when that is done.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
const { stdout } = process;
let left = 60;
stdout.on('drain', () => reactor.post(() => console.log('drained')));
const print = () => {
  if (left-- === 0) return;
  stdout.write(`${'x'.repeat(6000)}\n`, () => {
    reactor.post(() => undefined);
    print();
  });
  process.nextTick(() => Math.random());
};
reactor.setTimer(1, print);
reactor.setTimer(5, () => console.log('end'));
await reactor.run();
