// A socket that is watched for both, with nothing to send.
import { Reactor, READABLE, WRITABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [ours, theirs] = descriptors.socketPair();
const bytes = new Uint8Array(1000);
reactor.watch(ours, READABLE | WRITABLE, function ready(readiness) {
  if ((readiness & READABLE) !== 0) descriptors.read(ours, bytes);
});
descriptors.write(theirs, new Uint8Array(10));
setTimeout(() => reactor.close(), 300);
await reactor.run();
