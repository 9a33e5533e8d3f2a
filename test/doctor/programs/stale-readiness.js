// A socket that is closed before it is taken out, while a duplicate keeps its file alive.
import { Reactor, READABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [ours, theirs] = descriptors.socketPair();
const watch = reactor.watch(ours, READABLE, function ready() {
  descriptors.duplicate(ours);
  descriptors.close(ours);
  watch.close();
});
descriptors.write(theirs, new Uint8Array(10));
setTimeout(() => reactor.close(), 500);
await reactor.run();
