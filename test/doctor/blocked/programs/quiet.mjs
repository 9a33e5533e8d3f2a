// Programs of which nothing, or one thing, is to be told: node quiet.mjs MODE, with what was told as JSON at the end.

import { watchBlocked } from '../../../../dist/doctor/blocked/index.js';
import { Reactor } from '../../../../dist/index.js';

const [mode] = process.argv.slice(2);
const watch = watchBlocked({ thresholdMs: 50 });
const reactor = new Reactor({ observer: watch.observer });

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
function burn(ms) {
  const until = cpu() + ms;
  while (cpu() < until);
}
const tell = (spans) => process.stdout.write(`${JSON.stringify(spans)}\n`);

switch (mode) {
  case 'short': {
    let left = 40;
    reactor.post(function brief() {
      burn(5);
      if (left-- > 0) reactor.setTimer(2, brief);
    });
    await reactor.run();
    tell(await watch.take());
    break; // and ends by itself, the watch open
  }
  case 'stopped':
    reactor.post(function stopped() {
      process.stdout.write('now\n');
      burn(30); // whoever reads that stops the process
    });
    await reactor.run();
    tell(await watch.take());
    break;
  case 'exit':
    process.on('exit', () => tell(watch.takeNow()));
    reactor.post(function last() {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
      process.nextTick(() => process.exit(3));
    });
    await reactor.run();
    break;
  case 'end':
    // The very last thing that it does is too long, and nobody asks.
    reactor.post(function last() {
      burn(100);
    });
    void reactor.run();
    break;
  case 'closed':
    reactor.post(function before() {
      burn(100);
    });
    await reactor.run();
    await watch.close();
    await watch.close();
    tell(await watch.take());
    reactor.post(function after() {
      burn(100);
    });
    await reactor.run();
    tell(await watch.take());
}
