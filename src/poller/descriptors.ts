// Makes descriptors of every kind that a poller can wait on. All are non-blocking and closed on exec; close them yourself.

import { binding } from '../binding.js';
import { SystemError, argumentError, checkFd, checkInteger, checkMs } from '../errors.js';
import { EAGAIN } from '../kernel/errno.js';

function must(syscall: string, result: number): number {
  if (result < 0) throw new SystemError(syscall, result);
  return result;
}

/** A pipe: `[readEnd, writeEnd]`; pipe(7). */
export function pipe(): [number, number] {
  const ends = new Int32Array(2);
  must('pipe2', binding.pipe(ends));
  return [ends[0], ends[1]];
}

/** A connected pair of stream sockets; socketpair(2). */
export function socketPair(): [number, number] {
  const ends = new Int32Array(2);
  must('socketpair', binding.socketPair(ends));
  return [ends[0], ends[1]];
}

/** A counter that is readable while above 0; eventfd(2). Linux. */
export function eventFd(initial = 0): number {
  checkInteger('initial', initial, 0, 0x7fffffff);
  return must('eventfd', binding.eventFd(initial));
}

/** Readable when `firstMs` have passed, and then every `intervalMs` (0: once); timerfd_create(2). Linux. */
export function timerFd(firstMs: number, intervalMs = 0): number {
  checkMs('firstMs', firstMs);
  checkMs('intervalMs', intervalMs);
  // Zero would disarm it (timerfd_settime(2)); the nearest thing to "at once" is a nanosecond.
  return must('timerfd_create', binding.timerFd(firstMs === 0 ? 1e-6 : firstMs, intervalMs));
}

/** Readable when `signal` (its number) is pending; blocks it in this thread. signalfd(2). Linux. */
export function signalFd(signal: number): number {
  checkInteger('signal', signal, 1, 64);
  return must('signalfd', binding.signalFd(signal));
}

/** Readable when something of `mask` (IN_* bits; 0x306: modified, created, deleted) happens to `path`. inotify(7). Linux. */
export function inotify(path: string, mask = 0x306): number {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw argumentError('path', 'a path', path);
  checkInteger('mask', mask, 1, 0x7fffffff);
  return must('inotify_add_watch', binding.inotify(path, mask));
}

/** Readable when the process has ended; pidfd_open(2). Linux 5.3. */
export function pidFd(pid: number): number {
  checkInteger('pid', pid, 1, 0x7fffffff);
  return must('pidfd_open', binding.pidFd(pid));
}

/** A pseudo-terminal: `[master, slave]`; pty(7). */
export function openPty(): [number, number] {
  const master = must('posix_openpt', binding.openPty());
  const slave = binding.openPtySlave(master);
  if (slave < 0) binding.close(master);
  return [master, must('open pty slave', slave)];
}

/** A route netlink socket that hears of link changes; netlink(7). Linux. */
export function netlink(): number {
  return must('socket netlink', binding.netlink());
}

/** A second descriptor of the same open file; fcntl(2) F_DUPFD_CLOEXEC. */
export function duplicate(fd: number): number {
  checkFd('fd', fd);
  return must('dup', binding.duplicate(fd));
}

/** Sets O_NONBLOCK on a descriptor that came from elsewhere. It holds for all who share the open file (open(2)). */
export function setNonBlocking(fd: number): void {
  checkFd('fd', fd);
  must('fcntl', binding.setNonBlocking(fd));
}

/** Reads into `bytes`: the number read, 0 at end-of-file, or null when it would block. */
export function read(fd: number, bytes: Uint8Array, start = 0, length?: number): number | null {
  checkFd('fd', fd);
  const count = binding.read(fd, bytes, start, checkRange(bytes, start, length));
  return count === EAGAIN ? null : mustFd('read', count, fd);
}

/** Writes from `bytes`: the number taken, or null when it would block. */
export function write(fd: number, bytes: Uint8Array, start = 0, length?: number): number | null {
  checkFd('fd', fd);
  const count = binding.write(fd, bytes, start, checkRange(bytes, start, length));
  return count === EAGAIN ? null : mustFd('write', count, fd);
}

/**
 * Closes a descriptor made here, which nothing else should do: what a thread has made and not closed here is closed when
 * the thread ends, and a worker would close what has the number by then. Deregister it from its poller first. close(2).
 */
export function close(fd: number): void {
  checkFd('fd', fd);
  mustFd('close', binding.close(fd), fd);
}

function mustFd(syscall: string, result: number, fd: number): number {
  if (result < 0) throw new SystemError(syscall, result, { fd });
  return result;
}

/** Gives the length: unless given, all behind `start`. */
function checkRange(bytes: unknown, start: number, given: number | undefined): number {
  if (!(bytes instanceof Uint8Array)) throw argumentError('bytes', 'a Uint8Array', bytes);
  checkInteger('start', start, 0, bytes.length);
  const length = given ?? bytes.length - start;
  checkInteger('length', length, 0, bytes.length - start);
  return length;
}
