// Passes bytes on by edge: while the next one takes nothing, what has come stays where it is.
import { Reactor, READABLE, WRITABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [input, source] = descriptors.socketPair();
const [output, sink] = descriptors.socketPair();
const bytes = new Uint8Array(16384);
let rest = null;
function pass() {
  for (;;) {
    rest ??= (() => {
      const count = descriptors.read(input, bytes);
      return count === null || count === 0 ? null : bytes.slice(0, count);
    })();
    if (rest === null) return;
    const count = descriptors.write(output, rest);
    if (count === null) return;
    rest = count < rest.length ? rest.subarray(count) : null;
  }
}
reactor.watch(input, READABLE, pass, { trigger: 'edge' });
reactor.watch(output, WRITABLE, pass, { trigger: 'edge' });
const block = new Uint8Array(65536);
while (descriptors.write(source, block) !== null);
setTimeout(() => {
  while (descriptors.write(source, block) !== null);
}, 50);
setTimeout(() => {
  const timer = setInterval(() => {
    while (descriptors.read(sink, block) !== null);
  }, 5);
  setTimeout(() => {
    clearInterval(timer);
    reactor.close();
  }, 300);
}, 1200);
await reactor.run();
