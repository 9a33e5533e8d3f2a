// What a program asks of the addon past its kernel: descriptors that it makes and reads itself (`descriptors`), sockets that block
// (underloop/blocking), system calls on native threads (underloop/executor). These calls go on the tape as well.

import { binding } from '../binding.js';
import { OP } from './format.js';
import { tapedCall, type AnyTape } from './taped-call.js';

type Method = (...args: unknown[]) => unknown;

const PLAIN = [
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
  'shutdown',
  'blockingConnect',
  'offloadOpen',
  'offloadClose',
  'offloadResolve',
  'offloadReadFile',
  'offloadReadChunk',
  'offloadCancel',
] as const;

/** Calls that read into the caller's bytes, and such that send them: descriptor, bytes, start, length, and for some a timeout. */
const READS = ['read', 'blockingRead'] as const;
const WRITES = ['write', 'blockingWrite'] as const;

/** Puts the addon's calls for such things on a tape. The kernel has kept its own of the same names. */
export function tapeDescriptors(tape: AnyTape): void {
  const calls = binding as unknown as Record<string, Method>;
  for (const name of PLAIN) {
    const own = calls[name];
    calls[name] = (...args) => tapedCall(tape, `addon.${name}`, args, () => own(...args));
  }
  for (const name of READS) {
    const own = calls[name] as typeof binding.blockingRead;
    const taped: typeof binding.blockingRead = (fd, bytes, start, length, timeoutMs) => {
      if (!tape.live || tape.aside) return own(fd, bytes, start, length, timeoutMs);
      // Before its entry, which then has the room that it needs: the caller's bytes may be many, and what comes few.
      const given = tape.replaying ? 0 : own(fd, bytes, start, length, timeoutMs);
      tape.open(OP.read, Math.max(given, 0));
      tape.putInt(fd);
      tape.putInt(start);
      tape.putInt(length);
      tape.check();
      const count = tape.result(given);
      if (count > 0) tape.resultBytes(bytes, start, count);
      tape.close();
      return count;
    };
    calls[name] = taped as Method;
  }
  for (const name of WRITES) {
    const own = calls[name] as typeof binding.blockingWrite;
    const taped: typeof binding.blockingWrite = (fd, bytes, start, length, timeoutMs) => {
      if (!tape.live || tape.aside) return own(fd, bytes, start, length, timeoutMs);
      tape.open(OP.write);
      tape.putInt(fd);
      tape.putInt(length);
      tape.putHash(bytes, start, start + length);
      tape.check();
      const count = tape.result(tape.replaying ? 0 : own(fd, bytes, start, length, timeoutMs));
      tape.sent(fd, bytes, start, count);
      tape.close();
      return count;
    };
    calls[name] = taped as Method;
  }
  tapeOutcomes(tape);
}

// What the data of an outcome are.
const NOTHING = 0; // no call is done
const TEXT = 1;
const BYTES = 2;

/** What came of a call on a native thread: a name's addresses, or as much of a file as was asked for. */
function tapeOutcomes(tape: AnyTape): void {
  const take = binding.offloadTake.bind(binding);
  binding.offloadTake = (handle, outcome) => {
    if (!tape.live || tape.aside) return take(handle, outcome);
    const data = tape.replaying ? undefined : take(handle, outcome);
    const given = typeof data === 'string' ? Buffer.from(data) : new Uint8Array(data ?? new ArrayBuffer(0));
    tape.open(OP.outcome, given.length);
    tape.putInt(handle);
    tape.check();
    const kind = tape.result(data === undefined ? NOTHING : typeof data === 'string' ? TEXT : BYTES);
    if (kind === NOTHING) {
      tape.close();
      return undefined;
    }
    outcome[0] = tape.result(outcome[0]);
    outcome[1] = tape.result(outcome[1]);
    const length = tape.result(given.length);
    const bytes = tape.replaying ? new Uint8Array(length) : given;
    tape.resultBytes(bytes, 0, length);
    tape.close();
    if (!tape.replaying) return data;
    return kind === TEXT ? new TextDecoder().decode(bytes) : bytes.buffer;
  };
}
