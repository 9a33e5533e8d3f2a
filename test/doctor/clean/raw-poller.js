// A Poller by itself: drained by edge, asked for room only while there is something to send, closed in the right order.
import { EVENT_STRIDE, Poller, READABLE, WRITABLE, descriptors } from '../../../dist/index.js';

const poller = new Poller({ kind: 'epoll' });
const events = new Int32Array(16 * EVENT_STRIDE);
const [ours, theirs] = descriptors.socketPair();
const bytes = new Uint8Array(1000);
const one = poller.add(ours, READABLE, 'edge');
const two = poller.add(theirs, WRITABLE);
let left = 2_000_000;
let got = 0;
while (got < 2_000_000) {
  const count = poller.wait(events, 1000);
  for (let i = 0; i < count; i++) {
    const registration = poller.lookup(events[i * EVENT_STRIDE], events[i * EVENT_STRIDE + 1]);
    if (registration === two) {
      const sent = descriptors.write(theirs, new Uint8Array(Math.min(left, 1000)));
      if (sent !== null) left -= sent;
      if (left === 0) poller.modify(two, 0);
    } else {
      for (let n = descriptors.read(ours, bytes); n !== null; n = descriptors.read(ours, bytes)) got += n;
    }
  }
}
console.log(got);
poller.remove(one);
poller.remove(two);
descriptors.close(ours);
descriptors.close(theirs);
poller.wait(events, 400);
poller.close();
