// An edge-triggered pipe whose handler reads once: what is left lies there.
import { Reactor, READABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [readEnd, writeEnd] = descriptors.pipe();
const bytes = new Uint8Array(100);
reactor.watch(
  readEnd,
  READABLE,
  function readOnce() {
    descriptors.read(readEnd, bytes);
  },
  { trigger: 'edge' },
);
descriptors.write(writeEnd, new Uint8Array(1000));
setTimeout(() => reactor.close(), 800);
await reactor.run();
