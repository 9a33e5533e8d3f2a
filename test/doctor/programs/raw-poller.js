// A Poller by itself, by edge: it reads once for each event, and then waits for what it has already.
import { EVENT_STRIDE, Poller, READABLE, descriptors } from '../../../dist/index.js';

const poller = new Poller({ kind: 'epoll' });
const events = new Int32Array(EVENT_STRIDE);
const [ours, theirs] = descriptors.socketPair();
const bytes = new Uint8Array(100);
poller.add(ours, READABLE, 'edge');
descriptors.write(theirs, new Uint8Array(1000));
while (poller.wait(events, 800) > 0) descriptors.read(ours, bytes);
poller.close();
