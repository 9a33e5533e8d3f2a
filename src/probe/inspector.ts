// The seam between the probes and what no file of /proc says: sock_diag, kcmp, FIONREAD, a socket's protocol.

import { binding } from '../binding.js';
import { describeErrno } from '../errors.js';
import { ENOBUFS } from '../kernel/errno.js';
import type { Figure, Reading } from './figure.js';
import { known, unavailable } from './figure.js';

/** Where an entry stands: whose set, and the `occurrence`th of its number in that set's list. */
export interface EpollSlot {
  readonly pid: number;
  readonly epollFd: number;
  readonly fd: number;
  readonly occurrence: number;
}

/** Calls that look and change nothing. Tests give recorded answers; everything else uses {@link systemInspector}. */
export interface Inspector {
  /** The whole answer to one sock_diag(7) dump, of this process's own network namespace. */
  sockDiag(request: Uint8Array): Reading<Uint8Array>;
  /** Bytes that a read of this process's own `fd` would find. */
  queuedBytes(fd: number): Figure;
  /** Whether `fd` is the very file that the epoll set holds; the `occurrence`th entry of that number in its list. */
  isEpollTarget(pid: number, fd: number, epollFd: number, occurrence: number): Reading<boolean>;
  /** The same of a descriptor of any process and an entry of another's set: who keeps a phantom alive. */
  holdsEpollTarget(pid: number, fd: number, entry: EpollSlot): Reading<boolean>;
  /** Whether two descriptors of a process are one open file: a duplicate. */
  isSameFile(pid: number, fd: number, otherFd: number): Reading<boolean>;
  /** `TCP`, `TCPv6`, `UNIX-STREAM`, ...: known also for a socket that is in no table, since it is connected to nothing. */
  socketProtocol(pid: number, fd: number): Reading<string>;
}

const REPLY_BYTES_MIN = 256 * 1024;
/** Some 150,000 sockets. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

function refused(what: string, result: number): { unavailable: string } {
  const [code, text] = describeErrno(result) ?? [String(-result), 'unknown error'];
  return unavailable(`${what}: ${code}, ${text}`);
}

// Kept between dumps, for a stepper asks again and again. Synchronous code alone uses it.
let reply = new Uint8Array(0);

function sockDiag(request: Uint8Array): Reading<Uint8Array> {
  if (reply.length === 0) reply = new Uint8Array(REPLY_BYTES_MIN);
  for (;;) {
    const length = binding.sockDiag(request, request.length, reply, reply.length);
    if (length >= 0) return known(reply.subarray(0, length), 'sock_diag');
    if (length !== ENOBUFS || reply.length >= REPLY_BYTES_MAX) return refused('sock_diag', length);
    reply = new Uint8Array(reply.length * 4);
  }
}

function holdsEpollTarget(pid: number, fd: number, entry: EpollSlot): Reading<boolean> {
  const order = binding.compareEpollTarget(pid, fd, entry.pid, entry.epollFd, entry.fd, entry.occurrence);
  return order < 0 ? refused('kcmp', order) : known(order === 0, 'kcmp KCMP_EPOLL_TFD');
}

/** This machine's own answers. */
export const systemInspector: Inspector = {
  sockDiag,
  queuedBytes(fd) {
    const bytes = binding.queuedBytes(fd);
    return bytes < 0 ? refused(`FIONREAD of fd ${fd}`, bytes) : known(bytes, 'FIONREAD');
  },
  isEpollTarget: (pid, fd, epollFd, occurrence) =>
    holdsEpollTarget(pid, fd, { pid, epollFd, fd, occurrence }),
  holdsEpollTarget,
  isSameFile(pid, fd, otherFd) {
    const order = binding.compareFiles(pid, fd, otherFd);
    return order < 0 ? refused('kcmp', order) : known(order === 0, 'kcmp KCMP_FILE');
  },
  socketProtocol(pid, fd) {
    const name = binding.socketProtocol(`/proc/${pid}/fd/${fd}`);
    if (typeof name === 'number') return refused(`the protocol of fd ${fd} of process ${pid}`, name);
    return known(name, '/proc/PID/fd/FD system.sockprotoname');
  },
};

const recordedOnly = unavailable('only recorded files are read');

/** Says nothing: for recorded files, and to try what the files alone can tell. */
export const noInspector: Inspector = {
  sockDiag: () => recordedOnly,
  queuedBytes: () => recordedOnly,
  isEpollTarget: () => recordedOnly,
  holdsEpollTarget: () => recordedOnly,
  isSameFile: () => recordedOnly,
  socketProtocol: () => recordedOnly,
};
