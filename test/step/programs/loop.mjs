// A loop that is stepped in several ways. Argument: what becomes of it.
import fs from 'node:fs';
import { Reactor } from '../../../dist/index.js';

const [what] = process.argv.slice(2);
const reactor = new Reactor();
let ticks = 0;

function item() {
  switch (what) {
    case 'exit':
      process.exit(3);
      break;
    case 'crash':
      throw new Error('on purpose');
    case 'print':
      for (let i = 0; i < 40; i++) fs.writeSync(1, `${'x'.repeat(100_000)}\n`);
      break;
    case 'compute':
      for (const endMs = performance.now() + 2000; performance.now() < endMs;);
      break;
    case 'sleep':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
      break;
    case 'huge':
      reactor.onError = () => undefined;
      reactor.post(function afterwards() {});
      throw new Error('y'.repeat(20_000_000));
    case 'garbage':
      fs.writeSync(3, 'this is no JSON\n');
      break;
    case 'debugger':
      debugger;
      break;
    case 'spin':
      if (++ticks < 5000) reactor.setTimer(1, item);
      break;
    case 'beside':
      reactor.setTimer(5, item);
      if (++ticks === 4) reactor.stop();
      break;
  }
}
reactor.post(item);
let beside = 0;
const timer = what === 'beside' ? setInterval(() => beside++, 2) : undefined;
await reactor.run();
clearInterval(timer);
if (what === 'beside')
  console.log(`${ticks} items, and Node's timer ${beside > 0 ? 'went on' : 'stood still'}`);
reactor.close();
