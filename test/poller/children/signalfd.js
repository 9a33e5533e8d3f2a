// Waits on a signalfd for a signal that this thread brings upon itself: SIGPIPE, by writing to a pipe that nobody reads.
import { Poller, READABLE, describeReadiness, descriptors } from '../../../dist/index.js';

const SIGPIPE = 13;
const poller = new Poller({ kind: process.argv[2] });
const fd = descriptors.signalFd(SIGPIPE);
poller.add(fd, READABLE);
const events = new Int32Array(3);

poller.wait(events, 0);
console.log(describeReadiness(events[2]));

const [readEnd, writeEnd] = descriptors.pipe();
descriptors.close(readEnd);
try {
  descriptors.write(writeEnd, new Uint8Array(1));
} catch (error) {
  if (error.code !== 'EPIPE') throw error;
}
poller.wait(events, 10_000);
console.log(describeReadiness(events[2]));

// struct signalfd_siginfo begins with the signal's number.
const info = new Uint32Array(32);
descriptors.read(fd, new Uint8Array(info.buffer));
console.log(info[0]);
