// Leaves data behind, says so after a while, and does not end by itself.
import { Reactor, READABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [readEnd, writeEnd] = descriptors.pipe();
reactor.watch(readEnd, READABLE, () => void descriptors.read(readEnd, new Uint8Array(10)), {
  trigger: 'edge',
});
descriptors.write(writeEnd, new Uint8Array(1000));
setTimeout(() => console.log('left behind'), 600);
await reactor.run();
