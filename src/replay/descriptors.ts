// Descriptors that a program makes and reads itself (`descriptors` of underloop): their calls go on the tape as well.

import { binding } from '../binding.js';
import { OP } from './format.js';
import { tapedCall, type AnyTape } from './taped-kernel.js';

type Method = (...args: unknown[]) => unknown;

const MADE = [
  'pipe',
  'socketPair',
  'eventFd',
  'timerFd',
  'signalFd',
  'inotify',
  'pidFd',
  'openPty',
  'openPtySlave',
  'netlink',
  'duplicate',
  'setNonBlocking',
  'close',
] as const;

/** Puts the addon's calls for such descriptors on a tape. The kernel has kept its own of the same names. */
export function tapeDescriptors(tape: AnyTape): void {
  const calls = binding as unknown as Record<string, Method>;
  for (const name of MADE) {
    const own = calls[name];
    calls[name] = (...args) => tapedCall(tape, `descriptors.${name}`, args, () => own(...args));
  }
  const read = binding.read.bind(binding);
  const write = binding.write.bind(binding);
  binding.read = (fd, bytes, start, length) => {
    if (!tape.live || tape.aside) return read(fd, bytes, start, length);
    tape.open(OP.read, length);
    tape.putInt(fd);
    tape.putInt(start);
    tape.putInt(length);
    tape.check();
    const count = tape.result(tape.replaying ? 0 : read(fd, bytes, start, length));
    if (count > 0) tape.resultBytes(bytes, start, count);
    tape.close();
    return count;
  };
  binding.write = (fd, bytes, start, length) => {
    if (!tape.live || tape.aside) return write(fd, bytes, start, length);
    tape.open(OP.write);
    tape.putInt(fd);
    tape.putInt(length);
    tape.putHash(bytes, start, start + length);
    tape.check();
    const count = tape.result(tape.replaying ? 0 : write(fd, bytes, start, length));
    tape.sent(fd, bytes, start, count);
    tape.close();
    return count;
  };
}
