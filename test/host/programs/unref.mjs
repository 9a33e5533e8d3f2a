// A process with a reactor that would wait for ever. Argument: how its reactor is unreferenced, or not.

import { Reactor, listen } from '../../../dist/index.js';
import { ScriptedKernel } from '../../../dist/testing.js';

const [how] = process.argv.slice(2);
const scripted = how.startsWith('scripted');
const open = () => {
  const reactor = new Reactor(scripted ? { kernel: new ScriptedKernel() } : {});
  listen(reactor, {}, {});
  // So that the scripted kernel has a time to go on to, for ever.
  if (scripted) {
    const again = () => reactor.setTimer(1000, again);
    again();
  }
  return reactor;
};

process.on('exit', () => console.log('exit'));
const reactor = open();
reactor.run();
console.log('running');

const hows = {
  'at once': () => reactor.unref(),
  'in a handler': () => reactor.setTimer(10, () => reactor.unref()),
  'in a callback of the runtime': () => setTimeout(() => reactor.unref(), 10),
  'scripted at once': () => reactor.unref(),
  'scripted in a handler': () => reactor.setTimer(10, () => reactor.unref()),
  // The runtime's own work is done before the process ends, and the reactor serves meanwhile.
  'with work of the runtime left': () => {
    reactor.unref();
    setTimeout(() => reactor.post(() => console.log('posted')), 20);
    setTimeout(() => console.log('timeout'), 40);
  },
  'one of two, then the other': () => {
    reactor.unref();
    const other = open();
    other.run();
    setTimeout(() => {
      console.log('the other lets go');
      other.unref();
    }, 30);
  },
  'one of two, then the other stops': () => {
    reactor.unref();
    const other = open();
    other.run();
    setTimeout(() => {
      console.log('the other stops');
      other.stop();
    }, 30);
  },
  'taken back': () => {
    reactor.unref();
    reactor.ref();
    setTimeout(() => console.log('still here'), 30);
  },
  never: () => setTimeout(() => console.log('still here'), 30),
};
hows[how]();
