// A socket that is watched for both, with nothing to send.
import { Reactor, READABLE, WRITABLE, descriptors } from '../../../dist/index.js';

const reactor = new Reactor();
const [ours, theirs] = descriptors.socketPair();
const bytes = new Uint8Array(1000);
let calls = 0;
let isLate = false;
reactor.watch(ours, READABLE | WRITABLE, function ready(readiness) {
  if ((readiness & READABLE) !== 0) descriptors.read(ours, bytes);
  // On a busy machine it has few of them in its time.
  if (++calls > 20_000 && isLate) reactor.close();
});
descriptors.write(theirs, new Uint8Array(10));
setTimeout(() => (isLate = true), 300);
await reactor.run();
