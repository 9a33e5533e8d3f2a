// A handler throws and the reactor has no onError, or one that throws itself. Arguments: what is handled, which kernel.

import { Reactor } from '../../../dist/index.js';
import { ScriptedKernel } from '../../../dist/testing.js';

const [mode, kernel] = process.argv.slice(2);
const reactor = new Reactor(kernel === 'scripted' ? { kernel: new ScriptedKernel() } : {});

if (mode !== 'unhandled') {
  process.on('uncaughtException', (error) => {
    console.log(`uncaughtException: ${error.message}`);
  });
}
if (mode === 'throwing-onError') {
  reactor.onError = (error) => {
    throw new Error(`from onError, because of ${error.message}`);
  };
}
reactor.post(function failingTask() {
  throw new Error('from a task');
});
reactor.post(() => {
  console.log('neighbour runs');
  reactor.setTimer(20, () => console.log('a later turn runs'));
});
await reactor.run();
console.log('run() has ended');
