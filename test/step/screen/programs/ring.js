// Three sockets that are always readable, in one batch of each turn: what each got is printed. ring.js [crash | block | busy | end]
import { isatty } from 'node:tty';
import { READABLE, Reactor } from '../../../../dist/index.js';

const mode = process.argv[2] ?? 'run';
const reactor = new Reactor();
const { kernel } = reactor;
let items = 0;

function serve(name, handler) {
  const pair = new Int32Array(2);
  kernel.socketPair(pair);
  const [here, there] = pair;
  kernel.sendBytes(there, new TextEncoder().encode('x'), 0, 1);
  const watch = reactor.watch(
    here,
    READABLE,
    handler(() => {
      const got = kernel.recv(here, 0, 16);
      items++;
      console.log(`${name} got ${got}`);
      if (got > 0) kernel.sendBytes(there, new TextEncoder().encode('x'), 0, 1);
      if (items === 2) misbehave();
    }),
  );
  console.log(`${name} is fd ${here}`);
  return watch;
}

function misbehave() {
  if (mode === 'crash') {
    console.log('wide 漢字 and \x1b[31mred\x1b[0m and \x07 and \x1b]0;title\x07 the end');
    throw new Error('crashed on purpose');
  }
  if (mode === 'block') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  if (mode === 'busy') for (;;);
  if (mode === 'end') reactor.close();
}

console.log(isatty(0) ? 'input is the terminal' : 'input is no terminal');
serve(
  'alpha',
  (run) =>
    function onAlpha() {
      run();
    },
);
serve(
  'beta',
  (run) =>
    function onBeta() {
      run();
    },
);
serve(
  'gamma',
  (run) =>
    function onGamma() {
      run();
    },
);
reactor.setTimer(1e6, function later() {});
reactor.run();
