// One of several processes that wait for connections on the same listening socket: thundering-herd-worker.js plain|exclusive

import { READABLE, descriptors, nativeKernel as kernel } from '../../../index.js'; // in a program of yours: from 'underloop'
import { EXCLUSIVE } from '../../../poller/poller.js';

/** As they are inherited. */
const LISTENING_FD = 3;
const REPORT_FD = 4;
/** Between waking and accepting, so that whoever was woken for the same connection still finds it. */
const SLOWNESS_MS = 40;

const poller = kernel.openPoller('epoll');
if (typeof poller === 'number') throw new Error(`epoll_create failed: ${String(poller)}`);
const exclusive = process.argv[2] === 'exclusive' ? EXCLUSIVE : 0;
poller.add(LISTENING_FD, READABLE | exclusive, 0, 1);
poller.add(REPORT_FD, READABLE, 1, 1); // readable when the other end has gone

const events = poller.allocateEvents(2);
const sleeping = new Int32Array(new SharedArrayBuffer(4));
const report = (word: string): number | null => descriptors.write(REPORT_FD, Buffer.from(word));

report('r');
for (;;) {
  const count = poller.wait(events, Infinity); // blocks this process
  for (let i = 0; i < count; i++) {
    if (events[i * 3] === 1) process.exit(0);
    Atomics.wait(sleeping, 0, 0, SLOWNESS_MS);
    const accepted = kernel.accept(LISTENING_FD);
    report(accepted >= 0 ? 'a' : 'v');
    if (accepted >= 0) kernel.close(accepted);
  }
}
